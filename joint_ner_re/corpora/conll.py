"""CoNLL's columns: a token in each line, with its tag in the last column; blank lines between.

    -DOCSTART- (news-7)

    Ada	NNP	O	B-Peop
    left	VBD	O	O

Columns are separated by tabs or by blanks. There are entities only, no relations.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from joint_ner_re.corpora import conll04_corp, webanno
from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.files import read_head, read_lines
from joint_ner_re.corpora.token_documents import numbered_id
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import OUTSIDE, TagCodec, split_tag

logger = logging.getLogger(__name__)

ENTITY_TYPE = "Entity"
"""The type of entities whose tags give none: `B` instead of `B-Drug`."""

_START = "-DOCSTART-"
_DOCUMENT = re.compile(r"-DOCSTART-[ \t]+\(([^()\t]*[^() \t][^()\t]*)\)[ \t]*")
_TAG = re.compile(r"O|[BIESLUMW](-.+)?")
# What tags are called in BIOUL, whatever the file calls them: BIOES, BILOU, BMEWO.
_BIOUL = {"E": "L", "S": "U", "M": "I", "W": "U"}


class _Row(NamedTuple):
    line: int
    token: str
    tag: str


class _Block(NamedTuple):
    """The rows of a sentence, and the document in which it stands, if the file names one."""

    document: str | None
    rows: list[_Row]


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether all lines have as many columns, the last of which is a tag."""
    if conll04_corp.looks_like(first_lines) or webanno.looks_like(first_lines):
        return False
    sizes = set()
    for line in first_lines:
        if line.strip() and not line.startswith(_START):
            found = _split(line)
            if _TAG.fullmatch(found[-1]):
                sizes.add(len(found))
            elif not line.startswith("#"):
                return False
    return len(sizes) == 1 and sizes != {1}


def _split(line: str) -> list[str]:
    """The columns. A token may be a blank of another kind, so only these two separate."""
    line = line.rstrip(" \t")
    return line.split("\t") if "\t" in line else re.split(" +", line)


def read(path: PathLike) -> Iterator[Sentence]:
    """Read entities in columns: the token is the first, the tag the last.

    The file shows which scheme its tags follow. With tags that end entities (E and S, or L and U)
    it is BIOES under one of its names. Otherwise it is IOB2 if most entities begin with `B-`, and
    IOB1 if most begin with `I-`; an entity right after one of its own type, which begins with `B-`
    in both, does not count. Tags that do not fit the scheme are counted, and read as the
    evaluation script of CoNLL reads them.

    `-DOCSTART-` begins a document. Its sentences have ids such as `news-7:0` if it is named, as in
    `-DOCSTART- (news-7)`; others have their index in the file.

    # Parameters

    path : `str`
        The file.

    # Raises

    `CorpusFormatError`
        If a line has another number of columns than the first one, or no tag in the last.
    """
    if conll04_corp.looks_like(read_head(path)):
        raise CorpusFormatError(
            path, 1, "nine columns, as conll04.corp has them; expected the tag in the last column"
        )
    changes: Counter[str] = Counter()
    scheme = _scheme(path)
    logger.info("%s: the tags follow %s", path, scheme)
    number_in: Counter[str] = Counter()
    for index, block in enumerate(_blocks(path, changes)):
        tags = [row.tag for row in block.rows]
        odd = _count_odd(tags, scheme)
        if odd:
            changes[f"tags that do not fit {scheme}, read as conlleval does"] += odd
        name = str(index)
        if block.document is not None:
            name = numbered_id(block.document, number_in[block.document])
            number_in[block.document] += 1
        yield Sentence(
            [row.token for row in block.rows],
            TagCodec(()).decode(tags),
            (),
            name,
            source=f"{path}:{block.rows[0].line}",
        )
    log_changes(path, changes)


def _blocks(path: PathLike, changes: Counter[str]) -> Iterator[_Block]:
    document: str | None = None
    rows: list[_Row] = []
    size = 0
    for number, line in read_lines(path):
        starts = line.startswith(_START)
        if (starts or not line.strip()) and rows:
            yield _Block(document, rows)
            rows = []
        if starts:
            match = _DOCUMENT.fullmatch(line)
            document = match.group(1) if match else None
        elif line.strip():
            found = _split(line)
            is_tag = _TAG.fullmatch(found[-1]) is not None
            if line.startswith("#") and not rows and not is_tag:
                changes["comments before sentences, not read"] += 1
                continue
            size = size or len(found)
            rows.append(_row(path, number, line, found, size, is_tag))
    if rows:
        yield _Block(document, rows)


def _row(path: PathLike, number: int, line: str, found: list[str], size: int, is_tag: bool) -> _Row:
    if not is_tag:
        raise CorpusFormatError(
            path,
            number,
            f"the last column is {quote(found[-1], 40)}; expected a tag such as O, B-TYPE or "
            f"I-TYPE: {quote(line)}",
        )
    if len(found) != size or size < 2:
        expected = f"{size}, as in the lines before" if size > 1 else "a token and a tag"
        raise CorpusFormatError(
            path, number, f"{len(found)} columns; expected {expected}: {quote(line)}"
        )
    if not found[0]:
        raise CorpusFormatError(path, number, f"the token is empty: {quote(line)}")
    prefix, kind = split_tag(found[-1])
    tag = f"{_BIOUL.get(prefix, prefix)}-{kind or ENTITY_TYPE}"
    return _Row(number, found[0], OUTSIDE if found[-1] == OUTSIDE else tag)


def _scheme(path: PathLike) -> str:
    """The scheme of the file's tags, by what begins its entities."""
    begins: Counter[str] = Counter()
    ends = False
    for block in _blocks(path, Counter()):
        before = OUTSIDE
        for row in block.rows:
            (prefix, kind), (_, kind_before) = split_tag(row.tag), split_tag(before)
            ends = ends or prefix in ("L", "U")
            # Beside an entity of the same type, IOB1 and IOB2 both need a B.
            if kind and kind != kind_before:
                begins[prefix] += 1
            before = row.tag
    if ends:
        return "BIOES"
    return "IOB1" if begins["I"] > begins["B"] else "IOB2"


def _count_odd(tags: Sequence[str], scheme: str) -> int:
    """How many tags do not fit the scheme."""
    pairs = list(zip([OUTSIDE, *tags], [*tags, OUTSIDE]))
    if scheme == "IOB1":
        return sum(tag[0] == "B" and tag[1:] != before[1:] for before, tag in pairs)
    codec = TagCodec((), "BIO" if scheme == "IOB2" else "BIOUL")
    return sum(not codec.may_follow(before, tag) for before, tag in pairs)
