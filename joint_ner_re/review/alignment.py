"""Pairs the predictions of a sentence with gold annotations, to show what is right and wrong.

The pairs agree with the strict scores of `joint_ner_re.metrics.score`: what is correct there is
`"correct"` here. Every prediction and every gold annotation is in exactly one pair.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

from joint_ner_re.sentence import Entity, Relation, Sentence

UNCHECKED = "unchecked"
CORRECT = "correct"
MISTYPED = "mistyped"
BOUNDARIES = "boundaries"
REVERSED = "reversed"
ARGUMENT = "argument"
SPURIOUS = "spurious"
MISSED = "missed"


class Kind(NamedTuple):
    """How to show a kind of pair, and the tasks that have it."""

    icon: str
    label: str
    tasks: tuple[str, ...]
    meaning: str


KINDS: dict[str, Kind] = {
    CORRECT: Kind("✓", "correct", ("entity", "relation"), "as in gold: nothing differs"),
    MISTYPED: Kind(
        "≠", "wrong type", ("entity", "relation"), "in the right place, but gold has another type"
    ),
    BOUNDARIES: Kind("↔", "wrong boundaries", ("entity",), "shares words with an entity of gold"),
    REVERSED: Kind("⇄", "reversed", ("relation",), "gold has it in the other direction"),
    ARGUMENT: Kind(
        "◇", "wrong argument", ("relation",), "right but for the type of one of its entities"
    ),
    SPURIOUS: Kind("✗", "spurious", ("entity", "relation"), "predicted, and nothing in gold"),
    MISSED: Kind("?", "missed", ("entity", "relation"), "in gold, and nothing predicted"),
}
"""The kinds of pairs when there is gold, in the order of the page's list."""


class Item(NamedTuple):
    """The properties by which pairs are counted and filtered.

    # Parameters

    task : `str`
        `"entity"` or `"relation"`.
    kind : `str`
        A name in `KINDS`, or `"unchecked"` without gold.
    predicted, gold : `str`
        The types; empty if the pair has no such annotation.
    """

    task: str
    kind: str
    predicted: str
    gold: str

    @property
    def label(self) -> str:
        """`"≠ Drug (gold: Dose)"`: the kind's icon, the type, and gold's type if it differs."""
        icon = KINDS[self.kind].icon + " " if self.kind in KINDS else ""
        both = self.predicted and self.gold and self.predicted != self.gold
        return icon + (self.predicted or self.gold) + (f" (gold: {self.gold})" if both else "")


class EntityPair(NamedTuple):
    """A predicted entity, a gold entity, or one of each that belong together."""

    kind: str
    predicted: Entity | None
    gold: Entity | None

    @property
    def annotation(self) -> Entity:
        """The prediction if there is one, else the gold entity."""
        return self.predicted or self.gold  # type: ignore[return-value]

    @property
    def item(self) -> Item:
        return Item("entity", self.kind, *_types(self))


class RelationPair(NamedTuple):
    """A predicted relation, a gold relation, or one of each that belong together.

    `head` and `tail` are the positions of its arguments in the alignment's `entities`: those of the
    prediction or, without one, those of gold.
    """

    kind: str
    predicted: Relation | None
    gold: Relation | None
    head: int
    tail: int

    @property
    def annotation(self) -> Relation:
        """The prediction if there is one, else the gold relation."""
        return self.predicted or self.gold  # type: ignore[return-value]

    @property
    def item(self) -> Item:
        return Item("relation", self.kind, *_types(self))


def _types(pair: Any) -> tuple[str, str]:
    return (
        pair.predicted.type if pair.predicted else "",
        pair.gold.type if pair.gold else "",
    )


class Alignment(NamedTuple):
    """All pairs of a sentence, sorted by position in the text."""

    entities: list[EntityPair]
    relations: list[RelationPair]

    def items(self) -> Iterator[Item]:
        """The `Item` of each pair."""
        for entity in self.entities:
            yield entity.item
        for relation in self.relations:
            yield relation.item


def align(predicted: Sentence, gold: Sentence | None = None) -> Alignment:
    """Pair the annotations of two sentences with the same tokens.

    As for `score`, duplicates count once. Equal annotations are paired first (`"correct"`), then

    - an entity with one of the same span (`"mistyped"`), or with one that shares tokens with it
      (`"boundaries"`), preferring the same type, then the largest number of shared tokens;
    - a relation with one that has the same spans, type and direction but another entity type
      (`"argument"`), or with one of another type between the same spans (`"mistyped"`), or with one
      of the same type in the other direction (`"reversed"`).

    Annotations without a partner are `"spurious"` or `"missed"`. Without `gold` all pairs are
    `"unchecked"`.
    """
    entities = _pairs(
        {entity.key: entity for entity in reversed(predicted.entities)},
        {entity.key: entity for entity in reversed(gold.entities)} if gold else None,
        _entity_cost,
    )
    pairs = sorted(
        (EntityPair(*pair) for pair in entities),
        key=lambda pair: (pair.annotation.start, pair.annotation.end, pair.annotation.type),
    )
    guessed = {pair.predicted.key: place for place, pair in enumerate(pairs) if pair.predicted}
    right = {pair.gold.key: place for place, pair in enumerate(pairs) if pair.gold}
    relations = []
    for kind, guess, truth in _pairs(_links(predicted), _links(gold) if gold else None, _link_cost):
        link, places = (guess, guessed) if guess else (truth, right)
        relations.append(
            RelationPair(
                kind,
                guess.relation if guess else None,
                truth.relation if truth else None,
                places[link.head.key],
                places[link.tail.key],
            )
        )
    return Alignment(pairs, sorted(relations, key=lambda r: (r.head, r.tail, r.annotation.type)))


class _Link(NamedTuple):
    relation: Relation
    head: Entity
    tail: Entity


def _links(sentence: Sentence) -> dict[Hashable, _Link]:
    links = [
        _Link(relation, sentence.entities[relation.head], sentence.entities[relation.tail])
        for relation in reversed(sentence.relations)
    ]
    return {sentence.relation_key(link.relation): link for link in links}


# The rank and the name of the kind of a pair, then what makes one pair of this kind better than
# another. Lower is better.
Cost = tuple[Any, ...]


def _entity_cost(predicted: Entity, gold: Entity) -> Cost | None:
    if (predicted.start, predicted.end) == (gold.start, gold.end):
        return (0, MISTYPED)
    if not predicted.overlaps(gold):
        return None
    shared = min(predicted.end, gold.end) - max(predicted.start, gold.start)
    return (1, BOUNDARIES, predicted.type != gold.type, -shared)


def _link_cost(predicted: _Link, gold: _Link) -> Cost | None:
    spans, gold_spans = _spans(predicted), _spans(gold)
    same_type = predicted.relation.type == gold.relation.type
    if spans == gold_spans:
        if same_type:
            return (0, ARGUMENT)
        return (1, MISTYPED, _entity_types(predicted) != _entity_types(gold))
    if spans == gold_spans[::-1] and same_type:
        return (2, REVERSED, _entity_types(predicted) != _entity_types(gold)[::-1])
    return None


def _spans(link: _Link) -> tuple[tuple[int, int], tuple[int, int]]:
    return ((link.head.start, link.head.end), (link.tail.start, link.tail.end))


def _entity_types(link: _Link) -> tuple[str, str]:
    return (link.head.type, link.tail.type)


def _pairs(
    predicted: dict[Any, Any],
    gold: dict[Any, Any] | None,
    cost: Callable[[Any, Any], Cost | None],
) -> list[tuple[str, Any, Any]]:
    """`(kind, predicted, gold)` for all annotations, each in exactly one triple."""
    if gold is None:
        return [(UNCHECKED, guess, None) for guess in predicted.values()]
    found = [(CORRECT, guess, gold[key]) for key, guess in predicted.items() if key in gold]
    guesses = {key: guess for key, guess in predicted.items() if key not in gold}
    truths = {key: truth for key, truth in gold.items() if key not in predicted}
    costs = [
        (price, guess, truth)
        for guess in guesses
        for truth in truths
        if (price := cost(guesses[guess], truths[truth])) is not None
    ]
    for price, guess, truth in sorted(costs):
        if guess in guesses and truth in truths:
            found.append((price[1], guesses.pop(guess), truths.pop(truth)))
    found += [(SPURIOUS, guess, None) for guess in guesses.values()]
    found += [(MISSED, None, truth) for truth in truths.values()]
    return found
