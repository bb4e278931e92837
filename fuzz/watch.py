"""Detects forbidden behaviour: code that takes too long, runs something or opens other files."""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MAX_SECONDS = 5.0
# Audit events of Python; see "Audit events table" in its documentation.
_FORBIDDEN = (
    "exec",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "subprocess.Popen",
    "socket.",
    "pickle.find_class",
    "marshal.",
    "ctypes.",
    "code.__new__",
)


class TooLong(BaseException):
    """Not an `Exception`, so that the watched code cannot catch it."""


class _Audit:
    """Records forbidden events while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.allowed: Sequence[str] = ()
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: Sequence[Any]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments[:3]
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            if writes or not str(path).startswith(tuple(self.allowed)):
                self.seen.append(f"open {path!r} {mode!r}")
        elif event == "exec" and _made_by_attrs(arguments[0]):
            # The classes of a CAS's types; their names are checked before, and no name can be code.
            return
        elif event.startswith(_FORBIDDEN):
            self.seen.append(event)


def _made_by_attrs(code: Any) -> bool:
    return str(getattr(code, "co_filename", "")).startswith("<attrs generated")


_audit = _Audit()


@contextmanager
def watched(*paths: str) -> Iterator[list[str]]:
    """Yields a list that afterwards holds the forbidden events of the block.

    The block may open only files under `paths`, must not run anything, and may take `MAX_SECONDS`
    of processor time. (Time on the clock would depend on other processes.)

    # Raises

    `TooLong`
        If it takes longer.
    """

    def late(signum: int, frame: Any) -> None:
        raise TooLong

    _audit.allowed, _audit.seen, seen = paths, [], []
    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    _audit.on = True
    try:
        yield seen
    finally:
        _audit.on = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        seen += _audit.seen


class LogCounter(logging.Handler):
    """Collects what a reader logs as changed or left out: `PATH: WHAT: COUNT`."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) == 3:
            self.counts.append(record.args[1:])

    def total(self, *beginnings: str) -> int:
        """The sum of the counts whose description begins with one of these texts."""
        return sum(
            count for what, count in self.counts if str(what).startswith(beginnings or ("",))
        )
