"""Registers this package's classes and commands with AllenNLP, when it is imported.

AllenNLP imports it for a line `joint_ner_re.plugin` in `.allennlp_plugins`, and for
`--include-package joint_ner_re`. It also makes AllenNLP's own commands read archives as files of
strangers and write their files whole: see `joint_ner_re.archives`.

# Raises

`ModuleNotFoundError`
    If AllenNLP is not installed: the message says how to install it.
"""

from joint_ner_re.requirements import require_allennlp

require_allennlp()

from joint_ner_re import console  # noqa: E402

# First, because AllenNLP tells of each class that is registered.
console.tidy()

from joint_ner_re import (  # noqa: E402, F401
    archives,
    configuration,
    dataset_readers,
    experiments,
    metrics,
    models,
    modules,
    predictors,
    pretrained,
    training,
)
from joint_ner_re.commands import allennlp_endings, subcommands  # noqa: E402, F401
from joint_ner_re.metrics import joint_score, weighted_mean  # noqa: E402, F401
