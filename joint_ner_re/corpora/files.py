"""Opens corpus files for all formats, and parses what several formats share.

Errors that do not depend on the format, such as a wrong encoding, are raised here.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO, TextIO, cast

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.messages import quote
from joint_ner_re.streams import is_stream, open_to_read
from joint_ner_re.writing import replacing

Line = tuple[int, str]
"""A line's number, counted from 1, and its text without the line end."""

# SpERT's files have a whole corpus in one line.
_MAX_LINE_BYTES = 2**28
_HEAD_BYTES = 2**20

_GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
"""What a Parquet file begins with."""

_ZIP = b"PK\x03\x04"
# The first bytes of other kinds of files, and what the user can do.
_SIGNATURES = (
    (_GZIP, "is compressed with gzip twice; unpack it once: gunzip FILE"),
    (b"BZh", "is compressed with bzip2; unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first: unxz FILE"),
    (_ZIP, "is a zip archive; unpack it first: unzip FILE"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first: unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first: 7z x FILE"),
    (b"%PDF-", "is a PDF, which has no annotations; export the annotations, not the document"),
    (b"\xd0\xcf\x11\xe0", "is a Word or Excel file; export the annotations, not the document"),
    (b"SQLite format 3", "is a SQLite database; export the annotations from the tool that uses it"),
    (b"ARROW1", "is an Arrow table; write it as Parquet"),
    (codecs.BOM_UTF16_LE, "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"),
    (codecs.BOM_UTF16_BE, "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"),
)

# Within `counted_bytes`: the files that are open, and how far others were read, by path.
_counted: ContextVar[dict[str, BinaryIO | int] | None] = ContextVar("counted", default=None)


@contextmanager
def counted_bytes() -> Iterator[Callable[[], int]]:
    """Counts the bytes that are read of files which are opened meanwhile.

    It gives a function that tells their number so far. Of a compressed file the packed bytes
    count, and of a file that is read again the larger number.
    """
    files: dict[str, BinaryIO | int] = {}
    token = _counted.set(files)
    try:
        yield lambda: sum(file if isinstance(file, int) else file.tell() for file in files.values())
    finally:
        _counted.reset(token)


@contextmanager
def _counting(path: PathLike, file: BinaryIO) -> Iterator[None]:
    files = _counted.get()
    if files is None or is_stream(path):
        yield
        return
    name = os.fspath(path)
    before = files.get(name, 0)
    files[name] = file
    try:
        yield
    finally:
        files[name] = max(file.tell(), before if isinstance(before, int) else 0)


def read_lines(path: PathLike, may_be_empty: bool = False) -> Iterator[Line]:
    """The lines of a text file. `\\n` and `\\r\\n` end a line; a byte order mark is dropped.

    Files compressed with gzip are unpacked, whatever their name.

    # Parameters

    path : `str`
        The file.
    may_be_empty : `bool`, optional (default = `False`)
        Whether a file with white space only is allowed.

    # Raises

    `CorpusFormatError`
        If the file is missing, a directory, unreadable, empty, compressed in another way than
        gzip, or not UTF-8 text.
    """
    with _opened(path) as file:
        yield from lines_of(path, file, may_be_empty)


def lines_of(path: PathLike, file: BinaryIO, may_be_empty: bool = False) -> Iterator[Line]:
    """As `read_lines`, of a file that is open; the path is for messages.

    # Raises

    `CorpusFormatError`
        If the file is empty or not UTF-8 text.
    """
    blank = True
    lines = iter(lambda: file.readline(_MAX_LINE_BYTES), b"")
    for number, raw in enumerate(lines, start=1):
        text = _decode(path, number, raw)
        blank = blank and not text.strip()
        yield number, text
    if blank and not may_be_empty:
        raise CorpusFormatError(path, None, "the file is empty; expected a corpus")


def read_rows(path: PathLike) -> Iterator[Line]:
    """The lines of a file that has one record per line; blank lines are allowed only at its end.

    # Raises

    `CorpusFormatError`
        As for `read_lines`, and if a blank line is not at the end.
    """
    blank = 0
    for number, line in read_lines(path):
        if not line.strip():
            blank = blank or number
        elif blank:
            raise CorpusFormatError(
                path, blank, "a blank line inside the file; expected one record in every line"
            )
        else:
            yield number, line


def read_text(path: PathLike) -> str:
    """The whole file as text, with `\\n` between its lines."""
    return "\n".join(line for _, line in read_lines(path))


def read_document(path: PathLike) -> str:
    """The whole file with its line ends and byte order mark, since offsets may count them.

    # Raises

    `CorpusFormatError`
        As for `read_lines`, but the file may be empty.
    """
    with _opened(path) as file:
        raw = file.read(_MAX_LINE_BYTES)
    if len(raw) >= _MAX_LINE_BYTES:
        raise CorpusFormatError(path, 1, f"a document of more than {_MAX_LINE_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        number, begin = 1 + raw.count(b"\n", 0, error.start), raw.rfind(b"\n", 0, error.start) + 1
        raise _not_utf8(path, number, error.start - begin, raw[error.start]) from None
    if "\x00" in text:
        number = 1 + text.count("\n", 0, text.index("\x00"))
        raise CorpusFormatError(path, number, "a NUL byte; expected UTF-8 text")
    return text


def read_head(path: PathLike) -> list[str]:
    """The first lines, or the start of a very long first line, to detect the format."""
    with _opened(path) as file:
        raw = file.read(_HEAD_BYTES)
    if not raw.strip():
        # This raises the error for an empty file.
        for _ in read_lines(path):
            pass
    if len(raw) == _HEAD_BYTES:
        complete, newline, _ = raw.rpartition(b"\n")
        # The cut may be inside a character.
        raw = complete if newline else raw.decode("utf-8", errors="ignore").encode("utf-8")
    return [_decode(path, n, line) for n, line in enumerate(raw.split(b"\n"), start=1)]


def read_ids(path: PathLike) -> dict[str, int]:
    """The sentence ids of a file with one id per line, each with its line number.

    # Raises

    `CorpusFormatError`
        As for `read_rows`, and if an id occurs twice.
    """
    lines: dict[str, int] = {}
    for number, line in read_rows(path):
        name = line.strip()
        if name in lines:
            raise CorpusFormatError(
                path, number, f"the id {quote(name)} is already in line {lines[name]}"
            )
        lines[name] = number
    return lines


def columns(path: PathLike, number: int, line: str, separator: str, names: str) -> list[str]:
    """The columns of a line; there must be as many as `names`, which commas separate."""
    found = line.split(separator)
    expected = len(names.split(","))
    if len(found) != expected:
        mark = "tabs" if separator == "\t" else repr(separator)
        raise CorpusFormatError(
            path,
            number,
            f"{len(found)} columns separated by {mark}; expected {expected} ({names}): "
            f"{quote(line)}",
        )
    return found


def parse_int(path: PathLike, number: int, text: str, what: str) -> int:
    """A number of up to 9 digits: a longer one can only be an error."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise CorpusFormatError(
            path, number, f"{what} is {quote(text, 30)}; expected a number of up to 9 digits"
        )
    return int(text)


def is_zip(path: PathLike) -> bool:
    """Whether a file on disk begins as a zip archive does."""
    return _begins_with(path, _ZIP)


def is_parquet(path: PathLike) -> bool:
    """Whether a file on disk begins as a Parquet table does, unpacked if need be."""
    if os.path.isdir(path) or is_stream(path):
        return False
    try:
        with _opened(path) as file:
            return file.read(len(PARQUET)) == PARQUET
    except CorpusFormatError:
        return False


@contextmanager
def open_binary(path: PathLike) -> Iterator[BinaryIO]:
    """A file to read bytes, unpacked if it is compressed with gzip.

    # Raises

    `CorpusFormatError`
        If the file is missing, a directory, unreadable, or compressed in another way than gzip.
    """
    with _opened(path) as file:
        yield file


def _begins_with(path: PathLike, signature: bytes) -> bool:
    # A stream may have to be read from its beginning afterwards.
    if os.path.isdir(path) or is_stream(path):
        return False
    try:
        with open_to_read(path) as file:
            return cast(io.BufferedReader, file).peek(8)[: len(signature)] == signature
    except OSError:
        return False


@contextmanager
def _opened(path: PathLike) -> Iterator[BinaryIO]:
    if os.path.isdir(path):
        raise CorpusFormatError(path, None, "this is a directory; expected a file")
    try:
        with open_to_read(path) as packed, _counting(path, packed):
            file = cast(io.BufferedReader, packed)
            if file.peek(2)[:2] == _GZIP:
                file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
            start = file.peek(64)[:64]
            for signature, advice in _SIGNATURES:
                if start.startswith(signature):
                    raise CorpusFormatError(path, 1, f"expected UTF-8 text, but the file {advice}")
            if encoding := _utf_16(start):
                raise CorpusFormatError(
                    path,
                    1,
                    "expected UTF-8 text, but the file is UTF-16 without a byte order mark; "
                    f"convert it: iconv -f {encoding} -t UTF-8",
                )
            yield file
    except FileNotFoundError:
        raise CorpusFormatError(path, None, "there is no such file; check the path") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusFormatError(
            path,
            None,
            f"the gzip file is damaged or incomplete ({error}); pack it or copy it again",
        ) from error
    except OSError as error:
        raise CorpusFormatError(path, None, f"the file cannot be read: {error}") from error


def _utf_16(start: bytes) -> str | None:
    """The encoding, if every other byte is 0, as in English text in UTF-16."""
    even, odd = start[::2], start[1::2]
    if len(odd) < 8:
        return None
    if not any(odd) and 0 not in even:
        return "UTF-16LE"
    return "UTF-16BE" if not any(even) and 0 not in odd else None


def _decode(path: PathLike, number: int, raw: bytes) -> str:
    if len(raw) >= _MAX_LINE_BYTES:
        raise CorpusFormatError(path, number, f"a line of more than {_MAX_LINE_BYTES} bytes")
    if number == 1 and raw.startswith(codecs.BOM_UTF8):
        raw = raw[len(codecs.BOM_UTF8) :]
    if b"\x00" in raw:
        raise CorpusFormatError(
            path,
            number,
            f"a NUL byte at byte {raw.index(0) + 1} of the line; expected UTF-8 text. The file is "
            "damaged, binary, or UTF-16",
        )
    if raw.endswith(b"\n"):
        raw = raw[:-1]
    if raw.endswith(b"\r"):
        raw = raw[:-1]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, number, error.start, raw[error.start]) from None
    if "\r" in text:
        raise CorpusFormatError(
            path, number, "a carriage return inside the line; expected lines ended by \\n or \\r\\n"
        )
    return text


def _not_utf8(path: PathLike, number: int, place: int, byte: int) -> CorpusFormatError:
    return CorpusFormatError(
        path,
        number,
        f"byte {place + 1} of the line is 0x{byte:02x}, which is not UTF-8; "
        "convert the file, for example with iconv -f LATIN1 -t UTF-8",
    )


@contextmanager
def output(path: PathLike) -> Iterator[TextIO]:
    """A text file to write atomically; see `replacing`.

    It is compressed if its name ends in `.gz`. Equal texts give equal files.
    """
    if not os.fspath(path).endswith(".gz"):
        with replacing(path) as file:
            yield file
        return
    with replacing(path, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        text = io.TextIOWrapper(cast(BinaryIO, packed), encoding="utf-8", newline="\n")
        yield text
        text.flush()
        text.detach()
