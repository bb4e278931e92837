"""What a long experiment says while it runs, and how a training inside it keeps quiet."""

import contextlib
import json
import logging
import os
import sys
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional

import torch
from allennlp.models import Model
from allennlp.training import TrainerCallback
from overrides import overrides

logger = logging.getLogger(__name__)


class Epoch(NamedTuple):
    """What a training has come to.

    # Parameters

    number : `int`
        Of the epoch that has ended, from 0.
    score : `float`
        Its validation metric, greater being better.
    seconds : `float`
        Since the training began.
    model : `Model`
    """

    number: int
    score: float
    seconds: float
    model: Model


OnEpoch = Callable[[Epoch], None]
_title: ContextVar[str] = ContextVar("title", default="training")
_on_epoch: ContextVar[Optional[OnEpoch]] = ContextVar("on_epoch", default=None)


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """In the block, the experiment's own messages go to standard output, and only there."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def say(text: str) -> None:
    """Show one line, if `shown` is in force."""
    logger.info(text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """In the block, AllenNLP logs into files only; its bars appear on a terminal only."""
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        if not sys.stderr.isatty():
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        root.handlers = [logging.NullHandler()]
        try:
            yield
        finally:
            # AllenNLP's `train_model` puts handlers and a hook of its own in their place.
            for handler in root.handlers:
                handler.close()
            root.handlers, sys.excepthook = before[0], before[2]
            root.setLevel(before[1])


@contextlib.contextmanager
def watched(title: str, on_epoch: Optional[OnEpoch] = None) -> Iterator[None]:
    """In the block, a training that has an `ExperimentCallback` is shown under this title.

    # Parameters

    title : `str`
    on_epoch : `Callable[[Epoch], None]`, optional (default = `None`)
        Is called after each epoch.
    """
    tokens = _title.set(title), _on_epoch.set(on_epoch)
    try:
        yield
    finally:
        _title.reset(tokens[0])
        _on_epoch.reset(tokens[1])


@TrainerCallback.register("experiment")
class ExperimentCallback(TrainerCallback):
    """Tells of each epoch, and lets a recovered training end as one that was not interrupted.

    AllenNLP's checkpoints lack PyTorch's random state, without which dropout differs after
    `--recover`, and the time spent so far; a training that was interrupted between its last epoch
    and its end would have one epoch too many. `watched` says who is told.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    """

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._seconds = 0.0
        self._started = monotonic()
        self._random: Dict[str, Any] = {}

    @property
    def seconds(self) -> float:
        """Time spent on the training, also before it was interrupted."""
        return self._seconds + monotonic() - self._started

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        if self._random:
            torch.set_rng_state(self._random["cpu"])
            if len(self._random["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(self._random["cuda"])
        if trainer._metric_tracker.should_stop_early():
            trainer._num_epochs = trainer._start_after_epochs_completed
        self._started = monotonic()

    @overrides
    def on_epoch(
        self, trainer: Any, metrics: Dict[str, Any], epoch: int, is_primary: bool = True, **kwargs
    ) -> None:
        tracker = trainer._metric_tracker
        if not all(f"validation_{name}" in metrics for _, name in tracker.tracked_metrics):
            # Without validation data there is nothing to tell.
            return
        name = "+".join(name for _, name in tracker.tracked_metrics)
        value = sum(
            factor * metrics[f"validation_{name}"] for factor, name in tracker.tracked_metrics
        )
        say(
            f"{_title.get()}: {epoch + 1} of {trainer._num_epochs} epochs, {name} {abs(value):.4f} "
            f"(best {abs(tracker._best_so_far):.4f}), {self.seconds:.0f} s"
        )
        on_epoch = _on_epoch.get()
        if on_epoch is not None:
            on_epoch(Epoch(epoch, value, self.seconds, trainer.model))

    @overrides
    def on_end(
        self,
        trainer: Any,
        metrics: Optional[Dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs,
    ) -> None:
        if metrics is not None:
            # AllenNLP writes them into metrics.json next. Where all epochs were done before the
            # interruption, it knows of the best one only.
            last = (
                Path(self.serialization_dir) / f"metrics_epoch_{trainer._epochs_completed - 1}.json"
            )
            if "epoch" not in metrics and last.exists():
                metrics.update({**json.loads(last.read_text(encoding="utf-8")), **metrics})
            metrics["seconds"] = round(self.seconds, 1)

    @overrides
    def state_dict(self) -> Dict[str, Any]:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        random = {"cpu": torch.get_rng_state(), "cuda": cuda}
        return {"seconds": self.seconds, "random": random}

    @overrides
    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self._seconds = state_dict["seconds"]
        self._random = state_dict["random"]
