"""AllenNLP's `reduce_on_plateau`, for current versions of torch."""

from allennlp.common.checks import ConfigurationError
from allennlp.training.learning_rate_schedulers.learning_rate_scheduler import (
    _PyTorchLearningRateSchedulerWithMetricsWrapper,
)
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from joint_ner_re.allennlp_changes import make
from joint_ner_re.configuration import CheckedOptions


class ReduceOnPlateau(CheckedOptions, _PyTorchLearningRateSchedulerWithMetricsWrapper):
    """Reduces the learning rate when the trainer's `validation_metric` stops improving.

    It replaces AllenNLP's scheduler, which fails because it passes the option `verbose`, which
    torch 2.7 removed. This one does not have that option.

    # Parameters

    optimizer : `Optimizer`
        Given by AllenNLP.
    mode : `str`, optional (default = `"min"`)
        `"min"`: the metric should fall; `"max"`: it should rise.
    factor : `float`, optional (default = `0.1`)
        The rate is multiplied by this number.
    patience : `int`, optional (default = `10`)
        The number of epochs without improvement after which the next one reduces the rate.
    threshold_mode : `str`, optional (default = `"rel"`)
        `"rel"`: `threshold` is a share of the best value. `"abs"`: it is a difference to it.
    threshold : `float`, optional (default = `1e-4`)
        The smallest change that counts as an improvement.
    cooldown : `int`, optional (default = `0`)
        The number of epochs after a reduction that do not count for `patience`.
    min_lr : `float | list[float]`, optional (default = `0`)
        The lowest rate: one number, or one for each group of parameters.
    eps : `float`, optional (default = `1e-8`)
        The rate is not changed by less than this.

    # Raises

    `ConfigurationError`
        If an option has an impossible value.
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
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        for name, given, known in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if given not in known:
                raise ConfigurationError(f"{name} is {given!r}; expected {' or '.join(known)}")
        if not 0 < factor < 1:
            raise ConfigurationError(f"factor is {factor}; expected more than 0 and less than 1")
        rates = min_lr if isinstance(min_lr, list) else [min_lr]
        if isinstance(min_lr, list) and len(min_lr) != len(optimizer.param_groups):
            raise ConfigurationError(
                f"min_lr is {min_lr}; expected a number, or one for each of the "
                f"{len(optimizer.param_groups)} groups of parameters"
            )
        for name, values in (
            ("patience", [patience]),
            ("threshold", [threshold]),
            ("cooldown", [cooldown]),
            ("min_lr", rates),
            ("eps", [eps]),
        ):
            if not all(value >= 0 for value in values):
                raise ConfigurationError(f"{name} is {values[0]}; expected 0 or more")
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


make(__name__)
