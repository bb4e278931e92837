"""PubTator's text format: title, abstract, mentions, and relations between concepts.

    10000001|t|Nervelin relieves numbness.
    10000001|a|Patients took it for a week.
    10000001	0	8	Nervelin	Chemical	D000001
    10000001	18	26	numbness	Disease	D000002
    10000001	Treats	D000001	D000002

Positions count the characters of title and abstract with one character between them. Relations are
between the ids in the sixth column, not between mentions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from joint_ner_re.corpora.annotations import ConceptLink, Document, Mention
from joint_ner_re.corpora.documents import DocumentTokenizer, log_changes, parsed, sentences_of
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
)
from joint_ner_re.corpora.files import Line, parse_int, read_lines
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

_TEXT = re.compile(r"([^|\t\s]+)\|([ta])\|(.*)")
# What stands where a mention has no concept.
_NO_CONCEPT = {"", "-", "-1", "None"}


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line that holds something is a title."""
    line = next((line for line in first_lines if line.strip()), "")
    match = _TEXT.fullmatch(line)
    return match is not None and match.group(2) == "t"


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    concept_relations: str = "nearest",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read PubTator's text format, as BC5CDR and BioRED have it and PubTator exports it.

    # Parameters

    path : `str`
        The file.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits title and abstract.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences (with ids such as `10000001:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    concept_relations : `str`, optional (default = `"nearest"`)
        Which mentions of two related concepts are related: `"nearest"`, `"sentence"` or `"all"`;
        see `concepts.CONCEPT_RELATIONS`.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the line or the annotation is passed over.

    # Raises

    `CorpusFormatError`
        If a line is malformed, or a mention is not where it is said to be.
    """
    changes: Counter[str] = Counter()
    yield from sentences_of(
        documents(path, on_error),
        tokenizer,
        unit,
        changes,
        on_error,
        concept_relations=concept_relations,
    )
    log_changes(path, changes)


def documents(path: PathLike, on_error: ErrorHandler | None = None) -> Iterator[Document]:
    """The documents of such a file, with their concepts.

    # Raises

    `CorpusFormatError`
        If a line is malformed.
    """
    return parsed(
        ((lines,) for lines in _blocks(read_lines(path))),
        lambda lines: _document(path, lines, on_error),
        on_error,
    )


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines of each document: a title begins one, whether or not a blank line precedes it."""
    number = 0

    def block(line: Line) -> int:
        nonlocal number
        match = _TEXT.fullmatch(line[1])
        number += bool(match and match.group(2) == "t")
        return number

    for _, group in groupby((line for line in lines if line[1].strip()), block):
        yield list(group)


def _document(path: PathLike, lines: Sequence[Line], on_error: ErrorHandler | None) -> Document:
    (first, head), rest = lines[0], list(lines[1:])
    match = _TEXT.fullmatch(head)
    if match is None or match.group(2) != "t":
        raise _malformed(path, first, head, "a title such as '10000001|t|Text'")
    name, _, title = match.groups()
    text, breaks = title, [0]
    following = _TEXT.fullmatch(rest[0][1]) if rest else None
    if following is not None:
        # One character stands between the two, whatever it is.
        text, breaks = f"{title}\n{following.group(3)}", [0, len(title) + 1]
        _check_id(path, rest[0], name, following.group(1))
        del rest[0]
    mentions: list[Mention] = []
    links: list[ConceptLink] = []
    for number, line in rest:
        with handled(on_error):
            columns = line.split("\t")
            _check_id(path, (number, line), name, columns[0])
            if len(columns) >= 5 and columns[1].isdigit():
                mentions.append(_mention(path, number, columns))
            elif len(columns) in (4, 5) and all(columns[1:4]) and not columns[1].isdigit():
                links.append(ConceptLink(number, *columns[1:4]))
            else:
                raise _malformed(
                    path,
                    number,
                    line,
                    "ID<tab>BEGIN<tab>END<tab>WORDS<tab>TYPE<tab>CONCEPT or "
                    "ID<tab>TYPE<tab>CONCEPT<tab>CONCEPT",
                )
    return Document(path, first, name, text, mentions, [], links, breaks)


def _mention(path: PathLike, number: int, columns: Sequence[str]) -> Mention:
    begin, end = (
        parse_int(path, number, column, what)
        for column, what in zip(columns[1:3], ("the begin of a mention", "the end of a mention"))
    )
    concept = columns[5].strip() if len(columns) > 5 else ""
    concepts = () if concept in _NO_CONCEPT else (concept,)
    return Mention(number, columns[4], begin, end, surface=columns[3], concepts=concepts)


def _check_id(path: PathLike, line: Line, name: str, found: str) -> None:
    if found != name:
        raise CorpusFormatError(
            path,
            line[0],
            f"a line with the id {quote(found, 40)} in the document {quote(name, 40)}; "
            "expected its title first",
        )


def _malformed(path: PathLike, number: int, line: str, expected: str) -> CorpusFormatError:
    return CorpusFormatError(path, number, f"expected {expected}; found {quote(line)}")
