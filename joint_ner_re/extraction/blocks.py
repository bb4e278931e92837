"""Cuts files of documents into blocks that a machine can read on its own."""

from __future__ import annotations

import glob
import gzip
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from joint_ner_re.extraction.checks import ExtractionError, content_fingerprint
from joint_ner_re.extraction.inputs import (
    LINES,
    PARQUET,
    InputDocument,
    documents_of,
    lines_of,
    opened,
    recognised,
)
from joint_ner_re.extraction.table_rows import open_parquet, records_of_rows

# Names of input files in a directory. Other files are an error, so that none is left out by
# mistake.
ENDINGS = (
    *(".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz", ".parquet"),
    *(".csv", ".csv.gz", ".tsv", ".tsv.gz", ".xlsx"),
)
_ROWS_AT_ONCE = 256


class Block(NamedTuple):
    """Consecutive documents of a file.

    # Parameters

    number : `int`
        The block's number among the blocks of all files, from 0.
    file : `str`
    file_bytes : `int`
        The size of the file when the run began.
    position : `int`
        In a file of lines, the byte where the block begins.
    before : `int`
        The number of documents in the file before the block.
    documents : `int`
        The number of documents in the block.
    """

    number: int
    file: str
    file_bytes: int
    position: int
    before: int
    documents: int


class CutFile(NamedTuple):
    """The fingerprint, size and blocks of a file.

    Each block is a tuple of the last three fields of `Block`.
    """

    fingerprint: str
    file_bytes: int
    cuts: list[tuple[int, int, int]]


def input_files(source: str) -> list[str]:
    """The files of the input, in order.

    # Parameters

    source : `str`
        A file, a pattern such as `"corpus/*.jsonl"`, or a directory. In a directory, names that
        begin with a dot or an underscore are ignored.

    # Raises

    `ExtractionError`
        If there are no files, or the directory holds files of other kinds.
    """
    if os.path.isdir(source):
        directory = Path(source)
        files = [
            path
            for path in sorted(directory.rglob("*"))
            if path.is_file() and not _is_hidden(path.relative_to(directory))
        ]
        for path in files:
            if not path.name.endswith(ENDINGS):
                raise ExtractionError(
                    f"{path}: in a directory the names must end in {', '.join(ENDINGS)}; give a "
                    "pattern to choose files, or use allennlp extract for a document in each file"
                )
        found = [str(path) for path in files]
    elif os.path.exists(source):
        found = [source]
    else:
        found = sorted(path for path in glob.glob(source, recursive=True) if os.path.isfile(path))
    if not found:
        raise ExtractionError(f"{source}: cannot be read (there is no such file)")
    return [os.path.abspath(path) for path in found]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def cut_file(file: str, size: int, text_column: str | None = None) -> CutFile:
    """Cut a file into blocks of `size` documents.

    A file of lines that is compressed is a single block, and so are CSV, Excel and JSON arrays.

    # Raises

    `ExtractionError`
        If it cannot be read.
    """
    file_bytes = os.path.getsize(file)
    kind = recognised(file, text_column)
    if kind.name == PARQUET:
        rows = open_parquet(file).metadata.num_rows
        cuts = [(0, first, min(size, rows - first)) for first in range(0, rows, size)]
        # A missing column is said before the model is loaded.
        next(records_of_rows(file, (row for _, row in _rows(file, 0, 1)), text_column), None)
    elif kind.name == LINES:
        cuts = list(_cut_lines(file, size))
    else:
        documents = sum(1 for _ in documents_of(file, kind, text_column))
        cuts = [(0, 0, documents)] if documents else []
    return CutFile(content_fingerprint(file), file_bytes, cuts)


def _cut_lines(file: str, size: int) -> Iterator[tuple[int, int, int]]:
    begin = before = done = 0
    with opened(file) as stream:
        # Decompression cannot begin in the middle of a file.
        is_single_block = isinstance(stream, gzip.GzipFile)
        for document in lines_of(stream, 0):
            done = document.number
            if done - before == size and not is_single_block:
                yield begin, before, size
                begin, before = document.next, done
    if done > before:
        yield begin, before, done - before


def documents_in(block: Block, text_column: str | None = None) -> Iterator[InputDocument]:
    """The documents of a block, with their numbers in the file.

    A row of a Parquet file becomes a JSON object of its columns that are not null. Values that JSON
    lacks, such as dates, become strings.

    # Raises

    `ExtractionError`
        If the file cannot be read.
    """
    kind = recognised(block.file, text_column)
    if kind.name == PARQUET:
        numbered = list(_rows(block.file, block.before, block.before + block.documents))
        records = records_of_rows(block.file, (row for _, row in numbered), text_column)
        for (number, _), record in zip(numbered, records):
            yield InputDocument(number, json.dumps(record, default=str).encode("utf-8"))
        return
    documents = documents_of(block.file, kind, text_column, block.before, block.position)
    yield from islice(documents, block.documents)


def _rows(file: str, first: int, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows from `first` to `last` (exclusive), with their numbers from 1."""
    parquet = open_parquet(file)
    place = 0
    for group in range(parquet.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        if place + count <= first or place >= last:
            place += count
            continue
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
            begin, end = max(first - place, 0), min(last - place, batch.num_rows)
            if begin < end:
                yield from enumerate(batch.slice(begin, end - begin).to_pylist(), place + begin + 1)
            place += batch.num_rows
