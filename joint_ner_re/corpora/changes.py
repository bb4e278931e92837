"""Counts what readers change or leave out, for the log or for a report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from joint_ner_re.corpora.errors import PathLike

logger = logging.getLogger(__name__)

WIDENED = "mentions that are not whole tokens, widened to whole tokens"

# Where changes are counted instead of being logged.
_collected: ContextVar[Counter[str] | None] = ContextVar("collected", default=None)


@contextmanager
def collected_changes() -> Iterator[Counter[str]]:
    """Counts what readers change or leave out in the block, which is then not logged."""
    changes: Counter[str] = Counter()
    token = _collected.set(changes)
    try:
        yield changes
    finally:
        _collected.reset(token)


def log_changes(path: PathLike, changes: Counter[str]) -> None:
    """Log what was changed or left out in a file, with counts; see `collected_changes`."""
    collected = _collected.get()
    if collected is not None:
        collected.update(changes)
        return
    for what, count in sorted(changes.items()):
        logger.warning("%s: %s: %d", path, what, count)
