"""Extensions of AllenNLP's training, in modules with the same names as AllenNLP's."""

from joint_ner_re.training import ranges  # noqa: F401  (registers the bounds)
from joint_ner_re.training.callbacks import (
    BeginWithCallback,
    KnownRelationsCallback,
    SaveEncoderCallback,
    UnfreezeCallback,
)
from joint_ner_re.training.checkpointer import CrashSafeCheckpointer
from joint_ner_re.training.data_loaders import BalancedDataLoader
from joint_ner_re.training.learning_rate_schedulers import ReduceOnPlateau
from joint_ner_re.training.optimizers import FusedAdamW
from joint_ner_re.training.progress import ProgressCallback

__all__ = [
    "BalancedDataLoader",
    "BeginWithCallback",
    "CrashSafeCheckpointer",
    "FusedAdamW",
    "KnownRelationsCallback",
    "ProgressCallback",
    "ReduceOnPlateau",
    "SaveEncoderCallback",
    "UnfreezeCallback",
]
