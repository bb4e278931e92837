"""The one error that a reader of corpora raises, and the way other errors become it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Union

from joint_ner_re.sentence import SentenceError

PathLike = Union[str, "os.PathLike[str]"]

_LONGEST_REASON = 1000


class CorpusFormatError(ValueError):
    """A file that cannot be read as what it was said to be.

    # Parameters

    path : `str`
        The file.
    line : `int`, optional
        The line, counted from 1; `None` where the whole file is meant.
    reason : `str`
        What was found, and what was expected.
    """

    def __init__(self, path: PathLike, line: int | None, reason: str) -> None:
        # What it quotes can be as long as a line of the file; nobody reads that.
        if len(reason) > _LONGEST_REASON:
            half = _LONGEST_REASON // 2
            reason = f"{reason[:half]} ... {reason[-half:]}"
        # All three go to `Exception`, so that the error survives the way out of a worker process.
        super().__init__(os.fspath(path), line, reason)
        self.path = os.fspath(path)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


ErrorHandler = Callable[[CorpusFormatError], None]
"""What a reader calls with an error that it can read on behind."""


@contextmanager
def handled(on_error: ErrorHandler | None) -> Iterator[None]:
    """Gives a `CorpusFormatError` raised inside to `on_error`, if there is one, and goes on."""
    try:
        yield
    except CorpusFormatError as error:
        if on_error is None:
            raise
        on_error(error)


@contextmanager
def located(path: PathLike, line: int) -> Iterator[None]:
    """Turns a `SentenceError` raised inside into a `CorpusFormatError` with file and line."""
    try:
        yield
    except SentenceError as error:
        raise CorpusFormatError(path, line, str(error)) from error
    except RecursionError as error:
        raise CorpusFormatError(path, line, "a value is nested too deeply") from error


def shorten(text: str, limit: int = 80) -> str:
    """`text` quoted for a message, its middle left out where it is long."""
    if len(text) > limit:
        text = text[: limit // 2] + " ... " + text[-limit // 2 :]
    return repr(text)
