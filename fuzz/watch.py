"""Watches what code does that it should not: takes too long, runs something, opens other files."""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MOST_SECONDS = 5.0
# Events of Python's own audit; see "Audit events table" in its documentation.
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
    """No `Exception`, so that no code takes it for one of its own."""


class _Audit:
    """Notes the forbidden events while it is on."""

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
        elif event.startswith(_FORBIDDEN):
            self.seen.append(event)


_audit = _Audit()


@contextmanager
def watched(*paths: str) -> Iterator[list[str]]:
    """Gives a list, which afterwards holds what the block did that it must not.

    It may open only what lies under `paths`, run nothing, and take `MOST_SECONDS` of the processor,
    not of the clock, which depends on what else the machine does.

    # Raises

    `TooLong`
        If it takes longer.
    """

    def late(signum: int, frame: Any) -> None:
        raise TooLong

    _audit.allowed, _audit.seen, seen = paths, [], []
    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    _audit.on = True
    try:
        yield seen
    finally:
        _audit.on = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        seen += _audit.seen


class Counts(logging.Handler):
    """What a reader logs of what it changed or left out: `PATH: WHAT: COUNT`."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) == 3:
            self.counts.append(record.args[1:])

    def total(self, *beginnings: str) -> int:
        """How many things whose description begins so."""
        return sum(
            count for what, count in self.counts if str(what).startswith(beginnings or ("",))
        )
