"""Experiments of many runs: what `allennlp`'s subcommands of this project do."""

from joint_ner_re.experiments import crash_safe_files  # noqa: F401  (changes how AllenNLP writes)
