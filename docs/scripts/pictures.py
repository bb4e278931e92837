"""Draws the pictures of docs/concepts.md: `python docs/scripts/pictures.py`.

The pictures call the package's code where they show what it does: which tag may follow which, and
where windows begin and end. A test checks that the files in docs/images are up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from joint_ner_re.pretrained.embedder import _windows
from joint_ner_re.sentence import Entity
from joint_ner_re.tag_codec import TagCodec

PICTURES = Path(__file__).parents[1] / "images"

INK, SOFT, LINE, PAPER = "#1f2933", "#667380", "#9aa5b1", "#ffffff"
# Fill and edge of shared, NER-specific and RE-specific parts, of the input, and of all else.
SHARED = ("#e4e7eb", "#52606d")
NER = ("#d6e9f8", "#0072b2")
RELATION = ("#fdebc8", "#b87700")
INPUT = ("#d9f2e6", "#00795a")
PLAIN = ("#ffffff", "#9aa5b1")
Point = tuple[float, float]


class Drawing:
    """An SVG picture. Later elements cover earlier ones.

    # Parameters

    width, height : `int`
        In points.
    title : `str`
        What the picture shows, for screen readers.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts: list[str] = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" '
            'font-family="system-ui, Helvetica, Arial, sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>',
        ]

    def box(
        self, x: float, y: float, width: float, height: float, colours: Sequence[str],
        text: str = "", size: int = 13, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A box with centred text, whose lines are separated by `\\n`."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" '
            f'fill="{colours[0]}" stroke="{colours[1]}" stroke-width="1.4"{dash}/>'
        )
        lines = text.split("\n") if text else []
        for number, line in enumerate(lines):
            shift = (number - (len(lines) - 1) / 2) * size * 1.35
            self.text(x + width / 2, y + height / 2 + shift + size * 0.36, line, size)

    def text(
        self, x: float, y: float, text: str, size: int = 13, anchor: str = "middle",
        colour: str = INK, bold: bool = False, code: bool = False,
    ) -> None:  # fmt: skip
        """One line of text with its base line at `y`."""
        extra = ' font-weight="600"' if bold else ""
        extra += ' font-family="ui-monospace, Menlo, Consolas, monospace"' if code else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}"{extra}>{_with_subscripts(text)}</text>'
        )

    def line(
        self, points: Sequence[Point], colour: str = SOFT, width: float = 1.4, arrow: bool = True
    ) -> None:
        """A line through points. An arrow has a head at its end."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>'
        )
        if arrow:
            (from_x, from_y), (x, y) = points[-2:]
            length = ((x - from_x) ** 2 + (y - from_y) ** 2) ** 0.5
            ahead_x, ahead_y = (x - from_x) / length, (y - from_y) / length
            left = (x - 8 * ahead_x - 4 * ahead_y, y - 8 * ahead_y + 4 * ahead_x)
            right = (x - 8 * ahead_x + 4 * ahead_y, y - 8 * ahead_y - 4 * ahead_x)
            head = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), left, right))
            self._parts.append(f'<polygon points="{head}" fill="{colour}"/>')

    def circle(self, x: float, y: float, radius: float, colours: Sequence[str]) -> None:
        """A circle around a point."""
        self._parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colours[0]}" '
            f'stroke="{colours[1]}" stroke-width="1.4"/>'
        )

    def svg(self) -> str:
        """The content of the file."""
        return "\n".join([*self._parts, "</svg>", ""])


def _with_subscripts(text: str) -> str:
    """The text with the character after each `~` as a subscript."""
    low = r'<tspan dy="4" font-size="75%">\1</tspan><tspan dy="-4">&#8203;</tspan>'
    return re.sub(r"~(\w)", low, escape(text))


def architecture() -> Drawing:
    """From tokens to entities and relations."""
    drawing = Drawing(
        760,
        620,
        "The model: vectors, shared layers, task-specific layers, CRF and pair scorer",
    )
    words = ["Jon", "Pell", "shot", "Mayor", "Iva", "Sund", "."]
    for number, word in enumerate(words):
        x = 40 + 68 * number
        drawing.box(x, 566, 58, 30, PLAIN, word)
        drawing.line([(x + 29, 566), (x + 29, 546)])
    drawing.box(40, 496, 466, 48, INPUT)
    for number, name in enumerate(["word vector", "characters", "casing", "contextual"]):
        dashed = name == "contextual"
        drawing.box(50 + 113 * number, 504, 107, 32, (PAPER, INPUT[1]), name, 12, dashed)
    drawing.line([(273, 496), (273, 470)])
    drawing.box(40, 424, 466, 44, SHARED, "shared BiRNN layer")
    drawing.line([(273, 424), (273, 402), (148, 402), (148, 378)])
    drawing.line([(273, 424), (273, 402), (398, 402), (398, 378)])
    drawing.box(40, 334, 216, 42, NER, "NER BiRNN layer")
    drawing.box(290, 334, 216, 42, RELATION, "RE BiRNN layer")
    drawing.line([(398, 334), (398, 312)])
    drawing.box(290, 268, 216, 42, RELATION, "RE BiRNN layer")
    drawing.line([(148, 334), (148, 246)])
    drawing.box(40, 202, 216, 42, NER, "tag scorer")
    drawing.line([(148, 202), (148, 176)])
    drawing.box(40, 132, 216, 42, NER, "CRF")
    drawing.line([(398, 268), (398, 176)])
    drawing.box(290, 132, 216, 42, RELATION, "pair scorer")
    drawing.line([(256, 153), (288, 153)], NER[1], 1.8)
    drawing.line([(148, 132), (148, 106)])
    drawing.line([(398, 132), (398, 106)])
    drawing.box(40, 30, 216, 74, (PAPER, NER[1]), "Peop: Jon Pell\nPeop: Mayor Iva Sund", 13)
    drawing.box(290, 30, 216, 74, (PAPER, RELATION[1]), "Kill: Jon Pell\n→ Mayor Iva Sund", 13)
    for y, *lines in (
        (516, "a vector for each token", "(dashed: if configured)"),
        (442, "layers that both tasks share:", "here 1"),
        (318, "task-specific layers:", "here 1 for NER and 2 for RE"),
        (150, "the pair scorer gets the CRF's", "entities and their tags"),
        (70, "each with a probability"),
    ):
        for number, line in enumerate(lines):
            drawing.text(530, y + 17 * number, line, 12, "start", SOFT)
    return drawing


ALLOCATIONS: dict[tuple[int, int, int], str] = {
    (1, 1, 2): "as reported for CoNLL04",
    (0, 1, 2): "only the vectors are shared",
    (4, 0, 0): "no task-specific layers",
}


def allocations() -> Drawing:
    """The model with three other allocations of layers."""
    drawing = Drawing(760, 400, "Three allocations of layers: (1, 1, 2), (0, 1, 2) and (4, 0, 0)")
    for column, ((shared, ner, relation), what) in enumerate(ALLOCATIONS.items()):
        left = 24 + 246 * column
        middle = left + 110
        drawing.text(middle, 34, f"({shared}, {ner}, {relation})", 17, bold=True)
        drawing.text(middle, 54, what, 12, colour=SOFT)
        drawing.box(left, 352, 220, 28, INPUT, "vectors", 12)
        top = 352.0
        for _ in range(shared):
            drawing.line([(middle, top), (middle, top - 16)])
            top -= 46
            drawing.box(left, top, 220, 30, SHARED, "shared", 12)
        for x, depth, colours, name, head in (
            (left, ner, NER, "NER", "CRF"),
            (left + 116, relation, RELATION, "RE", "pairs"),
        ):
            own = top
            for _ in range(depth):
                drawing.line([(x + 52, own), (x + 52, own - 16)])
                own -= 46
                drawing.box(x, own, 104, 30, colours, name, 12)
            drawing.line([(x + 52, own), (x + 52, 114)])
            drawing.box(x, 84, 104, 28, (PAPER, colours[1]), head, 12)
    return drawing


def pair() -> Drawing:
    """From two entities to the scores of the relations between them."""
    drawing = Drawing(760, 540, "How an entity and a pair of entities are represented and scored")
    words = ["Jon", "Pell", "shot", "Mayor", "Iva", "Sund"]
    tags = ["B-Peop", "L-Peop", "O", "B-Peop", "I-Peop", "L-Peop"]
    lasts = {1: "i", 5: "j"}
    for number, (word, tag) in enumerate(zip(words, tags)):
        x = 80 + 102 * number
        drawing.box(x, 490, 92, 30, PLAIN, word)
        drawing.text(x + 46, 482, tag, 12, colour=NER[1], code=True)
        last = number in lasts
        colours = RELATION if last else (PAPER, LINE)
        drawing.box(x, 432, 92, 32, colours, "state h", 12)
    drawing.text(38, 446, "RE", 12, colour=SOFT)
    drawing.text(38, 461, "layers", 12, colour=SOFT)
    drawing.text(38, 510, "tokens", 12, colour=SOFT)
    for number, name in lasts.items():
        middle = 80 + 102 * number + 46
        left = middle - (80 if name == "i" else 150)
        drawing.line([(middle, 432), (middle, 404), (left + 60, 404), (left + 60, 384)])
        drawing.box(left, 350, 120, 32, RELATION, "h of last token", 12)
        drawing.box(left + 124, 350, 96, 32, NER, "its tag", 12)
        drawing.text(left + 232, 371, f"g~{name}", 15, "start", bold=True)
        drawing.line([(left + 110, 350), (left + 110, 318)])
        drawing.box(left + 40, 284, 140, 32, RELATION, f"relu(W~1 g~{name})", 12)
        drawing.text(left + 192, 305, f"f~{name}", 15, "start", bold=True)
    features = [
        ("f~i", RELATION, 120), ("f~j", RELATION, 120), ("cos(f~i, f~j)", PLAIN, 120),
        ("g~i · diag(m~k) · g~j for each type k", PLAIN, 250),
    ]  # fmt: skip
    x = 68.0
    for name, colours, width in features:
        drawing.box(x, 194, width, 34, colours, name, 12)
        x += width + 6
    drawing.line([(212, 284), (212, 262), (548, 262), (548, 284)], LINE, arrow=False)
    drawing.line([(380, 262), (380, 230)])
    drawing.line([(380, 194), (380, 168)])
    drawing.box(250, 134, 260, 32, RELATION, "W~2, then a sigmoid for each type", 12)
    drawing.line([(380, 134), (380, 108)])
    for number, name in enumerate(["Kill", "Live_In", "Located_In", "Work_For"]):
        chosen = number == 0
        text = f"{name} {'≥' if chosen else '<'} threshold"
        drawing.box(60 + 162 * number, 74, 154, 32, RELATION if chosen else PLAIN, text, 12)
    drawing.text(380, 48, "Predicted: Kill, from i (Jon Pell) to j (Mayor Iva Sund)", 13)
    drawing.text(380, 28, "The pair (j, i) has scores of its own.", 12, colour=SOFT)
    return drawing


def crf() -> Drawing:
    """All well-formed tag sequences of a sentence, and the best one."""
    words = ["Witnesses", "said", "Jon", "Pell", "shot", "Mayor", "Iva", "Sund"]
    codec = TagCodec(["Peop"], "BIOUL")
    best = codec.encode([Entity("Peop", 2, 4), Entity("Peop", 5, 8)], len(words))
    drawing = Drawing(760, 390, "The CRF: well-formed tag sequences over a sentence, and the best")
    column, row = 82, 54
    order = ["O", "U-Peop", "B-Peop", "I-Peop", "L-Peop"]

    def at(position: int, tag: str) -> Point:
        return 120 + column * position, 66 + row * order.index(tag)

    for tag in order:
        drawing.text(84, at(0, tag)[1] + 4, tag, 13, "end", code=True)
    for position in range(len(words) - 1):
        for before in order:
            for tag in order:
                possible = (position or codec.may_start(before)) and codec.may_follow(before, tag)
                possible = possible and (position + 2 < len(words) or codec.may_end(tag))
                if possible:
                    drawing.line([at(position, before), at(position + 1, tag)], "#cbd2d9", 1, False)
    points = [at(position, tag) for position, tag in enumerate(best)]
    drawing.line(points, NER[1], 3.5, arrow=False)
    for position, word in enumerate(words):
        for tag in order:
            impossible = (position == 0 and not codec.may_start(tag)) or (
                position == len(words) - 1 and not codec.may_end(tag)
            )
            if not impossible:
                chosen = best[position] == tag
                drawing.circle(*at(position, tag), 9, NER if chosen else PLAIN)
        x = at(position, "O")[0]
        drawing.text(x, 330, word, 13)
    for first, last, name in ((2, 3, "Peop"), (5, 7, "Peop")):
        left, right = at(first, "O")[0] - 34, at(last, "O")[0] + 34
        drawing.line([(left, 342), (left, 350), (right, 350), (right, 342)], NER[1], 1.8, False)
        drawing.text((left + right) / 2, 370, name, 13, colour=NER[1], bold=True)
    drawing.text(407, 30, "Every path along the grey lines is a well-formed tag sequence", 13)
    return drawing


def windows() -> Drawing:
    """How an encoder with a limited length reads a long sentence."""
    length, size = 24, 10
    found = _windows(length, size)
    drawing = Drawing(760, 110 + 46 * len(found), "Overlapping windows over a long sentence")
    unit, left = 25, 120

    def x(piece: int) -> int:
        return left + unit * piece

    drawing.text(left - 12, 54, "24 pieces", 12, "end", SOFT)
    for piece in range(length):
        drawing.box(x(piece), 38, unit - 3, 24, PLAIN, str(piece + 1), 11)
    for number, (begin, end, first, last) in enumerate(found):
        y = 82 + 46 * number
        drawing.text(left - 12, y + 20, f"window {number + 1}", 12, "end", SOFT)
        drawing.box(x(begin), y, unit * (end - begin) - 3, 30, (PAPER, INPUT[1]), dashed=True)
        drawing.box(x(first), y, unit * (last - first) - 3, 30, INPUT, "used", 12)
    drawing.text(
        x(12), 100 + 46 * len(found),
        f"Each window reads {size} pieces. Pieces in the dashed areas take their vectors from "
        "another window.", 12, colour=SOFT,
    )  # fmt: skip
    return drawing


def drawings() -> dict[str, str]:
    """The content of each file in docs/images, by its name."""
    made = (architecture, allocations, pair, crf, windows)
    return {f"{make.__name__}.svg": make().svg() for make in made}


if __name__ == "__main__":
    for name, text in drawings().items():
        (PICTURES / name).write_text(text, encoding="utf-8")
        print(PICTURES.joinpath(name).relative_to(Path.cwd()), file=sys.stderr)
