"""The text of a document in WebAnno TSV, put together from its sentences and tokens.

The words of the tokens say where they stand; their offsets say how much space is between
sentences, and where the parts of tokens are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.offsets import BY_MENTIONS, Utf16
from joint_ner_re.corpora.text import Span
from joint_ner_re.messages import quote

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
# More is no space between two sentences, but an error or an attack.
_MAX_GAP = 1000


@dataclass
class Row:
    """A token or a part of one, with its cells; `span` is where it stands in the document."""

    line: int
    unit: str
    begin: int
    end: int
    form: str
    cells: list[str]
    parts: list[Row] = field(default_factory=list)
    span: Span = (0, 0)


@dataclass
class TokenSentence:
    """A sentence with its tokens."""

    line: int
    text: str
    rows: list[Row] = field(default_factory=list)
    # Where the rows begin in the text.
    places: list[int] = field(default_factory=list)


def unescape(text: str) -> str:
    """A value or a text without the backslashes before characters that mean something."""
    return re.sub(
        r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(1)), text, flags=re.DOTALL
    )


def align(path: PathLike, sentence: TokenSentence) -> None:
    """Find the tokens in the sentence's text, one after the other.

    # Raises

    `CorpusFormatError`
        If there is something else than white space between two, or one is missing.
    """
    wrong = None
    # Some versions escape characters in texts, some do not.
    for decode in (unescape, str):
        text = decode(sentence.text)
        places: list[int] = []
        cursor = 0
        for row in sentence.rows:
            form = decode(row.form)
            place = _skip_space(text, cursor)
            if not form.strip() or not text.startswith(form, place):
                break
            places.append(place)
            cursor = place + len(form)
        if len(places) == len(sentence.rows) and _skip_space(text, cursor) == len(text):
            sentence.text, sentence.places = text, places
            for row in sentence.rows:
                row.form = decode(row.form)
                for part in row.parts:
                    part.form = decode(part.form)
            return
        wrong = wrong or (len(places), text[_skip_space(text, cursor) :])
    assert wrong is not None
    number, rest = wrong
    if number < len(sentence.rows):
        row = sentence.rows[number]
        raise CorpusFormatError(
            path,
            row.line,
            f"the token {quote(row.form, 40)} does not follow in the sentence's text, which has "
            f"{quote(rest, 40)} there",
        )
    raise CorpusFormatError(
        path,
        sentence.rows[-1].line if sentence.rows else sentence.line,
        f"the tokens of a sentence end before its text, which goes on with {quote(rest, 40)}; is "
        "the file complete?",
    )


def _skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


class Assembly:
    """Puts the sentences together to a document, and gives each row its place in it."""

    def __init__(
        self,
        path: PathLike,
        sentences: Sequence[TokenSentence],
        offsets: str | None,
        changes: Counter[str],
    ) -> None:
        self._path = path
        self._sentences = sentences
        self._changes = changes
        self._units = [Utf16(sentence.text) for sentence in sentences]
        fitting = {way: self._fitting(way) for way in ("utf-16", "codepoints")}
        if offsets is None and fitting["utf-16"] > fitting["codepoints"]:
            changes[BY_MENTIONS] += 1
        best = "codepoints" if fitting["codepoints"] > fitting["utf-16"] else "utf-16"
        self._way = offsets or best
        count = sum(len(sentence.rows) for sentence in sentences)
        if count > fitting[self._way]:
            changes["tokens with wrong offsets, whose words were found in the sentence"] += (
                count - fitting[self._way]
            )

    def _place(self, number: int, way: str, place: int) -> int:
        """A place in the text of a sentence, counted in this way."""
        return self._units[number].unit(place) if way == "utf-16" else place

    def _begin(self, number: int, way: str) -> int:
        """Where a sentence begins in the document, as its first token says."""
        sentence = self._sentences[number]
        return sentence.rows[0].begin - self._place(number, way, sentence.places[0])

    def _fitting(self, way: str) -> int:
        """How many tokens have the right offsets in this way of counting."""
        count = 0
        for number, sentence in enumerate(self._sentences):
            for row, place in zip(sentence.rows, sentence.places):
                base = self._begin(number, way)
                ends = (
                    base + self._place(number, way, place),
                    base + self._place(number, way, place + len(row.form)),
                )
                count += ends == (row.begin, row.end)
        return count

    def assemble(self) -> tuple[str, list[int]]:
        """The document's text, and where its sentences begin.

        # Raises

        `CorpusFormatError`
            If a part of a token is not in the token.
        """
        texts: list[str] = []
        breaks: list[int] = []
        length = end = 0
        for number, sentence in enumerate(self._sentences):
            gap = self._gap(number, end, not texts)
            texts.append(gap)
            length += len(gap)
            breaks.append(length)
            for row, place in zip(sentence.rows, sentence.places):
                self._put(row, length + place)
            texts.append(sentence.text)
            length += len(sentence.text)
            if sentence.rows:
                size = self._place(number, self._way, len(sentence.text))
                end = self._begin(number, self._way) + size
        return "".join(texts), breaks

    def _gap(self, number: int, end: int, first: bool) -> str:
        """The space before a sentence; as much as the offsets say, if that can be."""
        if not self._sentences[number].rows:
            return "" if first else "\n"
        gap = self._begin(number, self._way) - end
        if not 0 <= gap <= _MAX_GAP:
            self._changes["sentences whose offsets leave no space for them, moved"] += 1
            return "" if first else "\n"
        return " " * gap if first else " " * (gap - 1) + "\n" * (gap > 0)

    def _put(self, row: Row, begin: int) -> None:
        row.span = (begin, begin + len(row.form))
        units = Utf16(row.form)
        for part in row.parts:
            found = [(part.begin - row.begin, part.end - row.begin)]
            codepoints = (units.codepoint(found[0][0]), units.codepoint(found[0][1]))
            found.insert(0 if self._way == "utf-16" else 1, codepoints)
            fitting = [
                (b, e) for b, e in found if 0 <= b <= e <= len(row.form) and
                row.form[b:e] == part.form
            ]  # fmt: skip
            if not fitting and part.form and row.form.count(part.form) == 1:
                place = row.form.index(part.form)
                fitting = [(place, place + len(part.form))]
                self._changes["mentions at a wrong place, found again near it"] += 1
            if not fitting:
                raise CorpusFormatError(
                    self._path,
                    part.line,
                    f"{quote(part.form, 40)} is not at {part.begin} to {part.end}, in the token "
                    f"{quote(row.form, 40)} at {row.begin} to {row.end}",
                )
            part.span = (begin + fitting[0][0], begin + fitting[0][1])
