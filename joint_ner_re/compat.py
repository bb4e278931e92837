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

    AllenNLP's own always passes `verbose` on, and fails with any torch since. It reads the metric
    that the trainer's `validation_metric` names.

    # Parameters

    optimizer : `Optimizer`
        Given by AllenNLP.
    mode : `str`, optional (default = `"min"`)
        `"min"`: the metric should fall; `"max"`: it should rise.
    factor : `float`, optional (default = `0.1`)
        The rate is multiplied by this.
    patience : `int`, optional (default = `10`)
        After more than so many epochs without an improvement.
    threshold_mode : `str`, optional (default = `"rel"`)
        Whether `threshold` is a share of the best value, `"rel"`, or a difference, `"abs"`.
    threshold : `float`, optional (default = `1e-4`)
        What counts as an improvement.
    cooldown : `int`, optional (default = `0`)
        Epochs after a change in which none is counted.
    min_lr : `Union[float, List[float]]`, optional (default = `0`)
        The rate falls no further: one number, or one for each group of parameters.
    eps : `float`, optional (default = `1e-8`)
        A smaller change of the rate is left out.
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
