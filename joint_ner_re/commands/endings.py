"""Ends every command in the same way after user errors, interruptions and closed pipes."""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from joint_ner_re.requirements import ALLENNLP

logger = logging.getLogger(__name__)

# A shell reports these statuses for a process that SIGINT, SIGPIPE or SIGTERM ended.
INTERRUPTED, PIPE_CLOSED, TERMINATED = 130, 141, 143
PACKAGE = "joint_ner_re"


class CommandError(ValueError):
    """A command could not do everything it was asked for. The message says what is missing."""


@contextmanager
def ending(title: str, how_to_continue: str) -> Iterator[None]:
    """Runs a command in the block, so that only bugs end in a traceback.

    - An error in the input, the options or the environment gives one line on standard error and the
      status 1. `ALLENNLP_DEBUG=1` shows its traceback.
    - Ctrl-C gives one line that says how to continue, and the status 130. SIGTERM does the same
      with the status 143 (if AllenNLP has turned the signal into an exception).
    - A closed pipe on standard output, such as that of `| head -1`, ends the command silently with
      the status 141.
    - Any other exception is a bug and passes through.

    # Parameters

    title : `str`
        The command as typed, such as `"allennlp extract"`. Each message begins with it.
    how_to_continue : `str`
        What the user can do after an interruption.

    # Raises

    `SystemExit`
        In all cases except the last.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        _stop(f"\n{title}: interrupted. {how_to_continue}", INTERRUPTED)
    except BrokenPipeError as error:
        if not _reader_left(sys.stdout):
            # It was another pipe, such as a named pipe that the command writes.
            raise SystemExit(f"{title}: {_one_line(error)}") from error
        _discard_output()
        sys.exit(PIPE_CLOSED)
    except Exception as error:
        if type(error).__name__ == "SigTermReceived":
            _stop(f"{title}: terminated. {how_to_continue}", TERMINATED)
        if not is_expected(error):
            raise
        logger.debug("%s failed", title, exc_info=error)
        raise SystemExit(f"{title}: {_one_line(error)}") from error


def is_expected(error: BaseException) -> bool:
    """Whether an error is the user's or the machine's and not a bug.

    These are `OSError`, AllenNLP's `ConfigurationError`, a missing AllenNLP, a `ValueError` that
    this package or AllenNLP raises itself, and AllenNLP's assertions, by which it checks options. A
    `ValueError` from inside another library means that the library was called wrongly.
    """
    if isinstance(error, ModuleNotFoundError):
        return (error.name or "").split(".")[0] == "allennlp"
    # Compare the name, because importing AllenNLP takes seconds.
    names = {base.__name__ for base in type(error).__mro__}
    if isinstance(error, OSError) or "ConfigurationError" in names:
        return True
    raised_by = _raised_by(error)
    if isinstance(error, AssertionError):
        return raised_by == "allennlp"
    return isinstance(error, ValueError) and raised_by in (PACKAGE, "allennlp")


def _raised_by(error: BaseException) -> str:
    """The package whose code raised the error."""
    step = error.__traceback__
    module = ""
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        step = step.tb_next
    return module.split(".")[0]


def _one_line(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return ALLENNLP
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
        if error.errno == errno.ENOSPC and error.filename is None:
            text += (
                "; make room for the output and for temporary files "
                f"(now in {tempfile.gettempdir()}; TMPDIR names another directory)"
            )
    return " ".join(text.split("\n")) or type(error).__name__


def _stop(message: str, status: int) -> NoReturn:
    try:
        print(message, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard_output()
    sys.exit(status)


def _reader_left(stream: object) -> bool:
    """Whether a pipe's other end is closed."""
    try:
        number = stream.fileno()  # type: ignore[attr-defined]
        poll = select.poll()
    except (AttributeError, OSError, ValueError):
        # The stream has no file, or the system does not have `poll`.
        return False
    poll.register(number, select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_output() -> None:
    """Discard buffered output, so that flushing it at exit does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if _reader_left(stream):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
