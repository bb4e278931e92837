"""Tables in Parquet with the columns of `jsonl` or of SpERT, a sentence in each row.

| column | type |
| --- | --- |
| `id` (SpERT: `orig_id`), `text` | string |
| `tokens` | list of strings |
| `offsets` | list of lists of two integers |
| `entities` | list of structs of `type`, `start`, `end` and `score` |
| `relations` | list of structs of `type`, `head`, `tail` and `score` |
| `sentences` | list of lists of two integers |
| `meta` | string: an object in JSON |

`pyarrow` reads and writes the files.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    MissingPackageError,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.files import PARQUET, open_binary, read_lines
from joint_ner_re.corpora.json_values import decode
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.sentence import SENTENCE_KEYS, Sentence
from joint_ner_re.streams import is_stream
from joint_ner_re.writing import replacing

# A table from a pipe or in a gzip file is held in memory.
_MAX_HELD_BYTES = 2**28
# What a group of rows may hold, and how much of it is made to rows at a time.
_MAX_GROUP_BYTES = 2**31
_BATCH_BYTES = 2**30
_BATCH = 256
_ROWS_PER_GROUP = 1000
_LISTS = ("entities", "relations")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Never: Parquet is no text, and is recognised by its first bytes."""
    return False


def read(path: PathLike, *, on_error: ErrorHandler | None = None) -> Iterator[Sentence]:
    """Read a Parquet table.

    # Parameters

    path : `str`
        The file.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a row, which is skipped. The line of an error is the row's number.

    # Raises

    `CorpusFormatError`
        If the file is no Parquet table, lacks a column, or a row is no sentence.
    `MissingPackageError`
        If `pyarrow` is not installed.
    """
    parquet = _pyarrow()
    changes: Counter[str] = Counter()
    number = 0
    with handled(on_error), _opened(path) as file:
        for record in _records(path, parquet, file, changes):
            number += 1
            sentence = None
            with handled(on_error), located(path, number):
                if isinstance(record.get("meta"), str):
                    record["meta"], _ = decode(path, number, record["meta"])
                sentence = Sentence.from_json(record, f"{os.fspath(path)}:{number}")
            if sentence is not None:
                yield sentence
    log_changes(path, changes)


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError(
            "Parquet is read and written with pyarrow, which is not installed; install it: "
            "pip install 'joint_ner_re[formats]'"
        ) from error
    return pyarrow.parquet


@contextmanager
def _opened(path: PathLike) -> Iterator[BinaryIO]:
    """The file, at its beginning; it can be read in any order."""
    with open_binary(path) as file:
        start = file.read(len(PARQUET))
        if start == PARQUET:
            if isinstance(getattr(file, "raw", None), io.FileIO) and not is_stream(path):
                file.seek(0)
                yield file
                return
            content = start + file.read(_MAX_HELD_BYTES)
            if len(content) > _MAX_HELD_BYTES:
                raise CorpusFormatError(
                    path, None, f"the Parquet file has more than {_MAX_HELD_BYTES} bytes; expected "
                    "a file on disk that is not compressed with gzip"
                )  # fmt: skip
            yield io.BytesIO(content)
            return
    for _ in () if is_stream(path) else read_lines(path):
        # This raises the errors of files that are empty, damaged or no text.
        pass
    raise CorpusFormatError(
        path, 1, f"found {quote(start.decode('utf-8', 'replace'))}; expected a Parquet file"
    )


def _records(
    path: PathLike, parquet: Any, file: BinaryIO, changes: Counter[str]
) -> Iterator[dict[str, Any]]:
    with _by_pyarrow(path):
        table = parquet.ParquetFile(file)
        names = list(table.schema_arrow.names)
    if "tokens" not in names:
        raise CorpusFormatError(
            path,
            1,
            f"a Parquet table with the columns {quote(', '.join(names))}; expected those of jsonl "
            "(id, tokens, entities, relations) or of SpERT (orig_id instead of id)",
        )
    name_key = "orig_id" if "orig_id" in names else "id"
    known = {name_key, *SENTENCE_KEYS - {"id"}}
    for name in names:
        if name not in known:
            changes[f"columns called {quote(name, 40)}, not used"] += 1
    chosen = [name for name in names if name in known]
    for row in _rows(path, table, chosen):
        record = {key: _without_nulls(value) for key, value in row.items() if value is not None}
        for key in _LISTS:
            if isinstance(record.get(key), dict):
                record[key] = _to_list(record[key])
        if name_key in record:
            name = record.pop(name_key)
            record["id"] = name
        yield record


def _rows(path: PathLike, table: Any, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows, made from little memory at a time."""
    with _by_pyarrow(path):
        groups = [table.metadata.row_group(n) for n in range(table.metadata.num_row_groups)]
        size = max((group.total_byte_size for group in groups), default=0)
    if not 0 <= size <= _MAX_GROUP_BYTES:
        raise CorpusFormatError(
            path,
            None,
            f"the Parquet file has a group of rows of {size} bytes; expected at most "
            f"{_MAX_GROUP_BYTES}",
        )
    # A single value may be as large as its group.
    batch = max(1, min(_BATCH, _BATCH_BYTES // max(size, 1)))
    with _by_pyarrow(path):
        batches = table.iter_batches(batch_size=batch, columns=list(columns))
    count = 0
    while True:
        with _by_pyarrow(path):
            found = next(batches, None)
            rows = [] if found is None else found.to_pylist()
        if found is None:
            break
        count += len(rows)
        yield from rows
    if count != table.metadata.num_rows:
        raise CorpusFormatError(
            path,
            None,
            f"the Parquet file is damaged: it has {count} rows where it says "
            f"{table.metadata.num_rows}; write it or copy it again",
        )


@contextmanager
def _by_pyarrow(path: PathLike) -> Iterator[None]:
    """Turn whatever goes wrong in `pyarrow` with a strange file into a `CorpusFormatError`."""
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CorpusFormatError(
            path,
            None,
            f"the Parquet file is damaged or incomplete ({type(error).__name__}: "
            f"{quote(reason, 200)}); write it or copy it again",
        ) from error


def _without_nulls(value: Any) -> Any:
    """The value without the fields of structs that are null: Parquet has no missing ones."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _to_list(columns: dict[str, Any]) -> Any:
    """A list of structs from a struct of lists, which `datasets` makes of it."""
    lists = list(columns.values())
    if not all(isinstance(items, list) and len(items) == len(lists[0]) for items in lists):
        return columns
    return [
        {key: item for key, item in zip(columns, items) if item is not None}
        for items in zip(*lists)
    ]


def write(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write a Parquet table with the columns of `jsonl`; returns the number of sentences.

    Reading the file gives equal sentences.

    # Raises

    `MissingPackageError`
        If `pyarrow` is not installed.
    `ValueError`
        If the name ends in `.gz`: Parquet is compressed itself.
    """
    parquet = _pyarrow()
    if os.fspath(path).endswith(".gz"):
        raise ValueError(f"{os.fspath(path)}: Parquet is compressed itself; leave out .gz")
    import pyarrow

    schema = _schema(pyarrow)
    count = 0
    rest = iter(sentences)
    with replacing(path, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
        while rows := [_row(sentence) for sentence in islice(rest, _ROWS_PER_GROUP)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def _schema(pyarrow: Any) -> Any:
    text, number, score = pyarrow.string(), pyarrow.int32(), pyarrow.float64()
    return pyarrow.schema(
        {
            "id": text,
            "text": text,
            "tokens": pyarrow.list_(text),
            "offsets": pyarrow.list_(pyarrow.list_(number)),
            "entities": pyarrow.list_(
                pyarrow.struct({"type": text, "start": number, "end": number, "score": score})
            ),
            "relations": pyarrow.list_(
                pyarrow.struct({"type": text, "head": number, "tail": number, "score": score})
            ),
            "sentences": pyarrow.list_(pyarrow.list_(number)),
            "meta": text,
        }
    )


def _row(sentence: Sentence) -> dict[str, Any]:
    record = sentence.to_json()
    for entity in record["entities"]:
        # They follow from the other columns.
        for key in ("text", "char_start", "char_end"):
            entity.pop(key, None)
    if "meta" in record:
        record["meta"] = json.dumps(record["meta"], ensure_ascii=False, allow_nan=False)
    # Raises the same error as for JSON lines, where a text cannot be encoded.
    quote_json(record).encode("utf-8")
    return record
