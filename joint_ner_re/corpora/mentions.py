"""Mentions as a document gives them, to mentions that are spans of its text.

A `Sentence` holds entities in one piece. Mentions in several pieces ("small and large bowel" holds
"small bowel") are left out, covered or divided, as the option `discontinuous` says. Where the file
repeats a mention's words, they must stand at its place, or close by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, handled
from joint_ner_re.corpora.text import Span
from joint_ner_re.messages import quote

DISCONTINUOUS = ("drop", "cover", "first", "split")
"""What becomes of a mention in pieces: it is left out; it covers the words between its pieces; its
first piece stands for it; or each piece is a mention of its own with all its relations."""

MAX_SHIFT = 20
"""How many characters from the place that the file gives a mention's words are looked for."""

MAX_SOUGHT = 1000
"""How many characters a mention may have that is looked for. Longer ones would take too long, and a
file of a stranger may hold millions."""

MAX_PIECES = 20
"""How many pieces a mention may have. Relations are multiplied by them, where they are split."""

_COUNTED = {
    "drop": "discontinuous mentions, left out",
    "cover": "discontinuous mentions, read with the words between the pieces",
    "first": "discontinuous mentions, of which the first piece was read",
    "split": "discontinuous mentions, read as one mention for each piece",
}


def in_one_piece(
    document: Document, discontinuous: str, changes: Counter[str], on_error: ErrorHandler | None
) -> Document:
    """The document with mentions in one piece, whose words stand at their places.

    # Parameters

    document : `Document`
        As it was read.
    discontinuous : `str`
        One of `DISCONTINUOUS`. A mention that is left out need not match the text.
    changes : `Counter[str]`
        Counts what was changed or left out, by what it was.
    on_error : `ErrorHandler`, optional
        Takes the error of a mention, which is left out with its relations.

    # Raises

    `CorpusFormatError`
        If a mention lies outside the text, or its words stand neither at its place nor near it.
    """
    mentions: list[Mention] = []
    # The places in `mentions` of what each mention of the document has become.
    places: list[Sequence[int]] = []
    for mention in document.mentions:
        spans: list[Span] = []
        with handled(on_error):
            spans = _spans(document, mention, discontinuous, changes)
        places.append(range(len(mentions), len(mentions) + len(spans)))
        mentions += [mention._replace(begin=b, end=e, pieces=(), surface=None) for b, e in spans]
    links: list[Link] = []
    for link in document.links:
        heads, tails = places[link.head], places[link.tail]
        if not heads or not tails:
            changes["relations of mentions that were left out"] += 1
        elif link.head == link.tail:
            # An error, which is raised where relations are looked at.
            links.append(link._replace(head=heads[0], tail=heads[0]))
        else:
            links += [link._replace(head=head, tail=tail) for head in heads for tail in tails]
    return document._replace(mentions=mentions, links=links)


def fits(text: str, mention: Mention) -> bool:
    """Whether the mention lies inside the text, and its words, if the file has them, are there."""
    pieces = _pieces(mention)
    if not all(0 <= begin < end <= len(text) for begin, end in pieces):
        return False
    if mention.surface is None:
        return True
    # White space does not count: brat writes the end of a line as a space, TAC leaves out blanks,
    # and DDI joins the pieces of "alpha- or beta-adrenergic" without one.
    return _letters("".join(text[begin:end] for begin, end in pieces)) == _letters(mention.surface)


def _letters(text: str) -> str:
    return "".join(text.split())


def _pieces(mention: Mention) -> Sequence[Span]:
    return mention.pieces or [(mention.begin, mention.end)]


def _spans(
    document: Document, mention: Mention, discontinuous: str, changes: Counter[str]
) -> list[Span]:
    """Where the mentions stand that this one becomes; none if it is left out."""
    runs = _runs(document.text, _pieces(mention))
    apart = len(runs) > 1
    if apart:
        if len(runs) > MAX_PIECES:
            raise CorpusFormatError(
                document.path,
                mention.line,
                f"a mention of {len(runs)} pieces; expected at most {MAX_PIECES}",
            )
        changes[_COUNTED[discontinuous]] += 1
        if discontinuous == "drop":
            return []
    if mention.surface is None or fits(document.text, mention):
        return _chosen(runs, discontinuous)
    moved = None if apart else _near(document.text, mention.surface, runs[0][0])
    if moved is None:
        raise _not_there(document, mention)
    changes["mentions at a wrong place, found again near it"] += 1
    return [moved]


def _runs(text: str, pieces: Iterable[Span]) -> list[Span]:
    """The pieces in the text's order; those with nothing but white space between are one."""
    runs: list[Span] = []
    for begin, end in sorted(pieces):
        if runs and not text[max(runs[-1][1], 0) : max(begin, 0)].strip():
            runs[-1] = (runs[-1][0], max(runs[-1][1], end))
        else:
            runs.append((begin, end))
    return runs


def _chosen(runs: list[Span], discontinuous: str) -> list[Span]:
    if discontinuous == "split":
        return runs
    if discontinuous == "first":
        return runs[:1]
    return [(runs[0][0], runs[-1][1])]


def _near(text: str, surface: str, place: int) -> Span | None:
    """Where the words stand that is nearest to the place; `None` if nowhere near, or twice."""
    words = surface.split() if len(surface) <= MAX_SOUGHT else []
    if not words:
        return None
    pattern = r"(?<!\w)" if words[0][0].isalnum() else ""
    pattern += r"\s+".join(map(re.escape, words))
    pattern += r"(?!\w)" if words[-1][-1].isalnum() else ""
    # A window, because a search through the whole text for each mention would take too long.
    begin = max(0, place - MAX_SHIFT)
    end = max(0, place + MAX_SHIFT + 1) + 2 * len(surface)
    found = [match.span() for match in re.compile(pattern).finditer(text, begin, end)]
    found = [span for span in found if abs(span[0] - place) <= MAX_SHIFT]
    distances = sorted(abs(b - place) for b, _ in found)
    if not found or distances[:1] == distances[1:2]:
        return None
    return min(found, key=lambda span: abs(span[0] - place))


def _not_there(document: Document, mention: Mention) -> CorpusFormatError:
    pieces = _pieces(mention)
    places = ";".join(f"{begin} {end}" for begin, end in pieces)
    found = " ".join(document.text[max(b, 0) : max(e, 0)] for b, e in pieces)
    return CorpusFormatError(
        document.path,
        mention.line,
        f"the mention {quote(mention.surface or '')} has the offsets "
        f"{quote(places)[1:-1]}, where the text has {quote(found)}; was the text changed "
        "after it was annotated?",
    )
