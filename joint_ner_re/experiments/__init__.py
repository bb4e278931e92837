"""Experiments of many runs: what `allennlp`'s subcommands of this project do.

Importing the room registers the callback that trainings have, and the checkpointer.
"""

from joint_ner_re.experiments.progress import ExperimentCallback
from joint_ner_re.experiments.whole_files import WholeCheckpointer

__all__ = ["ExperimentCallback", "WholeCheckpointer"]
