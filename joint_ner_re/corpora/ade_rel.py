"""DRUG-AE.rel: one line per relation, so a sentence is repeated for each of its relations.

The offsets count from the start of the document, which is not in the corpus. One shift per
sentence maps them to the sentence: the shift for which every mention has its own text.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located
from joint_ner_re.corpora.files import columns, parse_int, read_rows
from joint_ner_re.corpora.text import (
    Span,
    Tokenizer,
    check_length,
    covering,
    tokenized,
    words,
)
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

ADE_TYPES = ("Adverse-Effect", "Drug")

_COLUMNS = "PubMed id, sentence, mention, begin, end, drug, begin, end"


class _Mention(NamedTuple):
    text: str
    begin: int
    end: int


class _Row(NamedTuple):
    line: int
    head: _Mention
    tail: _Mention


class _Group(NamedTuple):
    pubmed: str
    text: str
    rows: list[_Row]


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line has eight columns separated by `|`, the first of them a number."""
    found = first_lines[0].split("|")
    return len(found) == 8 and found[0].isdigit()


def read(
    path: PathLike,
    *,
    tokenizer: Tokenizer | None = None,
    types: tuple[str, str] = ADE_TYPES,
) -> Iterator[Sentence]:
    """Read DRUG-AE.rel or DRUG-DOSE.rel, which has the same columns.

    Lines with the same PubMed id and text are one sentence. Its `id` is its index in order of
    first appearance, which the published folds and SpERT's `orig_id` use.

    # Parameters

    path : `str`
        The file.
    tokenizer : `Tokenizer`, optional (default = `TextTokenizer(granularity="fine")`)
        Splits the sentences. Mentions that are not whole tokens are widened to whole tokens.
    types : `tuple[str, str]`, optional (default = `("Adverse-Effect", "Drug")`)
        The two entity types in the order of the columns. The first is also the type of the
        relation from the first mention to the second. Use `("Dose", "Drug")` for DRUG-DOSE.rel.

    # Raises

    `CorpusFormatError`
        If a line is malformed, or no shift of a sentence fits all its mentions.
    `ValueError`
        If `types` is not a pair of two different names.
    """
    if (
        not isinstance(types, (tuple, list))
        or len(set(types)) != 2
        or not all(isinstance(name, str) and name for name in types)
    ):
        raise ValueError(f"types is {types!r}; expected two different names")
    return _read(path, tokenizer, (types[0], types[1]))


def abstracts(path: PathLike) -> dict[str, str]:
    """The PubMed id of each sentence's abstract, by the sentence's `id`.

    # Raises

    `CorpusFormatError`
        As `read`.
    """
    return {str(index): group.pubmed for index, group in enumerate(_read_groups(path))}


def _read(
    path: PathLike, tokenizer: Tokenizer | None, types: tuple[str, str]
) -> Iterator[Sentence]:
    groups = _read_groups(path)
    changes: Counter = Counter()
    for index, (group, offsets) in enumerate(tokenized(groups, lambda g: g.text, tokenizer)):
        yield _sentence(path, str(index), group, offsets, types, changes)
    for what, count in sorted(changes.items()):
        logger.warning("%s: %s: %d", path, what, count)


def _read_groups(path: PathLike) -> list[_Group]:
    # The rows of a sentence are adjacent in the published file, but need not be.
    groups: dict[tuple[str, str], _Group] = {}
    for number, line in read_rows(path):
        pubmed, text, first, begin1, end1, drug, begin2, end2 = columns(
            path, number, line, "|", _COLUMNS
        )
        parse_int(path, number, pubmed, "the PubMed id")
        if not text.strip():
            raise CorpusFormatError(path, number, "the sentence is empty")
        check_length(path, number, text)
        row = _Row(
            number,
            _mention(path, number, first, begin1, end1),
            _mention(path, number, drug, begin2, end2),
        )
        groups.setdefault((pubmed, text), _Group(pubmed, text, [])).rows.append(row)
    return list(groups.values())


def _mention(path: PathLike, number: int, text: str, begin_text: str, end_text: str) -> _Mention:
    begin = parse_int(path, number, begin_text, f"the begin of {quote(text, 40)}")
    end = parse_int(path, number, end_text, f"the end of {quote(text, 40)}")
    if not text.strip():
        raise CorpusFormatError(path, number, "a mention is empty; expected its text")
    if end - begin != len(text):
        raise CorpusFormatError(
            path,
            number,
            f"the mention {quote(text)} has {len(text)} characters, but its offsets {begin} to "
            f"{end} span {end - begin}",
        )
    return _Mention(text, begin, end)


def _sentence(
    path: PathLike,
    name: str,
    group: _Group,
    offsets: Sequence[Span],
    types: tuple[str, str],
    changes: Counter,
) -> Sentence:
    line = group.rows[0].line
    base = _base(path, group, changes)
    spans: dict[_Mention, Span] = {}
    for row in group.rows:
        for mention in (row.head, row.tail):
            if mention not in spans:
                spans[mention] = _tokens(path, row.line, mention, base, offsets, changes)
    entities: dict[Entity, int] = {}
    relations: dict[Relation, None] = {}
    for row in group.rows:
        ends = []
        for kind, mention in zip(types, (row.head, row.tail)):
            entity = Entity(kind, *spans[mention])
            ends.append(entities.setdefault(entity, len(entities)))
        relation = Relation(types[0], ends[0], ends[1])
        if relation in relations:
            changes["relations given more than once, kept once"] += 1
        relations[relation] = None
    with located(path, line):
        return Sentence(
            words(group.text, offsets),
            tuple(entities),
            tuple(relations),
            name,
            group.text,
            offsets,
            f"{path}:{line}",
        )


def _base(path: PathLike, group: _Group, changes: Counter) -> int:
    """The shift: the number to subtract from document offsets to get sentence offsets.

    If several shifts fit, which never happens in the published file, the one with the smallest
    position in the sentence is used, and the sentence is counted.
    """
    possible: set[int] | None = None
    for row in group.rows:
        for mention in (row.head, row.tail):
            places = {mention.begin - place for place in _occurrences(group.text, mention.text)}
            if not places:
                raise CorpusFormatError(
                    path,
                    row.line,
                    f"the mention {quote(mention.text)} is not in the sentence "
                    f"{quote(group.text, 400)}",
                )
            narrowed = places if possible is None else possible & places
            if not narrowed:
                raise CorpusFormatError(
                    path, row.line, _contradiction(group.text, mention, possible or set())
                )
            possible = narrowed
    assert possible
    if len(possible) > 1:
        changes["sentences whose offsets fit at several places, the first was taken"] += 1
    return max(possible)


def _contradiction(text: str, mention: _Mention, possible: set[int]) -> str:
    begin, end = mention.begin - max(possible), mention.end - max(possible)
    if begin >= 0 and end <= len(text):
        found = f"the sentence has {quote(text[begin:end])} there"
    else:
        found = f"that is outside the sentence's {len(text)} characters"
    return (
        f"the mention {quote(mention.text)} has the offsets {mention.begin} to {mention.end} in "
        f"the document. By the other mentions' offsets, that is {begin} to {end} in the sentence, "
        f"but {found}"
    )


def _occurrences(text: str, part: str) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _tokens(
    path: PathLike,
    line: int,
    mention: _Mention,
    base: int,
    offsets: Sequence[Span],
    changes: Counter,
) -> Span:
    # Tokens have no white space, so without it the mention may be whole tokens.
    begin = mention.begin - base + len(mention.text) - len(mention.text.lstrip())
    end = mention.end - base - len(mention.text) + len(mention.text.rstrip())
    if end - begin != len(mention.text):
        changes["mentions with white space at an edge, which was left out"] += 1
    span = covering(offsets, begin, end)
    if span is None:
        raise CorpusFormatError(
            path, line, f"the tokenizer gives no token for the mention {quote(mention.text)}"
        )
    if (offsets[span[0]][0], offsets[span[1] - 1][1]) != (begin, end):
        changes["mentions that are not whole tokens, widened to whole tokens"] += 1
    return span
