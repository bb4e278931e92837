"""Experiments of many runs: what `allennlp`'s subcommands of this project do.

Importing the room registers the callback that their trainings have.
"""

from joint_ner_re.experiments.progress import ExperimentCallback

__all__ = ["ExperimentCallback"]
