"""Offsets that count UTF-16 units, to offsets that count characters (code points).

Programs in Java and JavaScript count a character beyond U+FFFF, such as an emoji, as two. Which of
the two a file means is seen from its mentions behind such characters: from the words that the file
repeats, or from where words begin and end in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, handled
from joint_ner_re.corpora.mentions import fits
from joint_ner_re.messages import quote

OFFSETS = ("codepoints", "utf-16")
"""What the offsets of a file count: characters, or the units of UTF-16."""

_MAJORITY = 4
_WIDE = re.compile("[\U00010000-\U0010ffff]")
BY_MENTIONS = "files whose offsets count UTF-16 units, as their mentions show"
BY_STANDARD = "files whose offsets were read as UTF-16 units, as their format says"


class Utf16:
    """The places of a text as UTF-16 counts them."""

    def __init__(self, text: str) -> None:
        # Of the n-th wide character, its place plus the n units that those before it have more.
        places = [match.start() for match in _WIDE.finditer(text)] if _is_wide(text) else []
        self._units = [place + number for number, place in enumerate(places)]

    def codepoint(self, unit: int) -> int:
        """The character that this unit belongs to. Outside of the text, as many units away."""
        return unit - bisect_left(self._units, unit)

    def divides(self, unit: int) -> bool:
        """Whether the place lies between the two units of one character."""
        place = bisect_left(self._units, unit - 1)
        return place < len(self._units) and self._units[place] == unit - 1

    def unit(self, codepoint: int) -> int:
        """The unit with which this character begins."""
        wide = bisect_left(
            range(len(self._units)), codepoint, key=lambda number: self._units[number] - number
        )
        return codepoint + wide


class _Votes(NamedTuple):
    """How many mentions can be read in one way only."""

    codepoints: int
    utf16: int
    # Whether the file repeats the words of all mentions for which it matters: each is then looked
    # for, whatever the votes say.
    checked: bool

    def choice(self) -> str | None:
        """The way that the mentions show, if they do."""
        if self.checked:
            return "utf-16" if self.utf16 > self.codepoints else "codepoints"
        if self.utf16 > _MAJORITY * self.codepoints:
            return "utf-16"
        if self.codepoints > _MAJORITY * self.utf16:
            return "codepoints"
        return None


def check_offsets(offsets: str | None) -> None:
    """Raise a `ValueError` unless this is one of `OFFSETS`, or `None` to find it out."""
    if offsets is not None and offsets not in OFFSETS:
        raise ValueError(f"offsets is {offsets!r}; expected one of {', '.join(OFFSETS)}")


def in_codepoints(
    documents: Iterable[Document],
    offsets: str | None,
    changes: Counter[str],
    on_error: ErrorHandler | None,
    standard: str | None = None,
) -> Iterator[Document]:
    """The documents of one file with offsets that count characters.

    Where `offsets` is `None`, documents from the first one for which it matters are held until the
    file ends, and its mentions are counted that can be read in one way only.

    # Parameters

    documents : `Iterable[Document]`
        The documents as the file gives them.
    offsets : `str`, optional
        One of `OFFSETS`. `None` finds it out.
    changes : `Counter[str]`
        Counts what was changed, by what it was.
    on_error : `ErrorHandler`, optional
        Takes the error of a document or a mention, which is left out.
    standard : `str`, optional (default = `None`)
        What the format prescribes, where the mentions do not show it.

    # Raises

    `CorpusFormatError`
        If it matters and cannot be told, or an offset lies within a character.
    """
    if offsets is not None:
        for document in documents:
            yield _converted(document, offsets, changes, on_error)
        return
    held: list[Document] = []
    for document in documents:
        if held or _matters(document):
            held.append(document)
        else:
            yield document
    affected = [document for document in held if _matters(document)]
    votes = _votes(affected)
    choice = votes.choice()
    if affected and choice is None and standard is not None:
        choice = standard
        changes[BY_STANDARD] += 1
    elif choice == "utf-16":
        changes[BY_MENTIONS] += 1
    for document in held:
        if not _matters(document):
            yield document
        elif choice is not None:
            yield _converted(document, choice, changes, on_error)
        else:
            with handled(on_error):
                raise _untold(document, votes)


def _is_wide(text: str) -> bool:
    # Far cheaper than to look for such characters.
    return not text.isascii() and max(text) > "\uffff"


def _matters(document: Document) -> bool:
    """Whether the document means something else in either way of counting."""
    if not _is_wide(document.text):
        return False
    first = next(_WIDE.finditer(document.text)).start()
    return any(end > first for mention in document.mentions for _, end in _pieces(mention)) or any(
        place > first for place in document.breaks
    )


def _pieces(mention: Mention) -> Sequence[tuple[int, int]]:
    return mention.pieces or [(mention.begin, mention.end)]


def _votes(documents: Iterable[Document]) -> _Votes:
    """Counts the mentions that fit in one way only; those with words of their own go first."""
    by_words: Counter[str] = Counter()
    by_edges: Counter[str] = Counter()
    checked = True
    for document in documents:
        units = Utf16(document.text)
        for mention in document.mentions:
            other = _moved(mention, units)
            if _pieces(other) == _pieces(mention):
                continue
            checked = checked and mention.surface is not None
            votes = by_edges if mention.surface is None else by_words
            plain = _is_likely(document.text, mention)
            moved = _is_likely(document.text, other) and not _divides(mention, units)
            if plain != moved:
                votes["codepoints" if plain else "utf-16"] += 1
    votes = by_words or by_edges
    return _Votes(votes["codepoints"], votes["utf-16"], checked)


def _is_likely(text: str, mention: Mention) -> bool:
    """Whether the mention's words stand there; without words, whether it is whole words."""
    if not fits(text, mention):
        return False
    return mention.surface is not None or all(
        _is_edge(text, begin, begin) and _is_edge(text, end, end - 1)
        for begin, end in _pieces(mention)
    )


def _is_edge(text: str, place: int, inside: int) -> bool:
    """Whether no word goes on over this place, and what is inside is no white space."""
    if text[inside].isspace():
        return False
    return not (0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum())


def _divides(mention: Mention, units: Utf16) -> bool:
    return any(units.divides(place) for piece in _pieces(mention) for place in piece)


def _moved(mention: Mention, units: Utf16) -> Mention:
    spans = [(units.codepoint(begin), units.codepoint(end)) for begin, end in _pieces(mention)]
    return mention._replace(
        begin=units.codepoint(mention.begin),
        end=units.codepoint(mention.end),
        pieces=spans if mention.pieces else (),
    )


def _converted(
    document: Document, offsets: str, changes: Counter[str], on_error: ErrorHandler | None
) -> Document:
    if offsets == "codepoints" or not _is_wide(document.text):
        return document
    units = Utf16(document.text)
    mentions: list[Mention] = []
    # The places in `mentions` of those of the document that are kept.
    places: dict[int, int] = {}
    for index, mention in enumerate(document.mentions):
        with handled(on_error):
            if mention.surface is None and _divides(mention, units):
                raise CorpusFormatError(
                    document.path,
                    mention.line,
                    f"a mention of type {quote(mention.type, 40)} has the offsets {mention.begin} "
                    f"to {mention.end}, of which one lies within a character if they count UTF-16 "
                    "units; do they count characters (offsets: codepoints)?",
                )
            places[index] = len(mentions)
            mentions.append(_moved(mention, units))
    links: list[Link] = []
    for link in document.links:
        if link.head in places and link.tail in places:
            links.append(link._replace(head=places[link.head], tail=places[link.tail]))
        else:
            changes["relations of mentions that were left out"] += 1
    breaks = [units.codepoint(place) for place in document.breaks]
    return document._replace(mentions=mentions, links=links, breaks=breaks)


def _untold(document: Document, votes: _Votes) -> CorpusFormatError:
    first = next(_WIDE.finditer(document.text)).start()
    if votes[:2] == (0, 0):
        why = "its mentions fit the text in both ways or in neither"
    else:
        why = (
            f"{votes.codepoints} of the file's mentions fit only if they count characters, "
            f"{votes.utf16} only if they count UTF-16 units"
        )
    line = min((mention.line for mention in document.mentions), default=document.line)
    return CorpusFormatError(
        document.path,
        line,
        f"the text of {quote(document.id, 40)} has the character {document.text[first]!r}, which "
        f"UTF-16 counts as two, before a mention, and {why}: choose offsets: codepoints or "
        "offsets: utf-16 (Java and JavaScript count UTF-16 units)",
    )
