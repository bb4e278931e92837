"""Extraction from or to a pipe, which can be neither counted in advance nor resumed."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.documents import DocumentPredictor
from joint_ner_re.extraction.batches import (
    InputDocument,
    batches_of,
    lines_of,
    opened,
    predicted_lines,
)
from joint_ner_re.extraction.checks import ExtractionError, Summary
from joint_ner_re.writing import PathLike, replacing


def extract_stream(
    load: Callable[[], DocumentPredictor],
    stream: Iterator[InputDocument],
    target: PathLike,
    format: str,
    batch_documents: int,
    relation_threshold: float | None,
    progress: bool,
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
        _output(target, format) as write,
        tqdm(desc="extracting", unit=" documents", disable=not progress) as bar,
    ):
        for batch in batches_of(stream, batch_documents):
            lines, failed = predicted_lines(predictor, batch)
            write("".join(lines).encode("utf-8"))
            documents += len(lines)
            errors += failed
            bar.update(len(lines))
    return Summary(documents, errors, 0)


def stream_documents(source: PathLike) -> Iterator[InputDocument]:
    """The documents of a stream with one in each line, which may be compressed with gzip.

    # Raises

    `ExtractionError`
        If it is empty or cannot be read.
    """
    number = 0
    with opened(source) as stream:
        for document in lines_of(stream, 0):
            number = document.number
            yield document
    if not number:
        raise ExtractionError(f"{os.fspath(source)}: empty; expected documents")


@contextmanager
def _output(target: PathLike, format: str) -> Iterator[Callable[[bytes], None]]:
    """A function that writes JSON lines; another format is made of all lines after the block."""
    if format == "jsonl":
        with replacing(target, "wb") as file:
            yield _writer(file, packed=os.fspath(target).endswith(".gz"))
        return
    with tempfile.TemporaryDirectory(prefix="joint_ner_re_") as directory:
        part = Path(directory) / "part.jsonl"
        with replacing(part, "wb") as file:
            yield _writer(file, packed=False)
        convert_output(part, target, format)


def convert_output(lines: PathLike, target: PathLike, format: str) -> None:
    """Convert JSON lines of predictions to another format."""
    options = {"split_sentences": True} if format == "csv" else {}
    write_corpus(read_corpus(lines, "jsonl", **options), target, format)


def _writer(file: Any, packed: bool) -> Callable[[bytes], None]:
    def write(content: bytes) -> None:
        # Several gzip members in a row are a valid gzip file.
        file.write(gzip.compress(content, mtime=0) if packed else content)
        file.flush()

    return write
