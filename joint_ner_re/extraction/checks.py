"""What is said before a model is loaded, and what a run says at its end."""

import hashlib
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional

from joint_ner_re.writing import PathLike

_BLOCK = 2**20


class ExtractionError(ValueError):
    """A run that cannot begin or go on: the message says why, and what to do."""


class Summary(NamedTuple):
    """What a run has done: all documents, those of them that failed, those done by runs before."""

    documents: int
    errors: int
    resumed_from: int


def check_options(batch_documents: int, relation_threshold: Optional[float]) -> None:
    """
    # Raises

    `ExtractionError`
        If one of them is impossible.
    """
    if batch_documents < 1:
        raise ExtractionError(f"batch_documents is {batch_documents}; expected 1 or more")
    if relation_threshold is not None and not 0 <= relation_threshold <= 1:
        raise ExtractionError(f"relation_threshold is {relation_threshold}; expected 0 to 1")


def check_begun(
    output: PathLike, begun: Mapping[str, Any], run: Mapping[str, Any], otherwise: str
) -> None:
    """
    # Parameters

    output : `str`
        What the interrupted run has written.
    begun, run : `Mapping[str, Any]`
        Of what the output was begun, and what is asked for now.
    otherwise : `str`
        What to do, if not to give the same as then.

    # Raises

    `ExtractionError`
        If these differ.
    """
    other = [name for name in run if begun.get(name) != run[name]]
    if other:
        raise ExtractionError(
            f"{output} was begun with another {' and another '.join(other)}; give the same as then "
            f"to go on, or {otherwise}"
        )


def model_fingerprint(archive: PathLike) -> str:
    """Of the content of a file, or of all files in a directory.

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
    """Of the content of these files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
