"""What a training reports: its progress, and what harms a model without an error."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import torch
from allennlp.models import Model
from allennlp.training import TrainerCallback
from overrides import overrides

from joint_ner_re.metrics.joint_score import Totals
from joint_ner_re.token_agreement import SAMPLE, TOKENS, agreement
from joint_ner_re.training import empty_predictions
from joint_ner_re.writing import write_json

# `joint_ner_re.experiments.progress` prints these messages to standard output.
logger = logging.getLogger("joint_ner_re.progress")
log = logging.getLogger(__name__)
# What each epoch's line shows beside the loss and the metric by which the best epoch is chosen.
SCORES = ("entity_f1", "relation_f1")


class Epoch(NamedTuple):
    """The state of a training after an epoch.

    # Parameters

    number : `int`
        The epoch's number, from 0.
    score : `float`
        Its validation metric. Greater is better.
    seconds : `float`
        The time since the training began.
    model : `Model`
    """

    number: int
    score: float
    seconds: float
    model: Model


OnEpoch = Callable[[Epoch], None]
_title: ContextVar[str] = ContextVar("title", default="training")
_on_epoch: ContextVar[OnEpoch | None] = ContextVar("on_epoch", default=None)


@contextlib.contextmanager
def watched(title: str, on_epoch: OnEpoch | None = None) -> Iterator[None]:
    """In the block, each `ProgressCallback` uses this title and function.

    # Parameters

    title : `str`
        The beginning of each message.
    on_epoch : `Callable[[Epoch], None]`, optional (default = `None`)
        Called after each epoch.
    """
    tokens = _title.set(title), _on_epoch.set(on_epoch)
    try:
        yield
    finally:
        _title.reset(tokens[0])
        _on_epoch.reset(tokens[1])


def report(text: str) -> None:
    """Report one line of progress, under the title that `watched` has set."""
    logger.info("%s: %s", _title.get(), text)


@TrainerCallback.register("progress")
@TrainerCallback.register("experiment")  # Its name in archives of the format 0.1.0.
class ProgressCallback(TrainerCallback):
    """Reports each epoch, and makes a recovered training end like an uninterrupted one.

    AllenNLP's checkpoints lack PyTorch's random state, so that dropout differs after `--recover`,
    and the time spent so far. Also, a training that was interrupted after its last epoch would run
    one epoch too many. `watched` sets the title of the reports and who else gets them.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    """

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._seconds = 0.0
        self._started = monotonic()
        self._random: dict[str, Any] = {}
        # Of each epoch, what was predicted in the development data.
        self._totals: list[dict[str, Totals]] = []

    @property
    def seconds(self) -> float:
        """The time spent on the training, including the time before an interruption."""
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
        if is_primary:
            self._compare_tokens(trainer.data_loader)
        self._started = monotonic()

    def _compare_tokens(self, loader: Any) -> None:
        """Compare a sample of the training's tokens with the reader's own, and keep the figures."""
        reader = getattr(loader, "reader", None)
        tokenizer = getattr(reader, "tokenizer", None)
        instances = getattr(loader, "_instances", None)
        if tokenizer is None or not instances:
            return
        # From all over the corpus, which may be several files.
        step = max(1, len(instances) // SAMPLE)
        fields = (instance.fields.get("metadata") for instance in instances[::step])
        sentences = [field.metadata["sentence"] for field in fields if field is not None]
        found = agreement(sentences, tokenizer)
        if found.is_low:
            log.warning(
                "the training's tokens are not the reader's: %s. On raw text the model will see "
                "the reader's tokens, and find less than the development data says. Convert the "
                "corpus from its texts, give the reader's tokenizer_pipeline or granularity that "
                "fits, or give the model tokens",
                found.describe(),
            )
        if self.serialization_dir:
            write_json(Path(self.serialization_dir) / TOKENS, found.to_json())

    @overrides
    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs
    ) -> None:
        tracker = trainer._metric_tracker
        scored = all(f"validation_{name}" in metrics for _, name in tracker.tracked_metrics)
        if scored:
            totals = getattr(trainer.model, "last_totals", None)
            if totals:
                self._totals.append(totals)
        report(
            f"{epoch + 1} of {trainer._num_epochs} epochs, "
            f"{', '.join(_figures(metrics, tracker, scored))}, {self.seconds:.0f} s"
        )
        on_epoch = _on_epoch.get()
        if scored and on_epoch is not None:
            value = _tracked(metrics, tracker)
            on_epoch(Epoch(epoch, value, self.seconds, trainer.model))

    @overrides
    def on_end(
        self,
        trainer: Any,
        metrics: dict[str, Any] | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs,
    ) -> None:
        if metrics is not None:
            # AllenNLP writes these metrics to metrics.json next. If all epochs were done before the
            # interruption, they lack those of the last epoch.
            last = (
                Path(self.serialization_dir) / f"metrics_epoch_{trainer._epochs_completed - 1}.json"
            )
            if "epoch" not in metrics and last.exists():
                metrics.update({**json.loads(last.read_text(encoding="utf-8")), **metrics})
            metrics["seconds"] = round(self.seconds, 1)
        if is_primary:
            _report_losses(trainer)
            if metrics is not None:
                self._report_silence(trainer)

    def _report_silence(self, trainer: Any) -> None:
        """Warn if the last epochs have predicted nothing: scores of 0 do not say so."""
        model, epochs = trainer.model, len(self._totals)
        threshold = getattr(model, "relation_threshold", None)
        text = None
        if epochs:
            last = empty_predictions.last_epochs(self._totals)
            when = f"in the last {len(last)} of {epochs} epochs"
            if len(last) == 1:
                when = "in the last epoch"
            totals = empty_predictions.of_epochs(last)
            text = empty_predictions.warning(totals, when, "the development data", threshold)
        elif hasattr(model, "last_totals") and not trainer._distributed:
            # In training nothing is decoded, so without development data a sample is, once.
            instances = getattr(trainer.data_loader, "_instances", None)
            if instances:
                totals = empty_predictions.of_sample(model, instances)
                where = "a sample of the training data"
                text = empty_predictions.warning(totals, "at the end", where, threshold)
        if text is not None:
            logger.warning("%s: %s", _title.get(), text)

    @overrides
    def state_dict(self) -> dict[str, Any]:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        random = {"cpu": torch.get_rng_state(), "cuda": cuda}
        totals = [{task: tuple(found) for task, found in epoch.items()} for epoch in self._totals]
        return {"seconds": self.seconds, "random": random, "totals": totals}

    @overrides
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds = state_dict["seconds"]
        self._random = state_dict["random"]
        # Checkpoints of earlier versions have none.
        self._totals = [
            {task: Totals(*found) for task, found in epoch.items()}
            for epoch in state_dict.get("totals", [])
        ]


def _figures(metrics: dict[str, Any], tracker: Any, scored: bool) -> list[str]:
    """The loss of training and, if there is validation data, its scores, for one line."""
    found = [f"loss {metrics['training_loss']:.4f}"] if "training_loss" in metrics else []
    if not scored:
        return found
    tracked = "+".join(name for _, name in tracker.tracked_metrics)
    for name in SCORES:
        if name != tracked and f"validation_{name}" in metrics:
            found.append(f"{name} {metrics[f'validation_{name}']:.4f}")
    best = abs(tracker._best_so_far)
    return [*found, f"{tracked} {abs(_tracked(metrics, tracker)):.4f} (best {best:.4f})"]


def _tracked(metrics: dict[str, Any], tracker: Any) -> float:
    """The validation metric by which the best epoch is chosen; greater is better."""
    return sum(factor * metrics[f"validation_{name}"] for factor, name in tracker.tracked_metrics)


def _report_losses(trainer: Any) -> None:
    """Say in one line what reading has left out or joined because of where sentences end."""
    loaders = [trainer.data_loader, getattr(trainer, "_validation_data_loader", None)]
    found: dict[str, None] = {}
    for loader in loaders:
        losses = getattr(getattr(loader, "reader", None), "losses", None)
        if losses is not None:
            found.update(dict.fromkeys(losses()))
    if found:
        log.warning(
            "the ends of sentences cost: %s. The reader's unit takes several sentences at once, "
            "and its sentence_rules say where they end",
            " | ".join(found),
        )
