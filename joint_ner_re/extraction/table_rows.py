"""The rows of tables (CSV, TSV, Excel, Parquet), and the documents in one of their columns."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.messages import quote
from joint_ner_re.writing import PathLike

SEPARATORS = ",\t;|"
# Names of columns that hold texts; a table with one of them needs no --text-column.
TEXT_COLUMNS = ("text", "sentence", "tokens")
# The other keys of predictions, which the predictor ignores.
_OF_PREDICTIONS = ("offsets", "entities", "relations", "sentences")
_NAME = re.compile(r"\w[\w .-]{0,39}")
_ROWS_TO_COMPARE = 20
_ROWS_AT_ONCE = 256
# A longer cell is no text.
csv.field_size_limit(2**26)

Row = dict[str, Any]


def separator_of(head: str, asked_for: bool = False) -> str | None:
    """The separator of a CSV file's columns, by its first lines; `None` if it is no table.

    # Parameters

    head : `str`
        The beginning of the file.
    asked_for : `bool`, optional (default = `False`)
        Whether it is known to be a table. Otherwise rows of as many cells as the header make it
        one, if they are separated by tabs, or the header has nothing but names and there is a name
        of a column of texts or a cell in quotation marks. A line of text may have commas, too.
    """
    candidates = [separator for separator in SEPARATORS if separator in head.split("\n", 1)[0]]
    if not candidates:
        return "," if asked_for else None
    best = max(candidates, key=lambda separator: _fit(head, separator))
    return best if asked_for or _is_table(head, best) else None


def _is_table(head: str, separator: str) -> bool:
    rows = _cells(head, separator)
    names = [name.strip() for name in rows[0]]
    if len(rows) < 2 or len(names) < 2 or any(len(row) != len(names) for row in rows):
        return False
    if separator == "\t" and len(rows) > 2:
        return True
    if len(set(names)) < len(names) or not all(_NAME.fullmatch(name) for name in names):
        return False
    told = any(name.lower() in TEXT_COLUMNS for name in names)
    return told or f'{separator}"' in head or '\n"' in head


def _fit(head: str, separator: str) -> tuple[int, int]:
    """How well a separator divides the first lines: rows as wide as the header, and its width."""
    rows = _cells(head, separator)
    width = len(rows[0])
    return sum(len(row) == width for row in rows if width > 1), width


def _cells(head: str, separator: str) -> list[list[str]]:
    """The first rows, without the last one, which may be cut."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) > _ROWS_TO_COMPARE:
                break
    except csv.Error:
        pass
    return (rows[:-1] if len(rows) > 2 else rows) or [[]]


def records_of_rows(
    path: PathLike, rows: Iterator[Row], text_column: str | None = None
) -> Iterator[Row]:
    """Each row as input of the predictor: its text, its id, and its other columns.

    A row whose text is missing keeps its place, where it becomes an error. Other cells that are
    missing are left out.

    # Parameters

    path : `str`
        The table, for messages.
    rows : `Iterator[dict[str, Any]]`
        The rows by column.
    text_column : `str`, optional (default = `None`)
        The column of the texts. Default: `text`, `sentence` or `tokens`, or the only column.

    # Raises

    `ExtractionError`
        If there is no such column, or it is not clear which one is meant.
    """
    column = None
    for row in rows:
        if column is None:
            column = _text_column(path, list(row), text_column)
        text = row[column]
        key = column if column in TEXT_COLUMNS else "text"
        tokens = row.get("tokens")
        if column == "text" and isinstance(tokens, list):
            yield {name: value for name, value in row.items() if not _is_missing(value)}
            continue
        record = {
            _other(name, value): value
            for name, value in row.items()
            if name != column and not _is_missing(value)
        }
        yield {key: None if _is_missing(text) else text, **record}


def _other(name: str, value: Any) -> str:
    """A name under which a column comes back in `meta`, also where it is a key of the input."""
    reserved = name in TEXT_COLUMNS or (name in _OF_PREDICTIONS and not isinstance(value, list))
    return f"{name} (column)" if reserved else name


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: null or, where numbers are expected, not a number."""
    return value is None or (isinstance(value, float) and value != value)


def _text_column(path: PathLike, names: Sequence[str], asked_for: str | None) -> str:
    listed = ", ".join(quote(name, 40) for name in names)
    if asked_for is not None:
        if asked_for not in names:
            raise ExtractionError(
                f"{os.fspath(path)}: the table has no column {asked_for!r}; it has {listed}"
            )
        return asked_for
    for name in TEXT_COLUMNS:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    raise ExtractionError(
        f"{os.fspath(path)}: this is a table with the columns {listed}; say which one holds the "
        "texts: --text-column NAME (allennlp extract), or name it text"
    )


def csv_rows(path: PathLike, stream: BinaryIO, separator: str) -> Iterator[Row]:
    """The rows of a CSV file in UTF-8, with or without a mark.

    # Raises

    `ExtractionError`
        If it is not UTF-8, its header names a column twice, or a row is longer than the header.
    """
    name = os.fspath(path)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text, delimiter=separator or ",")
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(name, header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ExtractionError(
                    f"{name}:{reader.line_num}: a row of {len(cells)} cells; expected "
                    f"{len(header)}, one for each column of the header: put cells that contain "
                    f"{quote(separator or ',')} or a line end in quotation marks"
                )
            yield dict(zip(header, cells))
    except UnicodeDecodeError as error:
        raise ExtractionError(
            f"{name}: the table is not UTF-8 ({error}); convert it, for example with iconv -f "
            "LATIN1 -t UTF-8, or save it as CSV UTF-8"
        ) from error
    except csv.Error as error:
        raise ExtractionError(f"{name}: cannot be read as a table ({error})") from error
    finally:
        # Whoever stops early may have closed the file.
        with suppress(ValueError):
            text.detach()


def _check_header(name: str, header: Sequence[str]) -> None:
    for place, column in enumerate(header):
        if column in header[:place]:
            raise ExtractionError(
                f"{name}: the table has two columns named {quote(column, 40)}; give each a name of "
                "its own in the first row"
            )


def excel_rows(path: PathLike, stream: BinaryIO, detail: str = "") -> Iterator[Row]:
    """The rows of the first sheet of an Excel file that has rows; the values, not the formulas.

    # Raises

    `ExtractionError`
        If it cannot be read, several sheets have rows, or openpyxl is missing.
    """
    name = os.fspath(path)
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise ExtractionError(
            f"{name} is an Excel file, which needs openpyxl: pip install 'joint_ner_re[excel]', or "
            "save it as CSV UTF-8"
        ) from error
    try:
        book = load_workbook(stream, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises what zipfile, its XML parser and it itself raise
        raise ExtractionError(f"{name}: the Excel file is damaged ({error})") from error
    filled = [s for s in book.worksheets if any(_has_cells(row) for row in _first_rows(s))]
    if len(filled) > 1:
        titles = ", ".join(quote(sheet.title, 40) for sheet in filled)
        raise ExtractionError(
            f"{name}: {len(filled)} sheets have rows ({titles}); expected one: save the sheet of "
            "the texts as a file of its own"
        )
    for sheet in filled:
        rows = (row for row in sheet.iter_rows(values_only=True) if _has_cells(row))
        cells = next(rows)
        width = max(place + 1 for place, cell in enumerate(cells) if cell is not None)
        header = [
            str(cell).strip() if cell is not None else f"column {place}"
            for place, cell in enumerate(cells[:width], start=1)
        ]
        _check_header(name, header)
        for number, row in enumerate(rows, start=2):
            if _has_cells(row[width:]):
                raise ExtractionError(
                    f"{name}: row {number} of the sheet {sheet.title!r} has a cell in a column "
                    "without a name; give it one in the first row"
                )
            yield dict(zip(header, [*row, *[None] * (width - len(row))]))


def _first_rows(sheet: Any) -> Iterator[Sequence[Any]]:
    return sheet.iter_rows(max_row=_ROWS_TO_COMPARE, values_only=True)


def _has_cells(row: Sequence[Any]) -> bool:
    return any(cell is not None for cell in row)


def parquet_rows(path: PathLike, stream: BinaryIO, detail: str = "") -> Iterator[Row]:
    """The rows of a Parquet file.

    # Raises

    `ExtractionError`
        If it is damaged, or pyarrow is missing.
    """
    for batch in open_parquet(path, stream).iter_batches(_ROWS_AT_ONCE):
        yield from batch.to_pylist()


def open_parquet(path: PathLike, stream: BinaryIO | None = None) -> Any:
    """pyarrow's object for a Parquet file.

    # Raises

    `ExtractionError`
        If the file is damaged, or pyarrow is missing.
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ExtractionError(
            f"{os.fspath(path)} is a Parquet file, which needs pyarrow: pip install "
            "'joint_ner_re[formats]'"
        ) from error
    try:
        return ParquetFile(path if stream is None else stream)
    except (ValueError, OSError) as error:
        raise ExtractionError(
            f"{os.fspath(path)}: the Parquet file is damaged ({error})"
        ) from error


ROW_READERS: dict[str, Callable[[PathLike, BinaryIO, str], Iterator[Row]]] = {
    "csv": csv_rows,
    "excel": excel_rows,
    "parquet": parquet_rows,
}
"""How to read each kind of table: functions of its path, its stream and its separator."""
