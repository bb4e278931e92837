"""One document as a piece of HTML, for notebooks and the page to try a model: the same drawing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joint_ner_re.review.alignment import Item, align
from joint_ner_re.review.markup import draw_sentence
from joint_ner_re.sentence import Sentence

_STYLE = Path(__file__).parent / "picture.css"
# As many colours as the style sheet has.
_COLOURS = 8
# Texts are escaped, so only the drawing's own elements look like this.
_DRAWN = re.compile(r'(<mark|<g) class="unchecked" data-i="(\d+)"')
_KEYS = ("id", "text", "tokens", "offsets", "entities", "relations")


def picture(record: Mapping[str, Any], with_style: bool = True) -> str:
    """The text of a prediction with its entities marked, and its relations as arcs.

    All texts and labels are escaped, and there is no script: markup in a text is shown, not used.

    # Parameters

    record : `Mapping[str, Any]`
        A record that `allennlp predict` writes.
    with_style : `bool`, optional (default = `True`)
        Whether to put the style sheet in front, as a notebook needs it.
    """
    sentence = Sentence.from_json({key: record[key] for key in _KEYS if key in record})
    alignment = align(sentence)
    types = list(dict.fromkeys(item.predicted for item in alignment.items()))
    colours = {item: types.index(item.predicted) % _COLOURS for item in alignment.items()}
    numbers: list[Item] = list(colours)
    drawn = draw_sentence(sentence, alignment, numbers.index)

    def coloured(match: re.Match[str]) -> str:
        return f'{match[1]} class="t{colours[numbers[int(match[2])]]}"'

    drawn = _DRAWN.sub(coloured, drawn)
    style = f"<style>{picture_style()}</style>" if with_style else ""
    return f'<div class="joint-ner-re">{style}{drawn}</div>'


def picture_style() -> str:
    """The style sheet of `picture`."""
    return _STYLE.read_text(encoding="utf-8")
