"""Extraction from or to a pipe, which can be neither counted in advance nor resumed."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.corpora.failures import write_errors
from joint_ner_re.documents import DocumentPredictor
from joint_ner_re.extraction.batches import batches_of, predicted_lines
from joint_ner_re.extraction.checks import ExtractionError, Summary
from joint_ner_re.extraction.inputs import InputDocument, documents_of_stream, opened
from joint_ner_re.writing import PathLike, replacing


def extract_stream(
    load: Callable[[], DocumentPredictor],
    stream: Iterator[InputDocument],
    target: PathLike,
    format: str,
    batch_documents: int,
    relation_threshold: float | None,
    progress: bool,
    table: Mapping[str, Any] | None = None,
) -> Summary:
    """Predict for each document as it arrives. Parameters not listed are those of `extract`.

    JSON lines are written batch by batch. Other formats need the complete output, so they are made
    from a temporary file at the end.

    # Parameters

    stream : `Iterator[InputDocument]`
        The documents.

    # Raises

    `ExtractionError`
        If the input cannot be read.
    `OSError`
        If the output cannot be written.
    """
    predictor = load()
    if relation_threshold is not None:
        predictor.relation_threshold = relation_threshold
    documents = errors = 0
    with (
        _output(target, format, table) as write,
        tqdm(desc="extracting", unit=" documents", disable=not progress) as bar,
    ):
        for batch in batches_of(stream, batch_documents):
            lines, failed = predicted_lines(predictor, batch)
            write("".join(lines).encode("utf-8"))
            documents += len(lines)
            errors += failed
            bar.update(len(lines))
    return Summary(documents, errors, 0)


def stream_documents(source: PathLike, text_column: str | None = None) -> Iterator[InputDocument]:
    """The documents of a stream, which may be compressed with gzip.

    # Raises

    `ExtractionError`
        If it is empty or cannot be read.
    """
    number = 0
    with opened(source) as stream:
        for document in documents_of_stream(source, stream, text_column):
            number = document.number
            yield document
    if not number:
        raise ExtractionError(f"{os.fspath(source)}: empty; expected documents")


@contextmanager
def _output(
    target: PathLike, format: str, table: Mapping[str, Any] | None
) -> Iterator[Callable[[bytes], None]]:
    """A function that writes JSON lines; another format is made of all lines after the block."""
    if format == "jsonl":
        with replacing(target, "wb") as file:
            yield _writer(file, packed=os.fspath(target).endswith(".gz"))
        return
    with tempfile.TemporaryDirectory(prefix="joint_ner_re_") as directory:
        part = Path(directory) / "part.jsonl"
        with replacing(part, "wb") as file:
            yield _writer(file, packed=False)
        convert_output(part, target, format, table)


def convert_output(
    lines: PathLike, target: PathLike, format: str, table: Mapping[str, Any] | None = None
) -> None:
    """Convert JSON lines of predictions to another format, and name the failed documents beside it.

    # Parameters

    lines : `str`
        The predictions.
    target, format : `str`
        The output and its format.
    table : `Mapping[str, Any]`, optional (default = `None`)
        For CSV, options of `joint_ner_re.corpora.triples.write`.

    # Raises

    `OSError`
        If a file cannot be written.
    """
    sentences = read_corpus(
        lines, "jsonl", unit="sentence" if format in ("csv", "xlsx") else "document"
    )
    write_corpus(sentences, target, format, **(table or {}))
    write_errors(lines, target)


def _writer(file: Any, packed: bool) -> Callable[[bytes], None]:
    def write(content: bytes) -> None:
        # Several gzip members in a row are a valid gzip file.
        file.write(gzip.compress(content, mtime=0) if packed else content)
        file.flush()

    return write
