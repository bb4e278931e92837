"""Writes relations and entities as CSV tables (UTF-8) for spreadsheets and data frames.

A cell that a spreadsheet would take for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from joint_ner_re.corpora.documents import parse_sentence_id
from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.files import output
from joint_ner_re.sentence import Entity, Sentence

_PLACE = ["document", "sentence_start", "sentence_end"]
RELATION_COLUMNS = [
    *_PLACE,
    "relation",
    "score",
    *(
        f"{role}{column}"
        for role in ("head", "tail")
        for column in ("", "_type", "_start", "_end", "_score")
    ),
]
ENTITY_COLUMNS = [*_PLACE, "entity", "type", "start", "end", "score"]

# The first characters of formulas in common spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(sentences: Iterable[Sentence], path: PathLike, entities: PathLike | None = None) -> int:
    """Write one row per relation, and return the number of sentences.

    All positions are character offsets in the document. The text of a sentence without one is its
    tokens joined by spaces.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences.
    path : `str`
        The file, with the columns `RELATION_COLUMNS`.
    entities : `str`, optional (default = `None`)
        A second file with one row per entity, in a relation or not, and the columns
        `ENTITY_COLUMNS`.
    """
    count = 0
    second: AbstractContextManager[Any] = nullcontext() if entities is None else output(entities)
    with output(path) as relation_file, second as entity_file:
        relation_rows = _rows(relation_file, RELATION_COLUMNS)
        entity_rows = None if entity_file is None else _rows(entity_file, ENTITY_COLUMNS)
        for sentence in map(Sentence.with_text, sentences):
            assert sentence.text is not None
            document, begin = parse_sentence_id(sentence)
            # The line number replaces a missing id.
            document = document or (sentence.source or "").rpartition(":")[2]
            place = [document, begin, begin + len(sentence.text)]
            for relation in sentence.relations:
                ends = [sentence.entities[relation.head], sentence.entities[relation.tail]]
                cells = [cell for entity in ends for cell in _cells(sentence, begin, entity)]
                relation_rows.writerow(_safe([*place, relation.type, relation.score, *cells]))
            if entity_rows is not None:
                for entity in sentence.entities:
                    entity_rows.writerow(_safe([*place, *_cells(sentence, begin, entity)]))
            count += 1
    return count


def _rows(file: TextIO, columns: list[str]) -> Any:
    rows = csv.writer(file)
    rows.writerow(columns)
    return rows


def _cells(sentence: Sentence, base: int, entity: Entity) -> list[Any]:
    begin, end = sentence.character_span(entity) or (0, 0)
    return [sentence.surface(entity), entity.type, base + begin, base + end, entity.score]


def _safe(cells: list[Any]) -> list[Any]:
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
        for cell in cells
    ]
