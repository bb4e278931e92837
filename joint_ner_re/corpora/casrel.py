"""CasRel's triples: a JSON list, or JSON lines, of sentences whose arguments have no positions.

    {"text": "Ada lives in Novi Brod .", "triple_list": [["Ada", "lives_in", "Novi Brod"]]}

The tokens of a text are joined by blanks. An argument is looked for among them.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Literal

from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.json_values import first_element, first_object, read_records
from joint_ner_re.corpora.text import Span, check_length
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

ENTITY_TYPE = "Entity"
"""The type of all entities, since the format gives none."""

_TOKEN = re.compile(r"[^ \t\n]+")
_KEYS = ("text", "triple_list")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first object has a `triple_list`."""
    record = first_element(first_lines) or first_object(first_lines)
    return "triple_list" in record


def read(
    path: PathLike,
    *,
    ambiguous: Literal["drop", "first"] = "drop",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read triples of CasRel and its successors, such as their copies of NYT and WebNLG.

    A triple becomes a relation where each of its arguments stands at exactly one place. Arguments
    that stand at several places, or at none, are counted, and their triples left out. The `id` is
    the index of the sentence in the file.

    # Parameters

    path : `str`
        The file.
    ambiguous : `str`, optional (default = `"drop"`)
        `"first"` takes the first of several places, as CasRel itself does.
    on_error : `Callable`, optional (default = `None`)
        Takes the error of a sentence, which is passed over.

    # Raises

    `CorpusFormatError`
        If the file holds something else than texts with triples.
    `ValueError`
        If `ambiguous` is neither.
    """
    if ambiguous not in ("drop", "first"):
        raise ValueError(f"ambiguous is {ambiguous!r}; expected 'drop' or 'first'")
    changes: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    for index, (line, record) in enumerate(read_records(path, on_error)):
        sentence = None
        with handled(on_error), located(path, line):
            sentence = _sentence(path, line, index, record, ambiguous == "first", changes)
            ignored.update(key for key in record if key not in _KEYS)
        if sentence is not None:
            yield sentence
    for key, count in sorted(ignored.items()):
        logger.warning("%s: the key %s of %d sentences was ignored", path, quote(key), count)
    log_changes(path, changes)


def _sentence(
    path: PathLike,
    line: int,
    index: int,
    record: dict[str, Any],
    take_first: bool,
    changes: Counter[str],
) -> Sentence:
    text = get(record, "text", str, "the sentence")
    check_length(path, line, text)
    triples = get(record, "triple_list", list, "the sentence")
    for triple in triples:
        if not isinstance(triple, list) or [type(value) for value in triple] != [str, str, str]:
            raise CorpusFormatError(
                path, line, f"a triple is {quote_json(triple)}; expected [head, relation, tail]"
            )
    found = list(_TOKEN.finditer(text))
    places = _Places([match.group() for match in found], take_first, changes)
    relations: dict[Relation, None] = {}
    for head, kind, tail in triples:
        ends = places.entity(head), places.entity(tail)
        if ends[0] is None or ends[1] is None:
            changes["triples with an argument that has not one place, left out"] += 1
        elif ends[0] == ends[1]:
            changes["triples of two arguments with the same place, left out"] += 1
        else:
            relation = Relation(kind, ends[0], ends[1])
            if relation in relations:
                changes["relations given more than once, kept once"] += 1
            relations[relation] = None
    return Sentence(
        places.tokens,
        [Entity(ENTITY_TYPE, *span) for span in places.spans],
        list(relations),
        str(index),
        text,
        [match.span() for match in found],
        f"{path}:{line}",
    )


class _Places:
    """Where the arguments of one sentence stand.

    # Parameters

    tokens : `list[str]`
        The sentence's tokens.
    take_first : `bool`
        Whether the first of several places is taken.
    changes : `Counter[str]`
        Counts each argument without a place, or with several, once for a sentence.
    """

    def __init__(self, tokens: list[str], take_first: bool, changes: Counter[str]) -> None:
        self.tokens = tokens
        self._take_first = take_first
        self._changes = changes
        # Blanks around every token, so that only whole tokens are found.
        self._text = f" {' '.join(tokens)} "
        self._begins = list(accumulate((len(token) + 1 for token in tokens), initial=0))
        self._known: dict[str, int | None] = {}
        self._spans: dict[Span, int] = {}

    @property
    def spans(self) -> list[Span]:
        """The places that were found, each once."""
        return list(self._spans)

    def entity(self, argument: str) -> int | None:
        """The argument's index in `spans`; `None` if it has no place, or too many."""
        if argument not in self._known:
            span = self._find(_TOKEN.findall(argument))
            self._known[argument] = (
                None if span is None else self._spans.setdefault(span, len(self._spans))
            )
        return self._known[argument]

    def _find(self, words: list[str]) -> Span | None:
        wanted = f" {' '.join(words)} "
        place = self._text.find(wanted) if words else -1
        if place < 0:
            self._changes["arguments that do not stand in their text"] += 1
            return None
        if self._text.find(wanted, place + 1) >= 0:
            what = "the first was taken" if self._take_first else "none was taken"
            self._changes[f"arguments that stand at several places, of which {what}"] += 1
            if not self._take_first:
                return None
        start = bisect_left(self._begins, place)
        return (start, start + len(words))
