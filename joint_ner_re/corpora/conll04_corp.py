"""conll04.corp, the format in which Roth and Yih published their corpus.

0	Loc	0	O	NNP/NNP	New/York	O	O	O        sentence id, entity, row number, -, POS, words
0	O	1	O	,	COMMA	O	O	O
                                              a blank line
0	3	Located_In                            head's row, tail's row, relation
                                              a blank line, even without relations
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located
from joint_ner_re.corpora.files import columns, parse_int, read_ids, read_lines
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

ENTITY_TYPES = ("Loc", "Org", "Other", "Peop")
RELATION_TYPES = ("Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For")

# The corpus writes characters that have a meaning in its format or in the treebank's as names.
CHARACTERS = {
    "COMMA": ",",
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
}

_ROW = "sentence id, entity type, row, O, POS, word, O, O, O"
_RELATION = "head row, tail row, relation type"


class _Block(NamedTuple):
    """The lines of a sentence with their numbers, not yet parsed."""

    rows: list[tuple[int, str]]
    relations: list[tuple[int, str]]


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line has nine columns separated by tabs."""
    return first_lines[0].count("\t") == 8


def read(path: PathLike, *, ids: PathLike | None = None) -> Iterator[Sentence]:
    """Read all sentences of conll04.corp, or those in a list of ids.

    # Parameters

    path : `str`
        The file.
    ids : `str`, optional (default = `None`)
        A file with one sentence id per line, such as a published split. The sentences keep the
        order of the corpus, so that the corpus need not be in memory.

    # Raises

    `CorpusFormatError`
        If a line is malformed, an argument of a relation is no entity, or a sentence of `ids` is
        not in the corpus.
    """
    wanted = None if ids is None else read_ids(ids)
    seen: dict[str, int] = {}
    changes: Counter = Counter()
    for block in _blocks(path):
        sentence = _sentence(path, block, changes)
        line = block.rows[0][0]
        if sentence.id in seen:
            raise CorpusFormatError(
                path, line, f"sentence {sentence.id} is already in line {seen[sentence.id]}"
            )
        seen[sentence.id] = line
        if wanted is None or sentence.id in wanted:
            yield sentence
    for what, count in sorted(changes.items()):
        logger.warning("%s: %s: %d", path, what, count)
    if ids is not None and wanted is not None:
        missing = [name for name in wanted if name not in seen]
        if missing:
            raise CorpusFormatError(
                ids,
                wanted[missing[0]],
                f"{len(missing)} of {len(wanted)} ids are not in {path}: "
                f"{quote(', '.join(missing), 200)}",
            )


def _blocks(path: PathLike) -> Iterator[_Block]:
    block = _Block([], [])
    in_relations = False
    blank = 0
    for number, line in read_lines(path):
        if line.strip():
            if blank and not in_relations:
                raise CorpusFormatError(
                    path, blank, "a blank line too many; expected the first row of a sentence"
                )
            blank = 0
            (block.relations if in_relations else block.rows).append((number, line))
        elif in_relations:
            yield block
            block = _Block([], [])
            in_relations = False
        elif block.rows:
            in_relations = True
        else:
            blank = blank or number
    # The last sentence may lack one or both of its blank lines.
    if block.rows:
        yield block


def _sentence(path: PathLike, block: _Block, changes: Counter) -> Sentence:
    first_line, name = block.rows[0][0], ""
    tokens: list[str] = []
    entities: list[Entity] = []
    entity_of_row: dict[int, int] = {}
    for index, (number, line) in enumerate(block.rows):
        found = columns(path, number, line, "\t", _ROW)
        _check_row(path, number, found, index, name)
        name = found[0]
        pieces = _words(path, number, found[5])
        if len(pieces) != found[4].count("/") + 1:
            changes["rows with more or fewer words than parts of speech"] += 1
        if found[1] != "O":
            entity_of_row[index] = len(entities)
            entities.append(Entity(found[1], len(tokens), len(tokens) + len(pieces)))
        elif len(pieces) > 1:
            raise CorpusFormatError(
                path,
                number,
                f"{quote(found[5])} has several words but no entity type; expected one word",
            )
        tokens.extend(pieces)
    relations: dict[Relation, None] = {}
    for number, line in block.relations:
        relation = _relation(path, number, line, entity_of_row, len(block.rows))
        if relation in relations:
            changes["relations given more than once, kept once"] += 1
        relations[relation] = None
    with located(path, first_line):
        return Sentence(tokens, entities, tuple(relations), name, source=f"{path}:{first_line}")


def _check_row(path: PathLike, number: int, found: list[str], index: int, name: str) -> None:
    if not found[0] or name not in ("", found[0]):
        raise CorpusFormatError(
            path,
            number,
            f"the sentence id is {quote(found[0])}; expected {name or 'a number'}, or a "
            "blank line before a new sentence",
        )
    if parse_int(path, number, found[2], "the row number") != index:
        raise CorpusFormatError(path, number, f"the row number is {found[2]}; expected {index}")
    if found[1] != "O" and found[1] not in ENTITY_TYPES:
        raise CorpusFormatError(
            path,
            number,
            f"the entity type is {quote(found[1])}; expected O, {', '.join(ENTITY_TYPES)}",
        )


def _words(path: PathLike, number: int, joined: str) -> list[str]:
    """The words of one row.

    They are counted by the word column, not by the POS column: for 15 entities of the corpus the
    two disagree, sometimes because a `/` belongs to the text (`Energiya/Buran`, one POS) and
    sometimes because the POS is wrong (`New/York.`, one POS; `Coeur`, two).
    """
    pieces = [joined] if joined == "/" else joined.split("/")
    if not all(piece.strip() for piece in pieces):
        raise CorpusFormatError(
            path, number, f"the word is {quote(joined)}; expected words joined by /"
        )
    return [CHARACTERS.get(piece, piece) for piece in pieces]


def _relation(
    path: PathLike, number: int, line: str, entity_of_row: dict[int, int], rows: int
) -> Relation:
    head, tail, kind = columns(path, number, line, "\t", _RELATION)
    if kind not in RELATION_TYPES:
        raise CorpusFormatError(
            path, number, f"the relation is {quote(kind)}; expected {', '.join(RELATION_TYPES)}"
        )
    ends = []
    for text in (head, tail):
        row = parse_int(path, number, text, "the row of a relation's argument")
        if row not in entity_of_row:
            what = "has no entity" if row < rows else f"does not exist among {rows} rows"
            raise CorpusFormatError(
                path, number, f"the relation {kind} points to row {row}, which {what}"
            )
        ends.append(entity_of_row[row])
    if head == tail:
        raise CorpusFormatError(path, number, f"the relation {kind} links row {head} to itself")
    return Relation(kind, ends[0], ends[1])
