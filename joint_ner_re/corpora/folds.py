"""Splits a corpus by sentence ids: published folds, new folds and a development part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.files import read_text
from joint_ner_re.corpora.json_values import decode
from joint_ner_re.messages import quote

T = TypeVar("T")


def read_folds(path: PathLike) -> list[list[str]]:
    """Read published folds such as ade_folds.json.

    # Parameters

    path : `str`
        A JSON list of lists; each inner list holds the ids of one test part.

    # Returns

    `list[list[str]]`
        The ids as strings, as in `Sentence.id`. The training part of a fold is the rest.

    # Raises

    `CorpusFormatError`
        If the file is something else, a fold is empty or an id occurs twice.
    """
    text = read_text(path)
    start = len(text) - len(text.lstrip())
    line = 1 + text.count("\n", 0, start)
    value, end = decode(path, line, text, start)
    rest = text[end:].strip()
    if rest:
        line = 1 + text.count("\n", 0, text.index(rest, end))
        raise CorpusFormatError(path, line, f"found {quote(rest)} after the list of folds")
    if not isinstance(value, list) or not value:
        raise CorpusFormatError(path, line, "expected a list of lists of sentence ids")
    fold_of: dict[str, int] = {}
    folds = []
    for number, fold in enumerate(value):
        if not isinstance(fold, list) or not fold:
            raise CorpusFormatError(
                path, line, f"fold {number} is {quote(fold)}; expected a list of ids"
            )
        names = [_name(path, line, number, item) for item in fold]
        for name in names:
            if name in fold_of:
                raise CorpusFormatError(
                    path,
                    line,
                    f"the id {quote(name)} of fold {number} is already in fold {fold_of[name]}",
                )
            fold_of[name] = number
        folds.append(names)
    return folds


def _name(path: PathLike, line: int, number: int, item: Any) -> str:
    if isinstance(item, bool) or not isinstance(item, (int, str)):
        raise CorpusFormatError(
            path, line, f"fold {number} holds {quote(item)}; expected numbers or strings"
        )
    return str(item)


def k_folds(ids: Iterable[str], k: int, seed: int) -> list[list[str]]:
    """Split ids into `k` test parts whose sizes differ by at most one.

    The result depends only on the set of ids and on the seed, not on the order of the ids or on
    Python's version or hash seed.

    # Parameters

    ids : `Iterable[str]`
        The sentence ids, without duplicates.
    k : `int`
        The number of parts, from 2 to the number of ids.
    seed : `int`
        The seed of the pseudorandom split.

    # Raises

    `ValueError`
        If an id occurs twice or `k` is impossible.
    """
    names = [str(name) for name in ids]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the id {twice!r} is given more than once")
    if isinstance(k, bool) or not isinstance(k, int) or not 2 <= k <= len(names):
        raise ValueError(f"cannot make {k!r} folds of {len(names)} ids; expected 2 to {len(names)}")

    order = shuffled(names, seed)
    return [order[start::k] for start in range(k)]


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on them and the seed only."""

    def key(name: str) -> tuple[str, str]:
        return (hashlib.sha256(f"{seed}:{name}".encode()).hexdigest(), name)

    return sorted(names, key=key)


def split_dev(items: Sequence[T], fraction: float) -> tuple[list[T], list[T]]:
    """Split off the start of a training part as the development part, as PFN does.

    # Parameters

    items : `Sequence`
        The training part in file order: ids or sentences.
    fraction : `float`
        The share of the development part, more than 0 and less than 1. The number of items is
        rounded down.

    # Returns

    `tuple[list, list]`
        The remaining training part and the development part.

    # Raises

    `ValueError`
        If `fraction` is out of range or leaves one of the parts empty.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction is {fraction!r}; expected more than 0 and less than 1")
    # Exact decimal arithmetic: 0.29 * 100 is 28.999999999999996 in floating point.
    size = int(Fraction(repr(float(fraction))) * len(items))
    if not 0 < size < len(items):
        raise ValueError(
            f"{fraction} of {len(items)} items is {size}; expected both parts non-empty"
        )
    return list(items[size:]), list(items[:size])
