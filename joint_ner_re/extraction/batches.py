"""Turns a batch of input documents into lines of output; a bad document becomes an error record."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, cast

from joint_ner_re.corpora.files import read_document
from joint_ner_re.documents import DocumentPredictor, Record
from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.halving import in_halves, is_out_of_memory
from joint_ner_re.streams import open_once
from joint_ner_re.writing import PathLike

_GZIP = b"\x1f\x8b"
# A longer line is no document, and must not fill the memory.
_MAX_LINE_BYTES = 2**26
# In memory, tokens with their offsets take a hundred times as much as the document.
_MAX_BATCH_BYTES = 2**20


class InputDocument(NamedTuple):
    """One document of the input: a line's bytes, or the path of a file."""

    number: int
    content: bytes
    # Where the next document begins: a byte of the file, or an index of the directory's files.
    next: int = 0
    file: str = ""
    # The id of a document that is a file.
    name: str = ""


@contextmanager
def opened(path: PathLike) -> Iterator[BinaryIO]:
    """A file, decompressed if it is a gzip file.

    # Raises

    `ExtractionError`
        If it cannot be opened, or cannot be read in the block.
    """
    try:
        with open_once(path) as file:
            packed = cast(io.BufferedReader, file).peek(2)[:2] == _GZIP
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ExtractionError(f"{path}: the gzip file is damaged ({error})") from error
    except OSError as error:
        raise ExtractionError(f"{path}: cannot be read ({error})") from error


def lines_of(stream: BinaryIO, done: int) -> Iterator[InputDocument]:
    """The lines from here on, numbered after the first `done`. Lines that are too long are cut."""
    number = done
    while True:
        line = stream.readline(_MAX_LINE_BYTES)
        if not line:
            return
        number += 1
        content = line
        while len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(_MAX_LINE_BYTES)
        yield InputDocument(number, content, stream.tell() if stream.seekable() else 0)


def batches_of(documents: Iterator[InputDocument], size: int) -> Iterator[list[InputDocument]]:
    """Batches of `size` documents, or fewer if they are long."""
    batch: list[InputDocument] = []
    held = 0
    for document in documents:
        batch.append(document)
        held += os.path.getsize(document.file) if document.file else len(document.content)
        if len(batch) == size or held >= _MAX_BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def predicted_lines(
    predictor: DocumentPredictor, batch: list[InputDocument]
) -> tuple[list[str], int]:
    """One line for each document, in order, and the number of error records among them."""
    outputs: dict[int, Record] = {}
    records: list[tuple[int, Record]] = []
    for document in batch:
        try:
            records.append((document.number, _record(predictor, document)))
        except (ValueError, RecursionError) as error:
            outputs[document.number] = _failure(document.number, document.name, error)

    def predict(some: list[tuple[int, Record]]) -> list[Record]:
        return predictor.predict_batch_json([record for _, record in some])

    def give_up(numbered: tuple[int, Record], error: Exception) -> Record:
        number, record = numbered
        name = record.get("id")
        return _failure(number, "" if name is None else str(name), error)

    predicted = in_halves(predict, records, give_up, _depends_on_documents)
    outputs.update((number, output) for (number, _), output in zip(records, predicted))
    lines = []
    errors = 0
    for document in batch:
        output = outputs[document.number]
        try:
            line = predictor.dump_line(output)
            line.encode("utf-8")
        except (ValueError, RecursionError) as error:
            # The id cannot be encoded, such as some file names, or the JSON is nested too deeply.
            output = _failure(document.number, "", error)
            line = predictor.dump_line(output)
        lines.append(line)
        errors += "error" in output
    return lines, errors


def _record(predictor: DocumentPredictor, document: InputDocument) -> Record:
    """The document as input of the predictor.

    # Raises

    `ValueError`
        If it is not UTF-8, too long, or begins like a JSON object but is none.
    """
    if document.file:
        return {"id": document.name, "text": read_document(document.file)}
    if len(document.content) == _MAX_LINE_BYTES:
        raise ValueError(f"a line of more than {_MAX_LINE_BYTES} bytes")
    try:
        return predictor.load_line(document.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start + 1} of the line is not UTF-8; convert the file, for example "
            "with iconv -f LATIN1 -t UTF-8"
        ) from error


def _depends_on_documents(error: Exception) -> bool:
    """Whether other documents may succeed: the memory did not suffice, or one is malformed."""
    return isinstance(error, (ValueError, RecursionError)) or is_out_of_memory(error)


def _failure(number: int, name: str, error: Exception) -> Record:
    details = {"type": type(error).__name__, "message": str(error)}
    return {"id": name, "error": details, "line": number}
