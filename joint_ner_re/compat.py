"""What AllenNLP 2.10.1 needs to work with a torch newer than it knows. Kept as small as it gets.

Everything else that AllenNLP and today's torch disagree on is settled by version pins; see
requirements/overrides.txt.
"""

from typing import List, Union

from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.learning_rate_schedulers.learning_rate_scheduler import (
    _PyTorchLearningRateSchedulerWithMetricsWrapper,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau


@LearningRateScheduler.register("reduce_on_plateau", exist_ok=True)
class ReduceOnPlateau(_PyTorchLearningRateSchedulerWithMetricsWrapper):
    """`reduce_on_plateau` without its option `verbose`, which torch 2.7 took away.

    AllenNLP's own always passes `verbose` on, and fails with any torch since. The parameters are
    those of `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold_mode: str = "rel",
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: Union[float, List[float]] = 0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            ReduceLROnPlateau(  # type: ignore[arg-type]
                optimizer,
                mode=mode,  # type: ignore[arg-type]
                factor=factor,
                patience=patience,
                threshold_mode=threshold_mode,  # type: ignore[arg-type]
                threshold=threshold,
                cooldown=cooldown,
                min_lr=min_lr,
                eps=eps,
            )
        )
