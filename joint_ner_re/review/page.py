"""Writes a self-contained HTML page with sentences, counts, scores and filters.

The page has its sentences as JSON and inserts fifty at a time, so that thousands do not make it
slow. Its content security policy allows only its own script, by its hash: no other script, no event
handler, no network. So text could not run as code even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from string import Template
from typing import Any, TextIO

from tqdm import tqdm

from joint_ner_re.metrics.score import CRITERIA, TASKS, Scorer, Scores
from joint_ner_re.review.alignment import KINDS, Item, align
from joint_ner_re.review.markup import draw_sentence
from joint_ner_re.sentence import Sentence
from joint_ner_re.writing import PathLike, replacing

Pair = tuple[Sentence, Sentence | None]

_FOLDER = Path(__file__).parent
_MEASURES = ("precision", "recall", "f1")
_SPLIT = "<!-- rows -->"


def write_page(path: PathLike, title: str, pairs: Iterable[Pair], per_page: int = 50) -> None:
    """Write a page that shows sentences and, if there is gold, their errors.

    # Parameters

    path : `str`
        The HTML file, which is written atomically.
    title : `str`
        The title of the page.
    pairs : `Iterable[tuple[Sentence, Sentence | None]]`
        Predicted sentences, all with their gold sentences or all with `None`.
    per_page : `int`, optional (default = `50`)
        The number of sentences shown at a time.
    """
    style, script = _file("page.css"), _file("page.js")
    head, tail = _file("page.html").split(_SPLIT)
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    rows = _Rows()
    with replacing(path) as file:
        file.write(
            Template(head).substitute(
                title=escape(title),
                policy=f"{policy}; base-uri 'none'; form-action 'none'",
                style=style,
            )
        )
        rows.write(file, pairs)
        summary = in_script({**rows.summary(), "perPage": per_page})
        file.write(Template(tail).substitute(summary=summary, script=script))


def in_script(value: Any) -> str:
    """JSON that is safe inside `<script>`: it cannot end the script or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _numbering() -> defaultdict[Any, int]:
    """A dictionary that gives each new key the next number."""
    numbers: defaultdict[Any, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return numbers


class _Rows:
    """Writes the sentences one by one, and keeps only their counts."""

    def __init__(self) -> None:
        self.numbers = _numbering()
        self.counts: Counter[Item] = Counter()
        self.scorers: dict[str, Scorer] = {name: Scorer(name) for name in CRITERIA}
        self.checked = False

    def write(self, file: TextIO, pairs: Iterable[Pair]) -> None:
        progress = tqdm(pairs, desc="drawing", unit=" sentences", disable=None)
        for number, (sentence, gold) in enumerate(progress, start=1):
            file.write(",\n" if number > 1 else "\n")
            file.write(in_script(self._row(number, sentence, gold)))

    def _row(self, number: int, sentence: Sentence, gold: Sentence | None) -> list[Any]:
        """The name of a sentence, its text, its HTML, and the numbers of its items."""
        alignment = align(sentence, gold)
        self.counts.update(alignment.items())
        if gold is not None:
            self.checked = True
            for scorer in self.scorers.values():
                scorer.add(gold, sentence)
        number_of: Callable[[Item], int] = self.numbers.__getitem__
        return [
            sentence.id or f"sentence {number}",
            sentence.with_text().text,
            draw_sentence(sentence, alignment, number_of),
            [number_of(item) for item in alignment.items()],
        ]

    def summary(self) -> dict[str, Any]:
        """The data of the upper part of the page."""
        types = sorted(
            {
                (item.task, name)
                for item in self.counts
                for name in (item.predicted, item.gold)
                if name
            }
        )
        return {
            "checked": self.checked,
            "kinds": [
                {"name": name, **kind._asdict()} for name, kind in KINDS.items() if self.checked
            ],
            "items": [[*item, self.counts[item]] for item in self.numbers],
            "types": [[task, name] for task, name in types],
            "scores": self._scores() if self.checked else None,
        }

    def _scores(self) -> list[dict[str, Any]]:
        """The rows of the table of scores, which are strict unless their name says otherwise."""
        strict, boundaries = (self.scorers[name] for name in ("strict", "boundaries"))
        lines = []
        for task in TASKS:
            counts = strict.counts[task]
            gold, predicted = sum(counts.gold.values()), sum(counts.predicted.values())
            lines.append(_line(task, "all", gold, predicted, counts.micro(), total=True))
            for name, scores in counts.per_type().items():
                lines.append(_line(task, name, counts.gold[name], counts.predicted[name], scores))
            loose = boundaries.counts[task].micro()
            lines.append(_line(task, "macro average", None, None, counts.macro(), note=True))
            lines.append(_line(task, "all, by boundaries only", None, None, loose, note=True))
        return lines


def _line(
    task: str, name: str, gold: int | None, predicted: int | None, scores: Scores, **role: bool
) -> dict[str, Any]:
    measures = {measure: getattr(scores, measure) for measure in _MEASURES}
    return {"task": task, "name": name, "gold": gold, "predicted": predicted, **measures, **role}
