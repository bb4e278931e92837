"""Joint recognition of named entities and the relations between them, on AllenNLP.

Importing the package registers its readers, modules, model and predictor with AllenNLP.
"""

from joint_ner_re import (
    archives,
    callbacks,
    commands,
    compat,
    configuration,
    dataset_readers,
    metrics,
    models,
    modules,
    optimizers,
    predictors,
)
from joint_ner_re.version import VERSION

__version__ = VERSION

__all__ = [
    "archives",
    "callbacks",
    "commands",
    "compat",
    "configuration",
    "dataset_readers",
    "metrics",
    "models",
    "modules",
    "optimizers",
    "predictors",
]
