"""Reads the documents of a file or directory, and notices if they change meanwhile."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.extraction.inputs import LINES, InputDocument, documents_of, opened, recognised
from joint_ner_re.writing import PathLike

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 2**20
# A file's size and the time of its last change, in nanoseconds.
FileState = tuple[int, int]


def file_state(path: PathLike) -> FileState | None:
    """A cheap way to notice that a file has changed; `None` if it does not exist."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


class Source:
    """The input, whose documents are counted and fingerprinted in one pass.

    # Parameters

    path : `str`
        A file that `joint_ner_re.extraction.inputs` recognises, or a directory with a document in
        each `.txt` file. Files may be compressed with gzip.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for a table.

    # Raises

    `ExtractionError`
        If it cannot be read or has no documents.
    """

    def __init__(self, path: PathLike, text_column: str | None = None) -> None:
        self._path = os.fspath(path)
        self._text_column = text_column
        self._is_directory = os.path.isdir(self._path)
        self._files = _text_files(self._path) if self._is_directory else [self._path]
        # Before reading the content, so that any later change is noticed.
        self._states = {file: file_state(file) for file in self._files}
        if self._is_directory:
            if text_column is not None:
                raise ExtractionError(
                    f"{self._path}: --text-column {text_column} is for tables, and this is a "
                    "directory of texts; leave it out"
                )
            self.total, self.fingerprint = len(self._files), _fingerprint(self._states)
        else:
            self._kind = recognised(self._path, text_column)
            self.total, self.fingerprint = _count_and_hash(self._path)
            if self._kind.name != LINES:
                self.total = sum(1 for _ in self._read())
        others = self._others()
        if not self.total:
            what = "no .txt file in this directory" if self._is_directory else "empty"
            raise ExtractionError(f"{self._path}: {what}; expected documents{others}")
        if others:
            logger.warning("%s: %d .txt files are read%s", path, self.total, others)

    def documents(self, done: int = 0, position: int = 0) -> Iterator[InputDocument]:
        """The documents after the first `done`, from `position` on."""
        if self._is_directory:
            for index in range(position, len(self._files)):
                file = self._files[index]
                self._check_file(file, index)
                yield InputDocument(index + 1, b"", index + 1, file, self._name(file))
            return
        # Ignore lines that are appended meanwhile: the fingerprint does not cover them.
        yield from islice(self._read(done, position), self.total - done)

    def _read(self, done: int = 0, position: int = 0) -> Iterator[InputDocument]:
        return documents_of(self._path, self._kind, self._text_column, done, position)

    def _others(self) -> str:
        """What else is in a directory, for messages; brat's annotations belong to the texts."""
        if not self._is_directory:
            return ""
        others = [
            path
            for path in sorted(Path(self._path).rglob("*"))
            if path.is_file()
            and not path.name.startswith(".")
            and not path.name.endswith((".txt", ".txt.gz", ".ann", ".conf"))
        ]
        if not others:
            return ""
        return f"; {len(others)} other files are left out, such as {others[0].name}"

    def _name(self, file: str) -> str:
        """A file's id: its path in the directory, without `.txt`."""
        name = Path(file).relative_to(self._path).as_posix()
        return name[: name.rindex(".txt")]

    def check_unchanged(self, batch: list[InputDocument], done: int) -> None:
        """Make sure that the input did not change before a batch was read.

        # Parameters

        batch : `list[InputDocument]`
            The documents of the batch.
        done : `int`
            How many documents were done before, for the message.

        # Raises

        `ExtractionError`
            If a file has changed.
        """
        if not self._is_directory:
            if file_state(self._path) != self._states[self._path]:
                self._compare(done)
            return
        for document in batch:
            self._check_file(document.file, done)

    def check_complete(self, done: int) -> None:
        """Make sure at the end that all documents were read and the input has not changed.

        # Raises

        `ExtractionError`
            If documents are missing, or the input has changed.
        """
        found = _text_files(self._path) if self._is_directory else self._files
        if done != self.total or {file: file_state(file) for file in found} != self._states:
            self._compare(done)
        if done != self.total:
            raise self._changed(done, "it ended early")

    def _check_file(self, file: str, done: int) -> None:
        if file_state(file) != self._states[file]:
            what = "has changed" if os.path.exists(file) else "is gone"
            raise self._changed(done, f"{file} {what}")

    def _compare(self, done: int) -> None:
        """Read the input again, because a file that was touched or copied back is the same."""
        try:
            now = Source(self._path, self._text_column)
        except ExtractionError as error:
            raise self._changed(done, str(error)) from error
        if now.fingerprint != self.fingerprint:
            raise self._changed(done, f"it has {now.total:,} documents now")
        self._states = now._states

    def _changed(self, done: int, what: str) -> ExtractionError:
        return ExtractionError(
            f"{self._path} has changed while it was read: it had {self.total:,} documents, of "
            f"which {done:,} are done, and {what}. Restore the old input and run the same command "
            "to resume; for the new input, start over with --no-resume"
        )


def _text_files(directory: str) -> list[str]:
    found = sorted(Path(directory).rglob("*"))
    return [str(p) for p in found if p.name.endswith((".txt", ".txt.gz")) and p.is_file()]


def _fingerprint(states: dict[str, FileState | None]) -> str:
    digest = hashlib.sha256()
    for file, state in states.items():
        size, changed = state or (0, 0)
        digest.update(f"{file}\n{size} {changed}\n".encode())
    return digest.hexdigest()


def _count_and_hash(path: str) -> tuple[int, str]:
    """The number of lines of a file, and the SHA-256 of its decompressed content."""
    digest = hashlib.sha256()
    total, last = 0, b"\n"
    with opened(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            total += chunk.count(b"\n")
            last = chunk[-1:]
    return total + (last != b"\n"), digest.hexdigest()
