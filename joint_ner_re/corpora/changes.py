"""Counts what readers change or leave out, for the log or for a report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from joint_ner_re.corpora.errors import PathLike

logger = logging.getLogger(__name__)

WIDENED = "mentions that are not whole tokens, widened to whole tokens"
# What is lost or changed because sentences end where they do.
CROSSING = "relations from one sentence to another, left out"
JOINED = "sentence ends inside a mention, where the sentences were joined"
CUT = "mentions over the end of a sentence, left out"
UNSHARED = "relations between concepts that share no sentence, left out"
NOT_TOGETHER = "labels of two that no sentence mentions together, left out"
LOST_RELATIONS = (CROSSING, UNSHARED, NOT_TOGETHER)
AT_SENTENCE_ENDS = (*LOST_RELATIONS, CUT, JOINED)

# Where changes are counted instead of being logged.
_collected: ContextVar[Counter[str] | None] = ContextVar("collected", default=None)
# Where changes are counted and logged.
_recorded: ContextVar[Counter[str] | None] = ContextVar("recorded", default=None)

Item = TypeVar("Item")


@contextmanager
def collected_changes() -> Iterator[Counter[str]]:
    """Counts what readers change or leave out in the block, which is then not logged."""
    changes: Counter[str] = Counter()
    token = _collected.set(changes)
    try:
        yield changes
    finally:
        _collected.reset(token)


def recorded_changes(items: Iterable[Item], changes: Counter[str]) -> Iterator[Item]:
    """The items that a reader gives; what it changes or leaves out is logged, and counted, too.

    # Parameters

    items : `Iterable[Item]`
        The sentences of a reader.
    changes : `Counter[str]`
        Gets the counts once the reader has come to the end.
    """
    iterator = iter(items)
    while True:
        # Not around the `yield`: the caller would run with it, and so would its other readers.
        token = _recorded.set(changes)
        try:
            item = next(iterator)
        except StopIteration:
            return
        finally:
            _recorded.reset(token)
        yield item


def at_sentence_ends(changes: Counter[str], relations: int) -> str:
    """What was lost or joined because sentences end where they do, in words; empty if nothing was.

    # Parameters

    changes : `Counter[str]`
        What was changed or left out when a corpus was read.
    relations : `int`
        How many relations were read of it.
    """
    parts = []
    for what in AT_SENTENCE_ENDS:
        if count := changes[what]:
            total = count + relations
            share = f" ({100 * count / total:.1f} % of {total:,})" if what == CROSSING else ""
            parts.append(f"{count:,} {what}{share}")
    return "; ".join(parts)


def log_changes(path: PathLike, changes: Counter[str]) -> None:
    """Log what was changed or left out in a file, with counts; see `collected_changes`."""
    collected = _collected.get()
    if collected is not None:
        collected.update(changes)
        return
    recorded = _recorded.get()
    if recorded is not None:
        recorded.update(changes)
    for what, count in sorted(changes.items()):
        logger.warning("%s: %s: %d", path, what, count)
