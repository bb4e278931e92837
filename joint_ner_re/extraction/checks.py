"""Checks before the model is loaded, and the summary of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from joint_ner_re.writing import PathLike

_CHUNK_BYTES = 2**20


class ExtractionError(ValueError):
    """A run cannot begin or continue. The message says why, and what to do."""


class Summary(NamedTuple):
    """The number of documents, of failures among them, and of documents done before a resume."""

    documents: int
    errors: int
    resumed_from: int


def check_options(batch_documents: int, relation_threshold: float | None) -> None:
    """Check the options that both kinds of extraction have.

    # Raises

    `ExtractionError`
        If an option is out of range.
    """
    if batch_documents < 1:
        raise ExtractionError(f"batch_documents is {batch_documents}; expected 1 or more")
    if relation_threshold is not None and not 0 <= relation_threshold <= 1:
        raise ExtractionError(f"relation_threshold is {relation_threshold}; expected 0 to 1")


def model_fingerprint(archive: PathLike) -> str:
    """The fingerprint of a file's content, or of all files in a directory.

    # Raises

    `ExtractionError`
        If it cannot be read.
    """
    path = Path(archive)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    try:
        return content_fingerprint(*files)
    except OSError as error:
        raise ExtractionError(f"the model {archive} cannot be read: {error}") from error


def content_fingerprint(*files: PathLike) -> str:
    """The SHA-256 of the content of these files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
