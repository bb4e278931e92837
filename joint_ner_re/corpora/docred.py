"""DocRED's and Re-DocRED's documents: a JSON list.

    {"title": "Novi Brod", "sents": [["Ada", "lives", "in", "Novi", "Brod", "."], ["She", ...]],
     "vertexSet": [[{"name": "Ada", "type": "PER", "sent_id": 0, "pos": [0, 1]},
                    {"name": "She", "type": "PER", "sent_id": 1, "pos": [0, 1]}], ...],
     "labels": [{"h": 0, "t": 1, "r": "P551", "evidence": [0]}]}

A vertex is all mentions of one thing; a label relates two of these. `pos` counts the tokens of its
sentence, and its end is the token after the last.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from joint_ner_re.corpora.changes import NOT_TOGETHER
from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.json_values import first_element, read_elements
from joint_ner_re.corpora.token_documents import divide, sentence_starts
from joint_ner_re.corpora.units import Unit, check_unit, unit_of
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

MAX_PAIRS = 1_000_000
"""How many pairs of mentions the labels of a document may stand for."""

_KEYS = ("title", "sents", "vertexSet", "labels")
_CHOICES = ("nearest", "sentence")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the text is a JSON list of objects with a `vertexSet`."""
    return "vertexSet" in (first_element(first_lines) or {})


def read(
    path: PathLike,
    *,
    concept_relations: Literal["nearest", "sentence"] = "nearest",
    unit: Unit = "sentence",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read documents of DocRED or Re-DocRED.

    Each sentence of a document has an id such as `Novi Brod:0`. A label becomes a relation between
    mentions of one sentence; labels without such mentions are left out, and counted.

    # Parameters

    path : `str`
        The file.
    concept_relations : `str`, optional (default = `"nearest"`)
        Which mentions a label relates: `"nearest"`, of all pairs in one sentence the one with the
        fewest tokens between; `"sentence"`, all pairs in one sentence. Where the unit is not a
        sentence, it takes the sentence's place.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences, not at all (`"document"`), or into so many
        neighbouring sentences each.
    on_error : `Callable`, optional (default = `None`)
        Takes the error of a document, which is passed over.

    # Raises

    `CorpusFormatError`
        If the file is no JSON list of documents, or a mention does not fit its sentence.
    `ValueError`
        If `concept_relations` is neither, or there is no such unit.
    """
    if concept_relations not in _CHOICES:
        raise ValueError(
            f"concept_relations is {concept_relations!r}; expected one of {', '.join(_CHOICES)}"
        )
    check_unit(unit)
    changes: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    for index, (line, value) in enumerate(read_elements(path)):
        sentences: list[Sentence] = []
        with handled(on_error), located(path, line):
            document = _Document(path, line, index, value, unit)
            sentences = document.divided(concept_relations == "nearest", changes)
            ignored.update(key for key in value if key not in _KEYS)
        yield from sentences
    for key, count in sorted(ignored.items()):
        logger.warning("%s: the key %s of %d documents was ignored", path, quote(key), count)
    log_changes(path, changes)


class _Document:
    """One element of the list, checked piece by piece."""

    def __init__(self, path: PathLike, line: int, index: int, record: Any, unit: Unit) -> None:
        self._path = path
        self._line = line
        self._unit = unit
        self._sentences = self._words(record)
        self._starts = sentence_starts(self._sentences)
        name = record.get("title", index)
        if isinstance(name, bool) or not isinstance(name, (int, str)):
            raise self._error(f"'title' is {quote_json(name)}; expected a string or a number")
        self._name = str(name)
        self._entities: list[Entity] = []
        # For each vertex the mentions of each unit, as places in `_entities`.
        self._vertices: list[dict[int, list[int]]] = []
        self._odd_names = 0
        for mentions in self._list(record, "vertexSet", "the document"):
            self._add_vertex(mentions)
        self._labels = [self._label(item) for item in self._list(record, "labels", "the document")]

    def divided(self, nearest: bool, changes: Counter[str]) -> list[Sentence]:
        """The document's units."""
        if not self._sentences:
            changes["documents without a sentence, left out"] += 1
        if self._odd_names:
            changes["mentions whose name is not their words"] += self._odd_names
        relations: list[Relation] = []
        count = 0
        for kind, head, tail in self._labels:
            count += self._count_pairs(head, tail)
            if count > MAX_PAIRS:
                raise self._error(
                    f"the labels stand for more than {MAX_PAIRS} pairs of mentions; divide the "
                    "document"
                )
            pairs = self._pairs(head, tail)
            if not pairs:
                changes[NOT_TOGETHER] += 1
                continue
            if nearest:
                pairs = [min(pairs, key=self._distance)]
            elif len(pairs) > 1:
                changes["labels read as more than one relation"] += 1
            relations += [Relation(kind, *pair) for pair in pairs]
        return divide(
            self._path,
            self._line,
            self._name,
            self._sentences,
            self._entities,
            relations,
            changes,
            self._unit,
        )

    def _error(self, reason: str) -> CorpusFormatError:
        return CorpusFormatError(self._path, self._line, reason)

    def _list(self, record: Any, key: str, what: str) -> list[Any]:
        return get(record, key, list, what, [])

    def _int(self, record: Any, key: str, what: str, limit: int, of: str) -> int:
        value = get(record, key, int, what)
        if not 0 <= value < limit:
            raise self._error(f"{what} has {key} {value}; expected 0 to {limit - 1}, {of}")
        return value

    def _words(self, record: Any) -> list[list[str]]:
        sentences = get(record, "sents", list, "the document")
        for number, tokens in enumerate(sentences):
            if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
                raise self._error(
                    f"sentence {number} is {quote_json(tokens)}; expected a list of words"
                )
        return sentences

    def _add_vertex(self, mentions: Any) -> None:
        if not isinstance(mentions, list):
            raise self._error(f"a vertex is {quote_json(mentions)}; expected a list of mentions")
        places: dict[int, list[int]] = {}
        for mention in mentions:
            count = len(self._sentences)
            home = self._int(mention, "sent_id", "a mention", count, "the number of a sentence")
            tokens = self._sentences[home]
            position = mention.get("pos")
            if (
                not isinstance(position, list)
                or [type(value) for value in position] != [int, int]
                or not 0 <= position[0] < position[1] <= len(tokens)
            ):
                raise self._error(
                    f"a mention in sentence {home} has pos {quote_json(position)}; expected "
                    f"[begin, end] with 0 <= begin < end <= {len(tokens)}, the number of tokens "
                    "there"
                )
            begin, end = position
            kind = get(mention, "type", str, "a mention")
            name = mention.get("name")
            if isinstance(name, str):
                # The names have no blanks around punctuation.
                words = "".join("".join(tokens[begin:end]).split())
                self._odd_names += "".join(name.split()) != words
            places.setdefault(unit_of(home, self._unit), []).append(len(self._entities))
            base = self._starts[home]
            self._entities.append(Entity(kind, base + begin, base + end))
        self._vertices.append(places)

    def _label(self, item: Any) -> tuple[str, int, int]:
        count = len(self._vertices)
        head = self._int(item, "h", "a label", count, "the number of a vertex")
        tail = self._int(item, "t", "a label", count, "the number of a vertex")
        kind = get(item, "r", str, "a label")
        if head == tail:
            raise self._error(
                f"a label {quote(kind, 40)} relates vertex {head} to itself; expected two "
                "different ones"
            )
        return kind, head, tail

    def _count_pairs(self, head: int, tail: int) -> int:
        heads, tails = self._vertices[head], self._vertices[tail]
        return sum(len(heads[home]) * len(tails[home]) for home in heads if home in tails)

    def _pairs(self, head: int, tail: int) -> list[tuple[int, int]]:
        """All pairs of mentions of two vertices that stand in one unit."""
        heads, tails = self._vertices[head], self._vertices[tail]
        return [
            (one, other)
            for home in heads
            if home in tails
            for one in heads[home]
            for other in tails[home]
        ]

    def _distance(self, pair: tuple[int, int]) -> tuple[int, int, int]:
        """How many tokens stand between two mentions; then, where they stand."""
        one, other = (self._entities[index] for index in pair)
        between = max(one.start, other.start) - min(one.end, other.end)
        return between, min(one.start, other.start), one.start
