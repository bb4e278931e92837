"""Exports of several files: a directory, a zip archive, or archives in archives.

INCEpTION exports a document as an archive of the document and its type system, and a project as an
archive of such archives. Archives of strangers may unpack to far more than they are: what is read
of them is limited, whatever their directory says.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, PathLike, handled
from joint_ner_re.corpora.files import Line, is_zip, lines_of, read_lines
from joint_ner_re.messages import quote
from joint_ner_re.streams import open_to_read

MAX_BYTES = 2**26
"""How long a file in an archive may be, unpacked; a text of 4 million characters is far shorter."""

MAX_TOTAL_BYTES = 2**30
"""How much is read of an archive and all archives in it."""

MAX_FILES = 10_000
"""How many files an archive may list, with those of the archives in it."""

MAX_NESTED = 3
"""How deep archives may be nested."""

# Where a project's export has the documents of annotators and the curated ones.
_DOCUMENT = re.compile(r"(?:.*/)?(annotation|curation)/([^/]+)/.*")
_INITIAL = "INITIAL_CAS"


class Member(NamedTuple):
    """One file of an export.

    # Parameters

    path : `str`
        Where it is, for messages; for a file of an archive, the archive's path and its own.
    name : `str`
        Its path in the export without the suffix, which names the document.
    lines : `Callable`
        Reads it.
    beside : `Callable`
        Reads the file of this name beside it; `None` if there is none. Case does not count.
    """

    path: PathLike
    name: str
    lines: Callable[[], Iterator[Line]]
    beside: Callable[[str], Iterator[Line] | None]


def members(
    path: PathLike,
    suffixes: Sequence[str],
    changes: Counter[str],
    on_error: ErrorHandler | None = None,
) -> Iterator[Member]:
    """The files with these suffixes of a directory or an archive; another file is the only one.

    Of a project's export, curated documents stand for those of the annotators, and the documents
    without annotations are left out; `changes` counts them.

    # Raises

    `CorpusFormatError`
        If there is no such file, or an archive is damaged or exceeds one of the limits.
    """
    if os.path.isdir(path):
        files = files_in(path, suffixes)
        if not files:
            raise CorpusFormatError(
                path, None, f"no {' or '.join(suffixes)} file in this directory; expected some"
            )
        for file in files:
            name = file.relative_to(path).as_posix()
            with handled(on_error):
                yield from _file(file, name, suffixes, changes, on_error)
    else:
        yield from _file(path, os.path.basename(path), suffixes, changes, on_error)


def files_in(directory: PathLike, suffixes: Sequence[str]) -> list[Path]:
    """The files with these suffixes and the archives of a directory and of all in it, by name."""
    return [
        file
        for file in sorted(Path(directory).rglob("*"))
        if file.name.lower().endswith((*suffixes, ".zip"))
        and file.name[0] != "."
        and file.is_file()
    ]


def names_in(path: PathLike) -> list[str]:
    """The names of the files in an archive; of an archive in it instead, if it holds nothing else.

    # Raises

    `CorpusFormatError`
        If it is damaged or exceeds one of the limits.
    """
    budget = _Budget()
    content = _archive_content(path)
    while True:
        with _archive(path, content) as archive:
            names = _entries(path, archive, budget)
            inner = [name for name in names if name.lower().endswith(".zip")]
            if not inner or any(name.lower().endswith((".tsv", ".xmi")) for name in names):
                return names
            content = _unpacked(path, archive, inner[0], budget)
            budget.deeper(path)


def _file(
    path: PathLike,
    name: str,
    suffixes: Sequence[str],
    changes: Counter[str],
    on_error: ErrorHandler | None,
) -> Iterator[Member]:
    if not is_zip(path):
        yield Member(
            path, _stem(name), lambda: read_lines(path), lambda other: _beside(path, other)
        )
        return
    content = _archive_content(path)
    found = False
    for member in _Archive(suffixes, changes, on_error).members(path, _stem(name), content):
        found = True
        yield member
    if not found:
        raise CorpusFormatError(
            path,
            1,
            f"no {' or '.join(suffixes)} file in this zip archive; expected an export of INCEpTION",
        )


def _beside(path: PathLike, name: str) -> Iterator[Line] | None:
    for file in Path(path).parent.iterdir():
        if file.name.lower() == name.lower():
            return read_lines(file)
    return None


class _Budget:
    """What may still be read of an archive."""

    def __init__(self) -> None:
        self.bytes = MAX_TOTAL_BYTES
        self.files = MAX_FILES
        self.levels = MAX_NESTED

    def deeper(self, path: PathLike) -> None:
        """Note that an archive in an archive is opened."""
        self.levels -= 1
        if self.levels < 0:
            raise CorpusFormatError(
                path, 1, f"zip archives nested more than {MAX_NESTED} deep; unpack the outer ones"
            )


class _Archive:
    """Reads one archive with those in it."""

    def __init__(
        self, suffixes: Sequence[str], changes: Counter[str], on_error: ErrorHandler | None
    ) -> None:
        self._suffixes = tuple(suffixes)
        self._changes = changes
        self._on_error = on_error
        self._budget = _Budget()

    def members(self, path: PathLike, name: str, content: bytes) -> Iterator[Member]:
        """The files of an archive.

        # Parameters

        path : `str`
            Where it is, for messages.
        name : `str`
            What its only document is called, or what the names of several begin with.
        content : `bytes`
            The archive.
        """
        with _archive(path, content) as archive:
            chosen = self._chosen(_entries(path, archive, self._budget))
            for inner in chosen:
                place = f"{os.fspath(path)}/{_printable(inner)}"
                document = _DOCUMENT.fullmatch(inner)
                if document:
                    own = f"{document[2]}/{os.path.basename(_stem(inner))}"
                else:
                    own = name if len(chosen) == 1 else f"{name}/{_stem(inner)}"
                if inner.lower().endswith(".zip"):
                    self._budget.deeper(path)
                    with handled(self._on_error):
                        packed = _unpacked(path, archive, inner, self._budget)
                        yield from self.members(place, own, packed)
                    self._budget.levels += 1
                else:
                    yield self._member(path, place, own, archive, inner)

    def _member(
        self, path: PathLike, place: str, name: str, archive: zipfile.ZipFile, inner: str
    ) -> Member:
        def lines(entry: str = inner, where: str = place) -> Iterator[Line]:
            yield from lines_of(
                where, io.BytesIO(_unpacked(path, archive, entry, self._budget)), False
            )

        def beside(other: str) -> Iterator[Line] | None:
            folder = os.path.dirname(inner)
            for entry in archive.namelist():
                same = os.path.basename(entry).lower() == other.lower()
                if same and os.path.dirname(entry) == folder:
                    return lines(entry, f"{os.fspath(path)}/{_printable(entry)}")
            return None

        return Member(place, name, lines, beside)

    def _chosen(self, names: Sequence[str]) -> list[str]:
        """The names of documents, without those that others stand for."""
        found = [name for name in names if name.lower().endswith((*self._suffixes, ".zip"))]
        places = {name: _DOCUMENT.fullmatch(name) for name in found}
        curated = {place[2] for place in places.values() if place and place[1] == "curation"}
        chosen = []
        for name, place in places.items():
            if place is None and any(places.values()):
                self._changes["files of a project beside its documents, not used"] += 1
            elif place is None:
                chosen.append(name)
            elif os.path.basename(name).startswith(_INITIAL):
                self._changes["documents as they were before anybody annotated, left out"] += 1
            elif place[1] == "annotation" and place[2] in curated:
                self._changes["documents of annotators that were curated, left out"] += 1
            else:
                chosen.append(name)
        return chosen


@contextmanager
def _archive(path: PathLike, content: bytes) -> Iterator[zipfile.ZipFile]:
    # Each entry of the directory, which is read as a whole, begins so.
    if content.count(b"PK\x01\x02") > 2 * MAX_FILES:
        raise _too_many(path)
    with _readable(path):
        archive = zipfile.ZipFile(io.BytesIO(content))
    with archive:
        yield archive


@contextmanager
def _readable(path: PathLike) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
        NotImplementedError,
        struct.error,
    ) as error:
        raise CorpusFormatError(
            path, 1, f"the zip archive cannot be unpacked ({error}); export it or copy it again"
        ) from error


def _too_many(path: PathLike) -> CorpusFormatError:
    return CorpusFormatError(
        path, 1, f"a zip archive of more than {MAX_FILES} files; unpack it first: unzip FILE"
    )


def _entries(path: PathLike, archive: zipfile.ZipFile, budget: _Budget) -> list[str]:
    names = sorted({entry.filename for entry in archive.infolist() if not entry.is_dir()})
    # What macOS adds beside each file.
    names = [name for name in names if not name.startswith("__MACOSX/")]
    budget.files -= len(names)
    if budget.files < 0:
        raise _too_many(path)
    return names


def _unpacked(path: PathLike, archive: zipfile.ZipFile, name: str, budget: _Budget) -> bytes:
    """A file of an archive, read no further than the limits."""
    limit = min(MAX_BYTES, budget.bytes)
    with _readable(path), archive.open(name) as file:
        content = file.read(limit + 1)
    budget.bytes -= len(content)
    if len(content) > limit:
        raise CorpusFormatError(
            path,
            1,
            f"{quote(name, 60)} in the zip archive is longer than {MAX_BYTES} bytes, or all of it "
            f"than {MAX_TOTAL_BYTES}; expected documents, not an archive that fills the memory: "
            "unpack it first and divide it",
        )
    return content


def _archive_content(path: PathLike) -> bytes:
    with open_to_read(path) as file:
        content = file.read(4 * MAX_BYTES + 1)
    if len(content) > 4 * MAX_BYTES:
        raise CorpusFormatError(
            path,
            1,
            f"a zip archive of more than {4 * MAX_BYTES} bytes; unpack it first: unzip FILE",
        )
    return content


def _stem(name: str) -> str:
    stem = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    return os.path.splitext(stem)[0]


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "_" for letter in name)[:200]
