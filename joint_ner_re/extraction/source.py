"""The documents of a file or directory, and whether they change while they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from joint_ner_re.extraction.batches import Item, lines_of, opened
from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.writing import PathLike

_BLOCK = 2**20
# A file's size and the time of its last change, in nanoseconds.
FileState = tuple[int, int]


def file_state(path: PathLike) -> FileState | None:
    """What tells cheaply that a file has changed; `None` if there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


class Source:
    """The documents of the input, counted and fingerprinted in one pass.

    # Parameters

    path : `str`
        A file with a document in each line, or a directory with one in each `.txt` file;
        compressed with gzip or not.

    # Raises

    `ExtractionError`
        If it cannot be read or has no documents.
    """

    def __init__(self, path: PathLike) -> None:
        self._path = os.fspath(path)
        self._is_directory = os.path.isdir(self._path)
        self._files = _text_files(self._path) if self._is_directory else [self._path]
        # Before the content is read: a later change shows.
        self._states = {file: file_state(file) for file in self._files}
        if self._is_directory:
            self.total, self.fingerprint = len(self._files), _fingerprint(self._states)
        else:
            self.total, self.fingerprint = _count_and_hash(self._path)
        if not self.total:
            what = "no .txt file in this directory" if self._is_directory else "empty"
            raise ExtractionError(f"{self._path}: {what}; expected documents")

    def items(self, done: int, position: int) -> Iterator[Item]:
        """The documents after the first `done`, which begin at `position`."""
        if self._is_directory:
            for index in range(position, len(self._files)):
                file = self._files[index]
                self._check_file(file, index)
                yield Item(index + 1, b"", index + 1, file, self._name(file))
            return
        with opened(self._path) as stream:
            stream.seek(position)
            # Not the lines that are appended meanwhile, which the fingerprint does not cover.
            yield from islice(lines_of(stream, done), self.total - done)

    def _name(self, file: str) -> str:
        """A file's id: its path in the directory, without `.txt`."""
        name = Path(file).relative_to(self._path).as_posix()
        return name[: name.rindex(".txt")]

    def check_unchanged(self, batch: list[Item], done: int) -> None:
        """Make sure that a batch was read from the input as it was at the start.

        # Parameters

        batch : `list[Item]`
            Documents that have just been read.
        done : `int`
            How many documents are done before it, for the message.

        # Raises

        `ExtractionError`
            If a file has changed.
        """
        if not self._is_directory:
            if file_state(self._path) != self._states[self._path]:
                self._compare(done)
            return
        for item in batch:
            self._check_file(item.file, done)

    def check_complete(self, done: int) -> None:
        """Make sure at the end that all documents were read, and that the input is as it was.

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
        """Read the input again: a file that was only touched, or copied back, is the same."""
        try:
            now = Source(self._path)
        except ExtractionError as error:
            raise self._changed(done, str(error)) from error
        if now.fingerprint != self.fingerprint:
            raise self._changed(done, f"it has {now.total:,} documents now")
        self._states = now._states

    def _changed(self, done: int, what: str) -> ExtractionError:
        return ExtractionError(
            f"{self._path} has changed while it was read: it had {self.total:,} documents, of "
            f"which {done:,} are done, and {what}. With the input of then the same command "
            "resumes; with the new one, start over with --no-resume"
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
    """How many lines a file has, and the SHA-256 of what it holds, decompressed."""
    digest = hashlib.sha256()
    total, last = 0, b"\n"
    with opened(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            total += block.count(b"\n")
            last = block[-1:]
    return total + (last != b"\n"), digest.hexdigest()
