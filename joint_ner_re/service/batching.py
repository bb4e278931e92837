"""A queue of texts whose one worker predicts those of several requests in one batch.

Nobody waits for a batch to fill: while the worker predicts, the texts of other requests gather, and
the next batch takes one text of each request in turn. So a request with a thousand texts does not
hold up one with a single text.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from joint_ner_re.documents import DocumentPredictor, Record, Thresholds, failure
from joint_ner_re.halving import in_halves, is_out_of_memory

logger = logging.getLogger(__name__)

# As many texts as `extract` takes at once, and a bound for the memory that long texts need.
MAX_BATCH_TEXTS = 64
MAX_BATCH_CHARACTERS = 2**17


class Stopping(RuntimeError):
    """The service is being stopped and takes no more texts."""


class Entry(NamedTuple):
    """A text, its number in its request, from 1, and where its record is expected."""

    text: str
    number: int
    answer: Future[Record]


class _Job(NamedTuple):
    """What is left of a request's texts."""

    entries: deque[Entry]
    threshold: float | None


class Batcher:
    """Predicts the texts of concurrent requests in shared batches, on one thread of its own.

    # Parameters

    predictor : `DocumentPredictor`
        The loaded model, which nobody else may use meanwhile.
    max_texts : `int`, optional (default = `MAX_BATCH_TEXTS`)
        The most texts in a batch.
    max_characters : `int`, optional (default = `MAX_BATCH_CHARACTERS`)
        The most characters in a batch, unless one text alone has more.
    """

    def __init__(
        self,
        predictor: DocumentPredictor,
        max_texts: int = MAX_BATCH_TEXTS,
        max_characters: int = MAX_BATCH_CHARACTERS,
    ) -> None:
        self._predictor = predictor
        self._max_texts = max_texts
        self._max_characters = max_characters
        self.default_threshold: Thresholds = predictor.relation_threshold
        self._jobs: list[_Job] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker."""
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more texts, predict those that wait, and end the worker."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def submit(self, texts: Sequence[str], threshold: float | None = None) -> list[Future[Record]]:
        """Have texts predicted.

        # Parameters

        texts : `Sequence[str]`
            The texts of one request.
        threshold : `float`, optional (default = `None`)
            The least probability of a relation, from 0 to 1. Default: the model's.

        # Returns

        `list[Future[dict[str, Any]]]`
            The record of each text, in order: what `extract` writes, with the key `"error"` for a
            text that cannot be processed. Cancelling one takes its text out of the queue.

        # Raises

        `Stopping`
            If `stop` was called.
        """
        answers: list[Future[Record]] = [Future() for _ in texts]
        entries = deque(map(Entry, texts, range(1, len(texts) + 1), answers))
        with self._changed:
            if self._stopping:
                raise Stopping("the service is being stopped; ask again in a minute")
            if entries:
                self._jobs.append(_Job(entries, threshold))
                self._changed.notify()
        return answers

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
                if not self._jobs:
                    return
                threshold, batch = self._next_batch()
            if batch:
                self._answer(threshold, batch)

    def _next_batch(self) -> tuple[float | None, list[Entry]]:
        """The next texts, one of each request in turn, all with the same threshold."""
        threshold = self._jobs[0].threshold
        turns = deque(job for job in self._jobs if job.threshold == threshold)
        others = [job for job in self._jobs if job.threshold != threshold]
        batch: list[Entry] = []
        characters = 0
        while turns and len(batch) < self._max_texts:
            job = turns.popleft()
            length = len(job.entries[0].text)
            if batch and characters + length > self._max_characters:
                turns.appendleft(job)
                break
            entry = job.entries.popleft()
            # False if somebody has cancelled it.
            if entry.answer.set_running_or_notify_cancel():
                batch.append(entry)
                characters += length
            if job.entries:
                turns.append(job)
        # Other thresholds come first next time, so that none waits for ever.
        self._jobs = [*others, *turns]
        return threshold, batch

    def _answer(self, threshold: float | None, batch: list[Entry]) -> None:
        try:
            self._predictor.relation_threshold = (
                self.default_threshold if threshold is None else threshold
            )
            records = in_halves(self._predict, batch, _failed, _depends_on_texts)
        except Exception as error:
            logger.exception("a batch of %d texts failed", len(batch))
            for entry in batch:
                entry.answer.set_exception(error)
            return
        for entry, record in zip(batch, records):
            if "error" in record:
                # Counted in the request, not in the batch.
                record["line"] = entry.number
            entry.answer.set_result(record)

    def _predict(self, batch: list[Entry]) -> list[Record]:
        return self._predictor.predict_batch_json([{"text": entry.text} for entry in batch])


def _failed(entry: Entry, error: Exception) -> Record:
    return failure({}, entry.number, error)


def _depends_on_texts(error: Exception) -> bool:
    """Whether other texts may succeed: the memory did not suffice, or one text is impossible."""
    return isinstance(error, (ValueError, RecursionError)) or is_out_of_memory(error)
