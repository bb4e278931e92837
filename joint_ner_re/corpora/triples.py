"""Relations and entities as tables: CSV files (UTF-8) and Excel workbooks.

A cell of a CSV file that a spreadsheet would take for a formula gets an apostrophe before it. In a
workbook such a cell is marked as text.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, TextIO

from joint_ner_re.corpora.documents import line_name, log_changes, parse_sentence_id
from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.files import output
from joint_ner_re.sentence import Entity, Sentence
from joint_ner_re.writing import replacing

_PLACE = ["document", "sentence_start", "sentence_end"]
_IN_SENTENCE = ("_start_in_sentence", "_end_in_sentence")
RELATION_COLUMNS = [
    *_PLACE,
    "relation",
    "score",
    *(
        f"{role}{column}"
        for role in ("head", "tail")
        for column in ("", "_type", "_start", "_end", "_score")
    ),
    *(f"{role}{column}" for role in ("head", "tail") for column in _IN_SENTENCE),
    "sentence",
]
ENTITY_COLUMNS = [
    *_PLACE,
    *("entity", "type", "start", "end", "score"),
    *("start_in_sentence", "end_in_sentence", "sentence"),
]

# The first characters of formulas in common spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# By this mark Excel knows that a CSV file is UTF-8.
_MARK = "\ufeff"
# Excel's own limits.
MAX_CELL_CHARACTERS, MAX_ROWS = 32_767, 2**20
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Table:
    """Rows that are collected in a temporary file, since their last columns depend on all of them.

    # Parameters

    columns : `Sequence[str]`
        The names of the first columns. A column for each key of `meta` follows them; one with the
        name of another column begins with `meta_`.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._keys: dict[str, None] = {}
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 (`close` closes it)
            "w+", encoding="utf-8", prefix="joint_ner_re_"
        )

    def add(self, cells: Sequence[Any], meta: Mapping[str, Any] | None) -> None:
        """Add a row."""
        meta = meta or {}
        self._keys.update(dict.fromkeys(meta))
        self._file.write(json.dumps([list(cells), dict(meta)]) + "\n")

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def rows(self) -> Iterator[list[Any]]:
        """The names of the columns, and then the rows."""
        yield [
            *self._columns,
            *(f"meta_{key}" if key in self._columns else key for key in self._keys),
        ]
        self._file.seek(0)
        for line in self._file:
            cells, meta = json.loads(line)
            yield [*cells, *(_as_cell(meta.get(key)) for key in self._keys)]


def _as_cell(value: Any) -> Any:
    """Lists and objects as JSON."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, ensure_ascii=False)


def collect(sentences: Iterable[Sentence], relations: Table, entities: Table | None) -> int:
    """Add a row for each relation and each entity, and return the number of sentences."""
    count = 0
    for sentence in map(Sentence.with_text, sentences):
        assert sentence.text is not None
        document, begin = parse_sentence_id(sentence)
        place = [document or line_name(sentence), begin, begin + len(sentence.text)]
        for relation in sentence.relations:
            ends = [sentence.entities[relation.head], sentence.entities[relation.tail]]
            cells = [cell for entity in ends for cell in _cells(sentence, begin, entity)]
            spans = [place for entity in ends for place in _span(sentence, entity)]
            relations.add(
                [*place, relation.type, relation.score, *cells, *spans, sentence.text],
                sentence.meta,
            )
        if entities is not None:
            for entity in sentence.entities:
                cells = _cells(sentence, begin, entity)
                entities.add(
                    [*place, *cells, *_span(sentence, entity), sentence.text], sentence.meta
                )
        count += 1
    return count


def write(
    sentences: Iterable[Sentence],
    path: PathLike,
    entities: PathLike | None = None,
    mark: bool = False,
) -> int:
    """Write one row per relation as CSV, and return the number of sentences.

    Positions are character offsets in the document, or in the sentence where the column's name says
    so. The column `sentence` has the sentence's text; one without a text is its tokens joined by
    spaces. Further columns hold `meta`.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences.
    path : `str`
        The file, with the columns `RELATION_COLUMNS`.
    entities : `str`, optional (default = `None`)
        A second file with one row per entity, in a relation or not, and the columns
        `ENTITY_COLUMNS`.
    mark : `bool`, optional (default = `False`)
        Whether the files begin with the byte order mark by which Excel knows UTF-8.
    """
    with ExitStack() as stack:
        second: AbstractContextManager[Any] = (
            nullcontext() if entities is None else output(entities)
        )
        # Opened first, so that a place that cannot be written is said at once.
        files = [stack.enter_context(output(path)), stack.enter_context(second)]
        tables = [Table(RELATION_COLUMNS), Table(ENTITY_COLUMNS)]
        for table in tables:
            stack.callback(table.close)
        count = collect(sentences, tables[0], None if entities is None else tables[1])
        for table, file in zip(tables, files):
            if file is not None:
                _write_csv(table, file, mark)
    return count


def _write_csv(table: Table, file: TextIO, mark: bool) -> None:
    file.write(_MARK if mark else "")
    rows = csv.writer(file)
    for row in table.rows():
        rows.writerow(_safe(row))


def write_workbook(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write an Excel workbook with the sheets `relations` and `entities`; see `write`.

    Cells longer than Excel allows are cut, and characters that it does not allow become a question
    mark in a box; both are counted in a warning.

    # Raises

    `ValueError`
        If openpyxl is missing, or there are more rows than Excel allows.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError as error:
        raise ValueError(
            "Excel files need openpyxl: pip install 'joint_ner_re[excel]', or write a .csv"
        ) from error
    changes: Counter[str] = Counter()
    with ExitStack() as stack:
        file = stack.enter_context(replacing(path, "wb"))
        tables = {"relations": Table(RELATION_COLUMNS), "entities": Table(ENTITY_COLUMNS)}
        for table in tables.values():
            stack.callback(table.close)
        count = collect(sentences, tables["relations"], tables["entities"])
        book = Workbook(write_only=True)
        for title, table in tables.items():
            sheet = book.create_sheet(title)
            sheet.freeze_panes = "A2"
            for number, row in enumerate(table.rows()):
                if number == MAX_ROWS:
                    raise ValueError(
                        f"more than {MAX_ROWS:,} {title}, which is all that an Excel sheet holds; "
                        "write a .csv"
                    )
                cells = []
                for value in row:
                    cell = WriteOnlyCell(sheet, _excel_value(value, changes))
                    if isinstance(value, str):
                        # Otherwise what begins with = would be a formula.
                        cell.data_type = "s"
                    cells.append(cell)
                sheet.append(cells)
        book.save(file)
    log_changes(path, changes)
    return count


def _excel_value(value: Any, changes: Counter[str]) -> Any:
    if not isinstance(value, str):
        return value
    allowed = _NOT_IN_XML.sub("\ufffd", value)
    if allowed != value:
        changes["cells with characters that Excel does not allow, changed"] += 1
    if len(allowed) > MAX_CELL_CHARACTERS:
        changes[f"cells of more than {MAX_CELL_CHARACTERS:,} characters, cut"] += 1
    return allowed[:MAX_CELL_CHARACTERS]


def _cells(sentence: Sentence, base: int, entity: Entity) -> list[Any]:
    begin, end = _span(sentence, entity)
    return [sentence.surface(entity), entity.type, base + begin, base + end, entity.score]


def _span(sentence: Sentence, entity: Entity) -> tuple[int, int]:
    return sentence.character_span(entity) or (0, 0)


def _safe(cells: list[Any]) -> list[Any]:
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
        for cell in cells
    ]
