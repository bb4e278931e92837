"""The error that all readers of corpora raise, and helpers to raise and handle it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Union

from joint_ner_re.messages import cut_middle
from joint_ner_re.records import RecordError
from joint_ner_re.sentence import Sentence, SentenceError

PathLike = Union[str, "os.PathLike[str]"]

logger = logging.getLogger(__name__)

_MAX_REASON = 1000


class CorpusFormatError(ValueError):
    """A file does not have the expected format.

    # Parameters

    path : `str`
        The file.
    line : `int`, optional
        The line, counted from 1, or `None` for the whole file.
    reason : `str`
        What was found, and what was expected.
    """

    def __init__(self, path: PathLike, line: int | None, reason: str) -> None:
        # A reason may quote a whole line of the file.
        reason = cut_middle(reason, _MAX_REASON)
        # Worker processes pickle errors, and unpickling passes these three to the constructor.
        super().__init__(os.fspath(path), line, reason)
        self.path = os.fspath(path)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


ErrorHandler = Callable[[CorpusFormatError], None]
"""A reader calls this with an error after which it can continue reading."""


class SkippedErrors:
    """An `ErrorHandler` that logs each error as a warning, and counts.

    # Parameters

    path : `str`
        What is read.
    """

    def __init__(self, path: PathLike) -> None:
        self._path = path
        self.count = 0

    def __call__(self, error: CorpusFormatError) -> None:
        self.count += 1
        logger.warning("skipped: %s", error)

    def counted(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """The sentences, and after the last one the count in the log."""
        yield from sentences
        self.log_count()

    def log_count(self) -> None:
        """Log how many errors there were, if there were any."""
        if self.count:
            logger.warning("%s: errors that were skipped: %d", self._path, self.count)


@contextmanager
def handled(on_error: ErrorHandler | None) -> Iterator[None]:
    """Pass a `CorpusFormatError` of the block to `on_error`, if there is one, and continue."""
    try:
        yield
    except CorpusFormatError as error:
        if on_error is None:
            raise
        on_error(error)


@contextmanager
def located(path: PathLike, line: int) -> Iterator[None]:
    """Turn a `SentenceError` or a `RecordError` of the block into a `CorpusFormatError`."""
    try:
        yield
    except (SentenceError, RecordError) as error:
        raise CorpusFormatError(path, line, str(error)) from error
    except RecursionError as error:
        raise CorpusFormatError(path, line, "a value is nested too deeply") from error
