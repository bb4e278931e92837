"""A sentence, its entities and its relations: the data structure that all modules share.

Positions follow Python's slicing: an entity covers `tokens[start:end]`, a token covers
`text[begin:end]`. Characters are Unicode code points, as `len` counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, combinations
from typing import Any

from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import RecordError, check_object, get, get_list, has_type


class SentenceError(ValueError):
    """A `Sentence` that contradicts itself; the message says what was found and expected."""


@dataclass(frozen=True)
class Entity:
    """A typed span of tokens.

    # Parameters

    type : `str`
        The entity's type, such as `"Drug"`.
    start : `int`
        The position of the first token.
    end : `int`
        The position after the last token, so `start < end`.
    score : `float`, optional (default = `None`)
        The probability of a prediction; `None` for a gold annotation.
    """

    type: str
    start: int
    end: int
    score: float | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """Type, start and end: two entities with the same key are the same but for their score."""
        return (self.type, self.start, self.end)

    def overlaps(self, other: Entity) -> bool:
        """Whether the two spans share a token."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Relation:
    """A typed, directed link between two entities of one sentence.

    # Parameters

    type : `str`
        The relation's type, such as `"Work_For"`.
    head : `int`
        The index of the first argument in the sentence's `entities`.
    tail : `int`
        The index of the second argument.
    score : `float`, optional (default = `None`)
        The probability of a prediction; `None` for a gold annotation.
    """

    type: str
    head: int
    tail: int
    score: float | None = None


@dataclass(frozen=True)
class Sentence:
    """Tokens with entities and relations. The constructor checks it, and it is immutable.

    # Parameters

    tokens : `Sequence[str]`
        The tokens.
    entities : `Sequence[Entity]`, optional (default = `()`)
        Spans of tokens, which may overlap.
    relations : `Sequence[Relation]`, optional (default = `()`)
        Links between two different elements of `entities`.
    id : `str`, optional (default = `""`)
        The id of the sentence in its corpus.
    text : `str`, optional (default = `None`)
        The original text, if the corpus has it.
    offsets : `Sequence[tuple[int, int]]`, optional (default = `None`)
        One `(begin, end)` per token, in code points of `text`, sorted and without overlap.
        Required with `text`, and not allowed without it.
    source : `str`, optional (default = `None`)
        The place that the sentence was read from, as `file:line`, for messages. Equality ignores
        it.
    bounds : `Sequence[tuple[int, int]]`, optional (default = `None`)
        If this is a document: the first token of each of its sentences, and the token after its
        last, without gaps. Equality ignores it.
    meta : `Mapping[str, Any]`, optional (default = `None`)
        What else is known of it, as JSON values. Equality ignores it.

    # Raises

    `SentenceError`
        If a span, an index or an offset contradicts the tokens, the entities or the text.
    """

    tokens: Sequence[str]
    entities: Sequence[Entity] = ()
    relations: Sequence[Relation] = ()
    id: str = ""
    text: str | None = None
    offsets: Sequence[tuple[int, int]] | None = None
    source: str | None = field(default=None, compare=False)
    bounds: Sequence[tuple[int, int]] | None = field(default=None, compare=False)
    meta: Mapping[str, Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("tokens", "entities", "relations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.offsets is not None:
            object.__setattr__(self, "offsets", tuple((b, e) for b, e in self.offsets))
        self._check_bounds()
        self._check_entities()
        self._check_relations()
        self._check_offsets()

    def _check_bounds(self) -> None:
        if self.bounds is None:
            return
        object.__setattr__(self, "bounds", tuple((start, end) for start, end in self.bounds))
        expected = 0
        for start, end in self.bounds:
            if not expected == start < end <= len(self.tokens):
                expected = -1
                break
            expected = end
        if expected != len(self.tokens):
            raise SentenceError(
                f"'sentences' is {quote_json([list(span) for span in self.bounds])}; expected "
                "[first token, token after the last] of each sentence, without gaps, up to "
                f"{len(self.tokens)}"
            )

    def _check_entities(self) -> None:
        length = len(self.tokens)
        for number, entity in enumerate(self.entities):
            if not 0 <= entity.start < entity.end <= length:
                raise SentenceError(
                    f"entity {number} ({entity.type}) covers tokens {entity.start} to "
                    f"{entity.end}; expected 0 <= start < end <= {length}, the number of tokens"
                )

    def _check_relations(self) -> None:
        count = len(self.entities)
        for number, relation in enumerate(self.relations):
            for role, index in (("head", relation.head), ("tail", relation.tail)):
                if not 0 <= index < count:
                    raise SentenceError(
                        f"relation {number} ({relation.type}) has {role} {index}; expected an "
                        f"index into the sentence's {count} entities"
                    )
            if relation.head == relation.tail:
                raise SentenceError(
                    f"relation {number} ({relation.type}) links entity {relation.head} to itself; "
                    "expected two different entities"
                )

    def _check_offsets(self) -> None:
        if (self.text is None) != (self.offsets is None):
            missing = "offsets" if self.offsets is None else "text"
            raise SentenceError(f"text and offsets belong together, but {missing} is missing")
        if self.text is None or self.offsets is None:
            return
        if len(self.offsets) != len(self.tokens):
            raise SentenceError(
                f"{len(self.offsets)} offsets for {len(self.tokens)} tokens; expected one per token"
            )
        previous = 0
        for number, (begin, end) in enumerate(self.offsets):
            if not previous <= begin <= end <= len(self.text):
                raise SentenceError(
                    f"token {number} has offsets {begin} to {end}; expected {previous} <= begin "
                    f"<= end <= {len(self.text)}, the end of the token before and of the text"
                )
            previous = end

    def relation_key(
        self, relation: Relation
    ) -> tuple[str, tuple[str, int, int], tuple[str, int, int]]:
        """The relation's type and the keys of its head and tail.

        Two relations with the same key are the same but for their score.
        """
        return (
            relation.type,
            self.entities[relation.head].key,
            self.entities[relation.tail].key,
        )

    def character_span(self, entity: Entity) -> tuple[int, int] | None:
        """The entity's `(begin, end)` in `text`, in code points; `None` without a text."""
        if self.offsets is None:
            return None
        return (self.offsets[entity.start][0], self.offsets[entity.end - 1][1])

    def surface(self, entity: Entity) -> str:
        """The entity's characters in `text`; without a text, its tokens joined by spaces."""
        if self.text is None or self.offsets is None:
            return " ".join(self.tokens[entity.start : entity.end])
        return self.text[self.offsets[entity.start][0] : self.offsets[entity.end - 1][1]]

    def with_text(self) -> Sentence:
        """The sentence itself if it has a text, or a copy whose text joins its tokens by spaces."""
        if self.text is not None:
            return self
        ends = accumulate(len(token) + 1 for token in self.tokens)
        offsets = [(end - 1 - len(token), end - 1) for token, end in zip(self.tokens, ends)]
        return replace(self, text=" ".join(self.tokens), offsets=offsets)

    def without(self, dropped: Iterable[int]) -> Sentence:
        """A copy without the entities at these indices and without their relations."""
        gone = set(dropped)
        kept = [index for index in range(len(self.entities)) if index not in gone]
        moved = {old: new for new, old in enumerate(kept)}
        return replace(
            self,
            entities=[self.entities[index] for index in kept],
            relations=[
                replace(r, head=moved[r.head], tail=moved[r.tail])
                for r in self.relations
                if r.head in moved and r.tail in moved
            ],
        )

    def in_one_order(self, symmetric: Collection[str]) -> Sentence:
        """The sentence with relations of these types from the entity that stands first.

        Of two that become the same, the more probable one is kept.
        """
        if not any(relation.type in symmetric for relation in self.relations):
            return self
        found: dict[tuple[str, int, int], Relation] = {}
        for relation in self.relations:
            if relation.type in symmetric:
                head, tail = sorted((relation.head, relation.tail), key=self._position)
                relation = replace(relation, head=head, tail=tail)
            key = (relation.type, relation.head, relation.tail)
            known = found.get(key)
            if known is None or (known.score or 0) < (relation.score or 0):
                found[key] = relation
        return replace(self, relations=list(found.values()))

    def _position(self, index: int) -> tuple[int, int, int]:
        entity = self.entities[index]
        return entity.start, entity.end, index

    def overlapping(self) -> set[int]:
        """The indices of the entities that share a token with another entity."""
        return {
            index
            for i, j in combinations(range(len(self.entities)), 2)
            if self.entities[i].overlaps(self.entities[j])
            for index in (i, j)
        }

    def count_scores(self) -> int:
        """How many of the entities and relations have a probability."""
        scores = [*(entity.score for entity in self.entities)]
        scores += [relation.score for relation in self.relations]
        return sum(score is not None for score in scores)

    def to_json(self) -> dict[str, Any]:
        """The sentence as a JSON object, from which `from_json` makes an equal sentence.

        Each entity also has its `text` and, if the sentence has a text, `char_start` and
        `char_end`. They follow from the other values, and `from_json` checks that they do.
        """
        record: dict[str, Any] = {"id": self.id}
        if self.text is not None and self.offsets is not None:
            record["text"] = self.text
            record["tokens"] = list(self.tokens)
            record["offsets"] = [list(span) for span in self.offsets]
        else:
            record["tokens"] = list(self.tokens)
        record["entities"] = [self._entity_json(entity) for entity in self.entities]
        record["relations"] = [
            _with_score({"type": r.type, "head": r.head, "tail": r.tail}, r.score)
            for r in self.relations
        ]
        if self.bounds is not None:
            record["sentences"] = [list(span) for span in self.bounds]
        if self.meta:
            record["meta"] = dict(self.meta)
        return record

    def _entity_json(self, entity: Entity) -> dict[str, Any]:
        record: dict[str, Any] = {"type": entity.type, "start": entity.start, "end": entity.end}
        span = self.character_span(entity)
        if span is not None:
            record["char_start"], record["char_end"] = span
        record["text"] = self.surface(entity)
        return _with_score(record, entity.score)

    @classmethod
    def from_json(cls, record: Mapping[str, Any], source: str | None = None) -> Sentence:
        """Make a sentence from the output of `to_json` or from a record with fewer keys.

        # Parameters

        record : `Mapping[str, Any]`
            Only `tokens` is required.
        source : `str`, optional (default = `None`)
            The place that the record was read from, as `file:line`.

        # Raises

        `SentenceError`
            If a value is missing, has the wrong type, or contradicts the others.
        """
        try:
            sentence = cls(**_fields(record), source=source)
        except RecordError as error:
            raise SentenceError(str(error)) from error
        sentence._check_surfaces()
        sentence._check_derived(record.get("entities") or ())
        return sentence

    def _check_surfaces(self) -> None:
        """The tokens must be what the text has at their offsets, but for white space and for the
        marks that treebanks write for brackets and quotes."""
        if self.text is None or self.offsets is None:
            return
        for number, (token, (begin, end)) in enumerate(zip(self.tokens, self.offsets)):
            found = self.text[begin:end]
            if token == found or (found and found in _TREEBANK.get(token, "")):
                continue
            if found.strip() == found and token.split() == found.split():
                continue
            raise SentenceError(
                f"token {number} is {quote(token, 40)}, but the text has {quote(found, 40)} at its "
                f"offsets {begin} to {end}; expected the same. Offsets count code points of the "
                "text: was the text changed after it was split?"
            )

    def _check_derived(self, records: Sequence[Mapping[str, Any]]) -> None:
        for entity, record in zip(self.entities, records):
            span = self.character_span(entity)
            derived: dict[str, Any] = {"text": self.surface(entity)}
            if span is not None:
                derived.update(char_start=span[0], char_end=span[1])
            for key, expected in derived.items():
                found = record.get(key, expected)
                # In Python True and 1.0 equal 1.
                if type(found) is not type(expected) or found != expected:
                    raise SentenceError(
                        f"the entity at tokens {entity.start} to {entity.end} has {key} "
                        f"{found!r}; its tokens give {expected!r}"
                    )


_TREEBANK = {
    **{"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"},
    **{"``": '"“«„', "''": '"”»“'},
}
"""Tokens that stand for other characters in the text, and these."""

SENTENCE_KEYS = frozenset(
    ["id", "text", "tokens", "offsets", "entities", "relations", "sentences", "meta"]
)
"""The keys that `Sentence.from_json` knows."""
_ENTITY_KEYS = frozenset(["type", "start", "end", "char_start", "char_end", "text", "score"])
_RELATION_KEYS = frozenset(["type", "head", "tail", "score"])


def _with_score(record: dict[str, Any], score: float | None) -> dict[str, Any]:
    if score is not None:
        record["score"] = score
    return record


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Sentence`, except `source`, from a record whose types are checked here."""
    _check_keys("a sentence", record, SENTENCE_KEYS)
    tokens = get_list(record, "tokens", str, "a sentence")
    entities = [
        Entity(
            get(item, "type", str, "an entity"),
            get(item, "start", int, "an entity"),
            get(item, "end", int, "an entity"),
            _score(item),
        )
        for item in _objects(record, "entities", "an entity", _ENTITY_KEYS)
    ]
    relations = [
        Relation(
            get(item, "type", str, "a relation"),
            get(item, "head", int, "a relation"),
            get(item, "tail", int, "a relation"),
            _score(item),
        )
        for item in _objects(record, "relations", "a relation", _RELATION_KEYS)
    ]
    name = record.get("id", "")
    if not has_type(name, str) and not has_type(name, int):
        raise RecordError(f"the key 'id' holds {name!r}; expected a string or a number")
    text = get(record, "text", str, "a sentence") if record.get("text") is not None else None
    return {
        "tokens": tokens,
        "entities": entities,
        "relations": relations,
        "id": str(name),
        "text": text,
        "offsets": _offsets(record),
        "bounds": _bounds(record, len(tokens)),
        "meta": get(record, "meta", dict, "a sentence", default={}) or None,
    }


def _bounds(record: Mapping[str, Any], length: int) -> list[tuple[int, int]] | None:
    if not record.get("sentences"):
        return None
    bounds = record["sentences"]
    for item in bounds if isinstance(bounds, list) else [bounds]:
        if not isinstance(item, list) or [type(value) for value in item] != [int, int]:
            raise RecordError(
                f"'sentences' is {quote_json(bounds)}; expected [first token, token after the "
                f"last] of each sentence, without gaps, up to {length}"
            )
    return [(start, end) for start, end in bounds]


def _offsets(record: Mapping[str, Any]) -> list[tuple[int, int]] | None:
    if record.get("offsets") is None:
        return None
    offsets = []
    for item in get_list(record, "offsets", list, "a sentence"):
        if len(item) != 2 or not all(has_type(value, int) for value in item):
            raise RecordError(f"an offset is {item!r}; expected [begin, end]")
        offsets.append((item[0], item[1]))
    return offsets


def _objects(
    record: Mapping[str, Any], key: str, what: str, known: frozenset
) -> list[Mapping[str, Any]]:
    items = get_list(record, key, dict, "a sentence", default=[])
    for item in items:
        _check_keys(what, item, known)
    return items


def _check_keys(what: str, record: Mapping[str, Any], known: frozenset) -> None:
    check_object(record, what)
    unknown = sorted(set(record) - known)
    if unknown:
        raise RecordError(
            f"{what} has the key {unknown[0]!r}; known keys are {', '.join(sorted(known))}"
        )


def _score(record: Mapping[str, Any]) -> float | None:
    score = record.get("score")
    if score is None:
        return None
    number = has_type(score, int) or has_type(score, float)
    if not number or not 0 <= score <= 1:
        raise RecordError(f"the key 'score' holds {quote_json(score)}; expected a number in [0, 1]")
    return float(score)
