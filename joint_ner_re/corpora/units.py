"""How much of a document is one sequence for the model: a sentence, some sentences, or all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

Item = TypeVar("Item")
Unit = str | int
"""`"sentence"`, `"document"`, or how many neighbouring sentences."""


def check_unit(unit: Unit) -> None:
    """Check a unit.

    # Raises

    `ValueError`
        If it is none.
    """
    number = isinstance(unit, int) and not isinstance(unit, bool) and unit >= 1
    if not number and unit not in ("sentence", "document"):
        raise ValueError(
            f"unit is {unit!r}; expected 'sentence', 'document' or a number of sentences from 1"
        )


def in_units(sentences: Sequence[Sequence[Item]], unit: Unit) -> list[list[Item]]:
    """The sentences of a document, joined to units from its beginning on.

    # Parameters

    sentences : `Sequence[Sequence[Item]]`
        The tokens of each sentence.
    unit : `str` or `int`
        `"sentence"`, `"document"`, or how many sentences are one unit. The last unit may have
        fewer.

    # Returns

    `list[list[Item]]`
        The tokens of each unit.
    """
    if unit == "sentence":
        return [list(sentence) for sentence in sentences]
    size = len(sentences) if unit == "document" else int(unit)
    return [
        list(chain.from_iterable(sentences[first : first + size]))
        for first in range(0, len(sentences), max(size, 1))
    ]


def unit_of(sentence: int, unit: Unit) -> int:
    """The number of the unit that holds a sentence of this number."""
    if unit == "document":
        return 0
    return sentence if unit == "sentence" else sentence // int(unit)
