"""What annotation tools export: documents, the mentions in them and the relations between these.

Positions count the characters of the document's text, in code points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.text import Span


class Mention(NamedTuple):
    """A typed span of a document's text.

    # Parameters

    line : `int`
        The line where the file gives it.
    type : `str`
        Its type.
    begin, end : `int`
        Its first character, and the one after its last.
    score : `float`, optional (default = `None`)
        A prediction's probability.
    pieces : `Sequence[tuple[int, int]]`, optional (default = `()`)
        The pieces of a mention whose words need not stand together, in the file's order. Empty
        for a mention in one piece.
    surface : `str`, optional (default = `None`)
        The mention's words as the file repeats them, pieces separated by a blank.
    concepts : `Sequence[str]`, optional (default = `()`)
        The ids of the concept that it names, to which the document's `ConceptLink`s refer.
    """

    line: int
    type: str
    begin: int
    end: int
    score: float | None = None
    pieces: Sequence[Span] = ()
    surface: str | None = None
    concepts: Sequence[str] = ()


class Link(NamedTuple):
    """A relation between two mentions of a document, by their positions in its list."""

    line: int
    type: str
    head: int
    tail: int
    score: float | None = None


class ConceptLink(NamedTuple):
    """A relation of the whole document, between two concepts by their ids."""

    line: int
    type: str
    head: str
    tail: str


class Document(NamedTuple):
    """A text with its annotations.

    # Parameters

    path : `str`
        The file.
    line : `int`
        The line where the document begins.
    id : `str`
        Its name.
    text : `str`
        Its text.
    mentions : `Sequence[Mention]`
        Its mentions.
    links : `Sequence[Link]`
        The relations between them.
    concept_links : `Sequence[ConceptLink]`, optional (default = `()`)
        The relations between concepts.
    breaks : `Sequence[int]`, optional (default = `()`)
        Characters with which a sentence begins because the file says so.
    sentences_given : `bool`, optional (default = `False`)
        Whether `breaks` are all the sentences; otherwise these are split further.
    """

    path: PathLike
    line: int
    id: str
    text: str
    mentions: Sequence[Mention]
    links: Sequence[Link]
    concept_links: Sequence[ConceptLink] = ()
    breaks: Sequence[int] = ()
    sentences_given: bool = False
