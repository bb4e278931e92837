"""One sentence as markup: spaCy's displaCy draws it, and what it repeats in every drawing is left
to the page's style sheet.

Every text and every label is escaped, by displaCy or before it gets there.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy import displacy

from joint_ner_re.review.alignment import (
    BOUNDARIES,
    MISSED,
    Alignment,
    EntityPair,
    Item,
    RelationPair,
)
from joint_ner_re.sentence import Entity, Sentence

ItemNumber = Callable[[Item], int]

# Of a name in a drawing of relations, and of the text around what a second line shows, in
# characters. The whole is in the first line, and appears under the pointer.
_LONGEST_NAME = 32
_MARGIN = 30
# In one drawing: what is wider or higher is not readable.
_MOST_WORDS = 6
_MOST_ARCS = 8

_MARK = '<mark class="{kind}" data-i="{item}"{title}>{text}<b>{label}</b></mark>'


def draw_sentence(
    sentence: Sentence, alignment: Alignment, item_number: ItemNumber, prefix: str
) -> str:
    """The text with its entities marked, then the relations as arcs.

    # Parameters

    sentence : `Sentence`
        The sentence; its own annotations are not looked at.
    alignment : `Alignment`
        What is drawn.
    item_number : `Callable[[Item], int]`
        Gives what stands as `data-i` at every mark and arc, so that a filter finds them.
    prefix : `str`
        Begins every `id` in the markup, so that it is unique in the page.
    """
    text = _text(sentence.with_text(), alignment, item_number)
    arcs = [
        _arcs(sentence, alignment, relations, item_number, f"{prefix}-{number}")
        for number, relations in enumerate(_drawings(alignment.relations))
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
    """The text once, with as many entities marked as can be without overlap, then the text around
    the others."""
    assert sentence.text is not None
    marks = []
    for pair in alignment.entities:
        item, number = pair.item, item_number(pair.item)
        begin, end = _characters(sentence, pair.shown)
        marks.append(_Mark(begin, end, pair.kind, number, item.label, _about(pair, sentence)))
        if pair.kind == BOUNDARIES and pair.gold:
            begin, end = _characters(sentence, pair.gold)
            marks.append(_Mark(begin, end, "gold", number, f"↔ gold: {pair.gold.type}", ""))
    first, *others = _layers(marks)
    lines = [(sentence.text, first)]
    lines += [_excerpt(sentence.text, layer) for layer in others]
    return "".join(f"<p>{_marked(*line)}</p>" for line in lines)


def _characters(sentence: Sentence, entity: Entity) -> Tuple[int, int]:
    span = sentence.character_span(entity)
    assert span is not None
    return span


def _about(pair: EntityPair, sentence: Sentence) -> str:
    """What appears under the pointer."""
    score = None if pair.predicted is None else pair.predicted.score
    about = [] if score is None else [f"score {score:.3f}"]
    if pair.kind == BOUNDARIES and pair.gold:
        about.append(f"gold: {sentence.surface(pair.gold)}")
    return ", ".join(about)


def _layers(marks: Iterable[_Mark]) -> List[List[_Mark]]:
    """The marks in layers without overlap, at least one; what was predicted goes first, then the
    longest."""
    layers: List[List[_Mark]] = [[]]
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


def _excerpt(text: str, marks: Sequence[_Mark]) -> Tuple[str, List[_Mark]]:
    """The parts of the text around the marks, and the marks where they are in it."""
    windows: List[List[int]] = []
    for mark in marks:
        # From one white space to another, so that no word is cut.
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
    entities = [
        {
            "start": mark.start,
            "end": mark.end,
            # displaCy escapes the text but not this.
            "label": escape(mark.label),
            "params": {
                "kind": mark.kind,
                "item": mark.item,
                "title": f' title="{escape(mark.title)}"' if mark.title else "",
            },
        }
        for mark in marks
    ]
    markup = displacy.render(
        {"text": text, "ents": entities, "title": None},
        style="ent",
        manual=True,
        page=False,
        jupyter=False,
        options={"template": _MARK},
    )
    # The paragraph is ours, with the style in the page; older ones end a line by </br>.
    inside = markup[markup.index(">") + 1 : markup.rindex("</div>")]
    return inside.replace("</br>", "<br>")


# The relations


class _Arc(NamedTuple):
    head: int
    tail: int
    kind: str
    item: int
    label: str
    title: str


def _drawings(relations: Sequence[RelationPair]) -> List[List[int]]:
    """Which relations are drawn together: those that hang together by their entities.

    Where these are too many for one drawing, each drawing has some of the relations of one entity.
    The page sets the drawings in lines, so that they are all in sight.
    """
    drawings: List[List[int]] = []
    for cluster in _clusters(relations):
        entities = {end for number in cluster for end in _ends(relations[number])}
        if len(cluster) <= _MOST_ARCS and len(entities) <= _MOST_WORDS:
            drawings.append(cluster)
            continue
        left = list(cluster)
        while left:
            ends = Counter(end for number in left for end in _ends(relations[number]))
            hub = max(sorted(ends), key=ends.__getitem__)
            chosen = [n for n in left if hub in _ends(relations[n])][: _MOST_WORDS - 2]
            left = [number for number in left if number not in chosen]
            drawings.append(chosen)
    return drawings


def _clusters(relations: Sequence[RelationPair]) -> List[List[int]]:
    clusters: List[Tuple[Set[int], List[int]]] = []
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


def _ends(relation: RelationPair) -> Tuple[int, int]:
    return (relation.head, relation.tail)


def _arcs(
    sentence: Sentence,
    alignment: Alignment,
    numbers: Sequence[int],
    item_number: ItemNumber,
    prefix: str,
) -> str:
    """One drawing of some relations as arcs between their entities, which alone are drawn."""
    relations = [alignment.relations[number] for number in numbers]
    places = sorted({end for relation in relations for end in _ends(relation)})
    words = [_word(sentence, alignment.entities[place]) for place in places]
    kinds = [alignment.entities[place].kind for place in places]
    column = {place: number for number, place in enumerate(places)}
    arcs = []
    for relation in relations:
        head, tail = column[relation.head], column[relation.tail]
        if head == tail:
            # Between duplicates of one entity, which displaCy cannot draw as one word.
            tail = len(words)
            words.append(words[head])
            kinds.append(kinds[head])
        score = relation.shown.score if relation.predicted else None
        head_name, tail_name = (
            sentence.surface(alignment.entities[place].shown)
            for place in (relation.head, relation.tail)
        )
        arcs.append(
            _Arc(
                head,
                tail,
                relation.kind,
                item_number(relation.item),
                _scored(relation.item.label, score),
                f"{head_name} → {tail_name}",
            )
        )
    # In pixels: the characters of each, in its size, are hardly wider.
    distance = max(
        [130]
        + [8 * len(word.name) + 14 for word in words]
        + [7 * len(word.tag) + 14 for word in words]
        + [7 * len(arc.label) + 20 for arc in arcs]
    )
    svg = displacy.render(
        {
            "words": [{"text": word.name, "tag": escape(word.tag)} for word in words],
            "arcs": [
                {
                    "start": min(arc.head, arc.tail),
                    "end": max(arc.head, arc.tail),
                    "label": escape(arc.label),
                    # The arrow points at the tail.
                    "dir": "right" if arc.head < arc.tail else "left",
                }
                for arc in arcs
            ],
        },
        style="dep",
        manual=True,
        page=False,
        jupyter=False,
        options={
            "compact": True,
            "distance": distance,
            "offset_x": distance // 2,
            "word_spacing": 28,
        },
    )
    return _finished(svg, distance * len(words), kinds, words, arcs, prefix)


class _Word(NamedTuple):
    name: str
    tag: str
    title: str


def _word(sentence: Sentence, pair: EntityPair) -> _Word:
    surface = sentence.surface(pair.shown)
    short = surface if len(surface) <= _LONGEST_NAME else surface[: _LONGEST_NAME - 1] + "…"
    score = pair.predicted.score if pair.predicted else None
    about = ", ".join(part for part in (surface, _about(pair, sentence)) if part)
    return _Word(short, _scored(pair.item.label, score), about)


def _scored(label: str, score: Optional[float]) -> str:
    return label if score is None else f"{label} {score:.2f}"


# What the page's style sheet says once, and what only a file of its own needs. No text of the
# corpus can look like it: its quotes are escaped.
_REPEATED = re.compile(
    r" (?:xmlns|xmlns:xlink|xml:lang|direction|style|fill|stroke|stroke-width|text-anchor|side)="
    r'"[^"]*"| class="displacy-\w+"'
)
_COORDINATES = re.compile(r'( (?:d|x|y)=")([^"]*)"')


def _finished(
    svg: str,
    width: int,
    kinds: Sequence[str],
    words: Sequence[_Word],
    arcs: Sequence[_Arc],
    prefix: str,
) -> str:
    """displaCy's drawing, cut to what is drawn, with kinds, titles and short names of its own."""
    height = float(_of(svg, r'<svg[^>]* height="([^"]*)"'))
    arrow = _of(svg, r'<path class="displacy-arc" id="([^"]*)0"')
    # A drawing with many arcs has its upper half empty.
    top = min(
        float(y)
        for path in re.findall(r'<path class="displacy-arc"[^>]* d="([^"]*)"', svg)
        for y in re.findall(r",(-?[\d.]+)", path)
    )
    named, linked = iter(zip(kinds, words)), iter(arcs)

    def token(opening: "re.Match[str]") -> str:
        kind, word = next(named)
        return f'<text class="{kind}"{opening[1]}><title>{escape(word.title)}</title>'

    def arrow_group(_: "re.Match[str]") -> str:
        arc = next(linked)
        title = escape(arc.title)
        return f'<g class="{arc.kind}" data-i="{arc.item}"><title>{title}</title>'

    svg = re.sub(r'<text class="displacy-token"([^>]*)>', token, svg)
    svg = re.sub(r'<g class="displacy-arrow">', arrow_group, svg)
    svg = svg.replace(arrow, f"{prefix}-").replace(' xlink:href="', ' href="')
    svg = re.sub(r">\n\s*<", "><", _REPEATED.sub("", svg))
    svg = _COORDINATES.sub(lambda found: found[1] + _rounded(found[2]) + '"', svg)
    box = (0, round(top) - 6, width, round(height - top) - 12)
    size = f'width="{box[2]}" height="{box[3]}" viewBox="{" ".join(map(str, box))}"'
    return re.sub(r"<svg[^>]*>", f'<svg class="displacy" {size}>', svg)


def _of(svg: str, pattern: str) -> str:
    found = re.search(pattern, svg)
    assert found is not None, f"displaCy draws in a new way: no {pattern} in {svg}"
    return found[1]


def _rounded(coordinates: str) -> str:
    return re.sub(r"\d+\.\d+", lambda number: str(round(float(number[0]))), coordinates)
