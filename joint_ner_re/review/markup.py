"""A sentence as HTML: its text with the entities marked, and its relations as arcs.

The page's style sheet sets colours and lines. All texts and labels are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from joint_ner_re.review.alignment import (
    BOUNDARIES,
    MISSED,
    Alignment,
    EntityPair,
    Item,
    RelationPair,
)
from joint_ner_re.review.arcs import Arc, Word, draw_arcs
from joint_ner_re.sentence import Entity, Sentence

ItemNumber = Callable[[Item], int]

# The length of a name in a drawing of relations, in characters; the tooltip has the whole name.
MAX_NAME = 32
# How many characters of text a second line shows around its entities.
_MARGIN = 30
# Drawings with more words or arcs are too large to read.
MAX_WORDS = 6
MAX_ARCS = 8

_MARK = '<mark class="{kind}" data-i="{item}"{title}>{text}<b>{label}</b></mark>'


def draw_sentence(sentence: Sentence, alignment: Alignment, item_number: ItemNumber) -> str:
    """The text with its entities marked, then the relations as arcs.

    # Parameters

    sentence : `Sentence`
        The sentence; only its tokens and text are used.
    alignment : `Alignment`
        The annotations to draw.
    item_number : `Callable[[Item], int]`
        Gives the attribute `data-i` of each mark and arc, by which the page's filters find them.
    """
    text = _text(sentence.with_text(), alignment, item_number)
    arcs = [
        _arcs(sentence, alignment, relations, item_number)
        for relations in _drawings(alignment.relations)
    ]
    return f"{text}<div>{''.join(arcs)}</div>" if arcs else text


# The text


class _Mark(NamedTuple):
    start: int
    end: int
    kind: str
    item: int
    label: str
    title: str


def _text(sentence: Sentence, alignment: Alignment, item_number: ItemNumber) -> str:
    """The text with as many entities as fit without overlap, then excerpts with the others."""
    assert sentence.text is not None
    marks = []
    for pair in alignment.entities:
        item, number = pair.item, item_number(pair.item)
        begin, end = _characters(sentence, pair.annotation)
        marks.append(_Mark(begin, end, pair.kind, number, item.label, _about(pair, sentence)))
        if pair.kind == BOUNDARIES and pair.gold:
            begin, end = _characters(sentence, pair.gold)
            marks.append(_Mark(begin, end, "gold", number, f"↔ gold: {pair.gold.type}", ""))
    first, *others = _layers(marks)
    lines = [(sentence.text, first)]
    lines += [_excerpt(sentence.text, layer) for layer in others]
    return "".join(f"<p>{_marked(*line)}</p>" for line in lines)


def _characters(sentence: Sentence, entity: Entity) -> tuple[int, int]:
    span = sentence.character_span(entity)
    assert span is not None
    return span


def _about(pair: EntityPair, sentence: Sentence) -> str:
    """The tooltip of an entity."""
    score = None if pair.predicted is None else pair.predicted.score
    about = [] if score is None else [f"score {score:.3f}"]
    if pair.kind == BOUNDARIES and pair.gold:
        about.append(f"gold: {sentence.surface(pair.gold)}")
    return ", ".join(about)


def _layers(marks: Iterable[_Mark]) -> list[list[_Mark]]:
    """The marks in layers without overlap, at least one: predictions first, then long marks."""
    layers: list[list[_Mark]] = [[]]
    order = sorted(
        marks,
        key=lambda m: (m.kind == "gold", m.kind == MISSED, m.start - m.end, m.start),
    )
    for mark in order:
        for layer in layers:
            if all(mark.end <= other.start or other.end <= mark.start for other in layer):
                layer.append(mark)
                break
        else:
            layers.append([mark])
    return [sorted(layer) for layer in layers]


def _excerpt(text: str, marks: Sequence[_Mark]) -> tuple[str, list[_Mark]]:
    """The text around the marks, and the marks with their positions in it."""
    windows: list[list[int]] = []
    for mark in marks:
        # Cut at spaces, so that words stay whole.
        begin = text.rfind(" ", 0, max(0, mark.start - _MARGIN)) + 1
        end = text.find(" ", mark.end + _MARGIN)
        end = end if end >= 0 else len(text)
        if windows and begin <= windows[-1][1]:
            windows[-1][1] = max(end, windows[-1][1])
        else:
            windows.append([begin, end])
    excerpt, moved = "", []
    for begin, end in windows:
        excerpt += "… " if begin > 0 and not excerpt else ""
        shift = len(excerpt) - begin
        moved += [
            mark._replace(start=mark.start + shift, end=mark.end + shift)
            for mark in marks
            if begin <= mark.start and mark.end <= end
        ]
        excerpt += text[begin:end] + (" … " if end < len(text) else "")
    return excerpt, moved


def _marked(text: str, marks: Iterable[_Mark]) -> str:
    """The text with these marks, which must be sorted and must not overlap."""
    pieces, place = [], 0
    for mark in marks:
        pieces.append(_lines(text[place : mark.start]))
        pieces.append(
            _MARK.format(
                kind=mark.kind,
                item=mark.item,
                title=f' title="{escape(mark.title)}"' if mark.title else "",
                text=_lines(text[mark.start : mark.end]),
                label=escape(mark.label),
            )
        )
        place = mark.end
    return "".join([*pieces, _lines(text[place:])])


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


# The relations


def _drawings(relations: Sequence[RelationPair]) -> list[list[int]]:
    """The indices of the relations of each drawing: those that are connected by their entities.

    If there are too many for one drawing, each drawing has some of the relations of one entity.
    """
    drawings: list[list[int]] = []
    for cluster in _clusters(relations):
        entities = {end for number in cluster for end in _ends(relations[number])}
        if len(cluster) <= MAX_ARCS and len(entities) <= MAX_WORDS:
            drawings.append(cluster)
            continue
        left = list(cluster)
        while left:
            ends = Counter(end for number in left for end in _ends(relations[number]))
            hub = max(sorted(ends), key=ends.__getitem__)
            chosen = [n for n in left if hub in _ends(relations[n])][: MAX_WORDS - 2]
            left = [number for number in left if number not in chosen]
            drawings.append(chosen)
    return drawings


def _clusters(relations: Sequence[RelationPair]) -> list[list[int]]:
    clusters: list[tuple[set[int], list[int]]] = []
    for number, relation in enumerate(relations):
        ends, members = set(_ends(relation)), [number]
        apart = []
        for cluster in clusters:
            if ends & cluster[0]:
                ends, members = ends | cluster[0], members + cluster[1]
            else:
                apart.append(cluster)
        clusters = [*apart, (ends, members)]
    return sorted(sorted(members) for _, members in clusters)


def _ends(relation: RelationPair) -> tuple[int, int]:
    return (relation.head, relation.tail)


def _arcs(
    sentence: Sentence,
    alignment: Alignment,
    numbers: Sequence[int],
    item_number: ItemNumber,
) -> str:
    """A drawing of some relations as arcs between their entities."""
    relations = [alignment.relations[number] for number in numbers]
    places = sorted({end for relation in relations for end in _ends(relation)})
    words = [_word(sentence, alignment.entities[place]) for place in places]
    column = {place: number for number, place in enumerate(places)}
    arcs = []
    for relation in relations:
        head, tail = column[relation.head], column[relation.tail]
        if head == tail:
            # Both arguments are duplicates of one entity: an arc needs two words.
            tail = len(words)
            words.append(words[head])
        score = relation.annotation.score if relation.predicted else None
        label = _scored(relation.item.label, score)
        title = " → ".join(
            sentence.surface(alignment.entities[place].annotation)
            for place in (relation.head, relation.tail)
        )
        arcs.append(Arc(head, tail, label, relation.kind, item_number(relation.item), title))
    return draw_arcs(words, arcs)


def _word(sentence: Sentence, pair: EntityPair) -> Word:
    surface = sentence.surface(pair.annotation)
    short = surface if len(surface) <= MAX_NAME else surface[: MAX_NAME - 1] + "…"
    score = pair.predicted.score if pair.predicted else None
    about = ", ".join(filter(None, (surface, _about(pair, sentence))))
    return Word(short, _scored(pair.item.label, score), pair.kind, about)


def _scored(label: str, score: float | None) -> str:
    return label if score is None else f"{label} {score:.2f}"
