"""The one place that opens corpora: everything that can be wrong with a file before its format
matters is found here, and so is the small change of parsing (numbers, lists of ids)."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, shorten
from joint_ner_re.streams import open_to_read
from joint_ner_re.writing import replacing

Line = tuple[int, str]
"""A line's number, counted from 1, and its text without the line end."""

# A corpus line is a sentence or a token; SpERT's files hold a whole corpus in one line.
_MAX_LINE_BYTES = 2**28
_HEAD_BYTES = 2**20

_GZIP = b"\x1f\x8b"
# What other kinds of files begin with, and what to do about it.
_SIGNATURES = (
    (_GZIP, "is compressed with gzip twice; unpack it once: gunzip FILE"),
    (b"BZh", "is compressed with bzip2; unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first: unxz FILE"),
    (b"PK\x03\x04", "is a zip archive; unpack it first: unzip FILE"),
    (codecs.BOM_UTF16_LE, "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"),
    (codecs.BOM_UTF16_BE, "is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"),
)


def read_lines(path: PathLike, may_be_empty: bool = False) -> Iterator[Line]:
    """The file's lines as text. `\\n` and `\\r\\n` end a line; a byte order mark is dropped.

    A file compressed with gzip, whatever its name, is unpacked while it is read.

    # Parameters

    path : `str`
        The file.
    may_be_empty : `bool`, optional (default = `False`)
        Whether a file of white space only is fine.

    # Raises

    `CorpusFormatError`
        If the file is missing, a directory, unreadable, empty, compressed otherwise than with
        gzip, or not UTF-8 text.
    """
    with _opened(path) as file:
        blank = True
        lines = iter(lambda: file.readline(_MAX_LINE_BYTES), b"")
        for number, raw in enumerate(lines, start=1):
            text = _decode(path, number, raw)
            blank = blank and not text.strip()
            yield number, text
    if blank and not may_be_empty:
        raise CorpusFormatError(path, None, "the file is empty; expected a corpus")


def read_rows(path: PathLike) -> Iterator[Line]:
    """The lines of a file with one record in each; blank lines may stand at its end only.

    # Raises

    `CorpusFormatError`
        As for `read_lines`, and if a blank line is followed by a line that is not.
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
    """The whole file as text, its lines ended by `\\n`."""
    return "\n".join(line for _, line in read_lines(path))


def read_document(path: PathLike) -> str:
    """The whole file as it stands: offsets may count its line ends and its byte order mark.

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
    """The first lines, or the first part of a very long first line, to tell formats apart."""
    with _opened(path) as file:
        raw = file.read(_HEAD_BYTES)
    if not raw.strip():
        for _ in read_lines(path):
            pass
    if len(raw) == _HEAD_BYTES:
        complete, newline, _ = raw.rpartition(b"\n")
        # A single long line may be cut inside a character.
        raw = complete if newline else raw.decode("utf-8", errors="ignore").encode("utf-8")
    return [_decode(path, n, line) for n, line in enumerate(raw.split(b"\n"), start=1)]


def read_ids(path: PathLike) -> dict[str, int]:
    """A list of sentence ids, one a line: each id with its line.

    # Raises

    `CorpusFormatError`
        As for `read_rows`, and if an id occurs twice.
    """
    lines: dict[str, int] = {}
    for number, line in read_rows(path):
        name = line.strip()
        if name in lines:
            raise CorpusFormatError(
                path, number, f"the id {shorten(name)} stands in line {lines[name]} already"
            )
        lines[name] = number
    return lines


def columns(path: PathLike, number: int, line: str, separator: str, names: str) -> list[str]:
    """The line's columns, as many as there are `names` (which are separated by commas)."""
    found = line.split(separator)
    expected = len(names.split(","))
    if len(found) != expected:
        mark = "tabs" if separator == "\t" else repr(separator)
        raise CorpusFormatError(
            path,
            number,
            f"{len(found)} columns separated by {mark}; expected {expected} ({names}): "
            f"{shorten(line)}",
        )
    return found


def parse_int(path: PathLike, number: int, text: str, what: str) -> int:
    """A number of the corpus. Positions have few digits; anything longer is damage."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise CorpusFormatError(
            path, number, f"{what} is {shorten(text, 30)}; expected a number of up to 9 digits"
        )
    return int(text)


@contextmanager
def _opened(path: PathLike) -> Iterator[BinaryIO]:
    if os.path.isdir(path):
        raise CorpusFormatError(path, None, "this is a directory; expected a file")
    try:
        with open_to_read(path) as packed:
            file = cast(io.BufferedReader, packed)
            if file.peek(2)[:2] == _GZIP:
                file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
            start = file.peek(8)[:8]
            for signature, advice in _SIGNATURES:
                if start.startswith(signature):
                    raise CorpusFormatError(path, 1, f"expected UTF-8 text, but the file {advice}")
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
    """A text file to write, which takes its name only when it is complete; see `replacing`.

    One whose name ends in `.gz` is compressed. The same text gives the same bytes.
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
