"""A batch of documents to a batch of lines, whatever the documents hold."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, cast

from allennlp.common.util import JsonDict

from joint_ner_re.corpora.files import read_document
from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.predictors.halving import in_halves, is_out_of_memory
from joint_ner_re.streams import open_once
from joint_ner_re.writing import PathLike

_GZIP = b"\x1f\x8b"
# Nobody's document; whatever it is, it shall not fill the memory.
_MAX_LINE_BYTES = 2**26
# A document becomes a hundred times as much, as tokens with their offsets.
_BATCH_BYTES = 2**20


class Item(NamedTuple):
    """One document of the input, as bytes of a line or as the file that holds it."""

    number: int
    content: bytes
    # Where the next one begins: a byte of the file, or an index of the directory's files.
    next: int = 0
    file: str = ""
    # The id of a document that is a file.
    name: str = ""


@contextmanager
def opened(path: PathLike) -> Iterator[BinaryIO]:
    """A file, decompressed if it is a gzip file.

    # Raises

    `ExtractionError`
        If it cannot be read, now or later in the block.
    """
    try:
        with open_once(path) as file:
            packed = cast(io.BufferedReader, file).peek(2)[:2] == _GZIP
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ExtractionError(f"{path}: the gzip file is damaged ({error})") from error
    except OSError as error:
        raise ExtractionError(f"{path}: cannot be read ({error})") from error


def lines_of(stream: BinaryIO, done: int) -> Iterator[Item]:
    """The documents from here on, after the first `done`; of too long a line the beginning."""
    number = done
    while True:
        line = stream.readline(_MAX_LINE_BYTES)
        if not line:
            return
        number += 1
        whole = line
        while len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(_MAX_LINE_BYTES)
        yield Item(number, whole, stream.tell() if stream.seekable() else 0)


def batches_of(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """The documents, `size` of them at once, or fewer where they are long."""
    batch: list[Item] = []
    held = 0
    for item in items:
        batch.append(item)
        held += os.path.getsize(item.file) if item.file else len(item.content)
        if len(batch) == size or held >= _BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def predicted_lines(predictor: JointPredictor, batch: list[Item]) -> tuple[list[str], int]:
    """One line for each document, in order, and how many of them tell of an error."""
    outputs: dict[int, JsonDict] = {}
    records: list[tuple[int, JsonDict]] = []
    for item in batch:
        try:
            records.append((item.number, _record(predictor, item)))
        except (ValueError, RecursionError) as error:
            outputs[item.number] = _failure(item.number, item.name, error)

    def predict(some: list[tuple[int, JsonDict]]) -> list[JsonDict]:
        return predictor.predict_batch_json([record for _, record in some])

    def give_up(numbered: tuple[int, JsonDict], error: Exception) -> JsonDict:
        number, record = numbered
        name = record.get("id")
        return _failure(number, "" if name is None else str(name), error)

    predicted = in_halves(predict, records, give_up, _is_of_the_documents)
    outputs.update((number, output) for (number, _), output in zip(records, predicted))
    lines = []
    errors = 0
    for item in batch:
        output = outputs[item.number]
        try:
            line = predictor.dump_line(output)
            line.encode("utf-8")
        except (ValueError, RecursionError) as error:
            # Of an id that is no text, such as a file's name, or JSON just not too deep to read.
            output = _failure(item.number, "", error)
            line = predictor.dump_line(output)
        lines.append(line)
        errors += "error" in output
    return lines, errors


def _record(predictor: JointPredictor, item: Item) -> JsonDict:
    """The document as the predictor takes it.

    # Raises

    `ValueError`
        If it is not UTF-8, too long, or begins like a JSON object but is none.
    """
    if item.file:
        return {"id": item.name, "text": read_document(item.file)}
    if len(item.content) == _MAX_LINE_BYTES:
        raise ValueError(f"a line of more than {_MAX_LINE_BYTES} bytes")
    try:
        return predictor.load_line(item.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start + 1} of the line is not UTF-8; convert the file, for example "
            "with iconv -f LATIN1 -t UTF-8"
        ) from error


def _is_of_the_documents(error: Exception) -> bool:
    """Whether other documents may fare better: too little memory, or a malformed document."""
    return isinstance(error, (ValueError, RecursionError)) or is_out_of_memory(error)


def _failure(number: int, name: str, error: Exception) -> JsonDict:
    details = {"type": type(error).__name__, "message": str(error)}
    return {"id": name, "error": details, "line": number}
