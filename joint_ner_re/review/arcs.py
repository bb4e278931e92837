"""Draws words in a row with labelled arrows above them, as SVG.

The page's style sheet sets colours, line styles and fonts. All texts are escaped here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

# All sizes are in pixels.
_MIN_DISTANCE = 130
# The usual maximum width of a character in a word, in its label and in an arc's label.
_WORD_CHARACTER, _TAG_CHARACTER, _LABEL_CHARACTER = 8, 7, 7
_LEVEL_HEIGHT = 26
# The distance of arrows that end at one word.
_SLOT = 12
_ARROW = 5
_LINE_HEIGHT = 18


class Word(NamedTuple):
    """A word of the drawing: its name, the label below it, its CSS class and its tooltip."""

    name: str
    tag: str
    kind: str
    title: str


class Arc(NamedTuple):
    """An arrow between two words, given by their positions, and the attributes of its SVG group."""

    head: int
    tail: int
    label: str
    kind: str
    item: int
    title: str

    @property
    def left(self) -> int:
        return min(self.head, self.tail)

    @property
    def right(self) -> int:
        return max(self.head, self.tail)


def draw_arcs(words: Sequence[Word], arcs: Sequence[Arc]) -> str:
    """An SVG element with the words in a row and the arcs above them.

    # Parameters

    words : `Sequence[Word]`
        The words from left to right.
    arcs : `Sequence[Arc]`
        The arcs, each between two different words. Short ones are drawn below long ones, so that
        no two lines coincide.
    """
    distance = max(
        [_MIN_DISTANCE]
        + [_WORD_CHARACTER * len(word.name) + 14 for word in words]
        + [_TAG_CHARACTER * len(word.tag) + 14 for word in words]
        + [_LABEL_CHARACTER * len(arc.label) + 20 for arc in arcs]
    )
    centres = [distance // 2 + distance * place for place in range(len(words))]
    levels = _levels(arcs)
    base = (max(levels) + 1) * _LEVEL_HEIGHT
    ends = _ends(arcs, centres)
    height = base + 3 * _LINE_HEIGHT
    elements = [f'<svg class="arcs" width="{distance * len(words)}" height="{height}">']
    elements += [_word(word, x, base) for word, x in zip(words, centres)]
    elements += [
        _arc(arc, *ends[number], base - levels[number] * _LEVEL_HEIGHT, base)
        for number, arc in enumerate(arcs)
    ]
    return "".join([*elements, "</svg>"])


def _levels(arcs: Sequence[Arc]) -> list[int]:
    """The level of each arc, from 1: above all shorter arcs that overlap it."""
    levels = [0] * len(arcs)
    for number in sorted(range(len(arcs)), key=lambda n: arcs[n].right - arcs[n].left):
        arc = arcs[number]
        below = [
            level
            for level, other in zip(levels, arcs)
            if level and other.left < arc.right and arc.left < other.right
        ]
        levels[number] = 1 + max(below, default=0)
    return levels


def _ends(arcs: Sequence[Arc], centres: Sequence[int]) -> list[tuple[int, int]]:
    """The x positions of each arc's two ends. No two arrows end at the same point."""
    at_word: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, arc in enumerate(arcs):
        at_word[arc.head].append((number, arc.tail))
        at_word[arc.tail].append((number, arc.head))
    places: dict[tuple[int, int], int] = {}
    for word, others in at_word.items():
        # To minimise crossings: first the arcs from the left, the shortest first, then those from
        # the right, the longest first.
        others.sort(key=lambda other: (other[1] > word, word - other[1], other[0]))
        first = centres[word] - _SLOT * (len(others) - 1) // 2
        for slot, (number, _) in enumerate(others):
            places[number, word] = first + _SLOT * slot
    return [(places[number, arc.head], places[number, arc.tail]) for number, arc in enumerate(arcs)]


def _word(word: Word, x: int, base: int) -> str:
    name = f'<tspan x="{x}" y="{base + _LINE_HEIGHT}">{escape(word.name)}</tspan>'
    tag = f'<tspan x="{x}" y="{base + 2 * _LINE_HEIGHT}">{escape(word.tag)}</tspan>'
    return f'<text class="{word.kind}"><title>{escape(word.title)}</title>{name}{tag}</text>'


def _arc(arc: Arc, head: int, tail: int, top: int, base: int) -> str:
    line = f'<path d="M{head},{base} {head},{top} {tail},{top} {tail},{base - _ARROW}"/>'
    label = f'<text x="{(head + tail) // 2}" y="{top - 5}">{escape(arc.label)}</text>'
    arrow = (
        f'<path d="M{tail},{base} {tail - _ARROW},{base - 2 * _ARROW} '
        f'{tail + _ARROW},{base - 2 * _ARROW}"/>'
    )
    group = f'<g class="{arc.kind}" data-i="{arc.item}"><title>{escape(arc.title)}</title>'
    return f"{group}{line}{label}{arrow}</g>"
