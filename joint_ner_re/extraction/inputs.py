"""Decides what an input file is, and gives its documents: the one door for all commands.

A file is text with a document in each line, JSON lines, a JSON array, one JSON object over several
lines, or a table with a column of texts. Anything else is an error that says what the file looks
like, and what to do.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, cast

from joint_ner_re.corpora.files import read_document
from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.extraction.table_rows import ROW_READERS, records_of_rows, separator_of
from joint_ner_re.messages import quote
from joint_ner_re.streams import open_once
from joint_ner_re.writing import PathLike

# A longer line is no document, and must not fill the memory.
MAX_LINE_BYTES = 2**26
_HEAD_BYTES = 2**16
# An array and a table in a pipe are held in memory.
_MAX_WHOLE_BYTES = 2**30

_GZIP = b"\x1f\x8b"
LINES, UTF16, JSON, ARRAY = "lines", "utf16", "json", "array"
CSV, EXCEL, PARQUET = "csv", "excel", "parquet"

_UNPACK = "unpack it first: "
# The first bytes of files that hold no documents, what they are, and what to do.
_SIGNATURES = (
    (b"%PDF-", "a PDF", "extract its text first, for example with pdftotext FILE out.txt"),
    (_GZIP, "compressed with gzip twice", f"{_UNPACK}gunzip FILE"),
    (b"BZh", "compressed with bzip2", f"{_UNPACK}bunzip2 FILE"),
    (b"\xfd7zXZ\x00", "compressed with xz", f"{_UNPACK}unxz FILE"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", f"{_UNPACK}unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and give the directory of its texts"),
    (b"Rar!", "a RAR archive", "unpack it, and give the directory of its texts"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file", "save it as .xlsx, .csv or plain text"),
    (b"{\\rtf", "an RTF document", "save it as plain text in UTF-8"),
    (b"\x89PNG", "an image", "give texts"),
    (b"\xff\xd8\xff", "an image", "give texts"),
    (b"SQLite format 3", "an SQLite database", "export a table of texts as CSV"),
    (b"\xff\xfe\x00\x00", "UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32", "convert it: iconv -f UTF-32 -t UTF-8"),
)
_CONVERT = (
    "read its texts with joint-ner-re convert FILE out.jsonl, or give a file with one text in "
    "each line"
)
# The first lines of text files that hold more than texts.
_TEXT_KINDS = (
    (r"\s*<(!doctype html|html)\b", "HTML", "save its text in a .txt file"),
    (r"\s*(<\?xml|<!doctype|<[a-z][\w:.-]*(\s[^<>\n]*)?>\s*(\n|$))", "XML", _CONVERT),
    (r"[\w.-]+\|[ta]\|", "PubTator", _CONVERT),
    (r"T\d+\t\S+ \d+ \d[\d; ]*\t|R\d+\t\S+ Arg1:", "brat annotations", "give the .txt files"),
    (r"#\s*(sent_id|newdoc|text)\b.*=|-DOCSTART-", "CoNLL columns", _CONVERT),
    (r"(\S+[ \t]+(\S+[ \t]+)*([BIESLU]-\S+|O)\r?\n){3}", "CoNLL columns", _CONVERT),
    (r"%!PS", "PostScript", "extract its text first, for example with ps2ascii"),
)
_TEXT_KIND = [(re.compile(pattern, re.I), what, advice) for pattern, what, advice in _TEXT_KINDS]
_TABLE_ENDINGS = (".csv", ".tsv", ".tab")


class InputDocument(NamedTuple):
    """One document of the input: a line's bytes, or the path of a file."""

    number: int
    content: bytes
    # Where the next document begins: a byte of the file, or an index of the directory's files.
    next: int = 0
    file: str = ""
    # The id of a document that is a file.
    name: str = ""


class Kind(NamedTuple):
    """What a file is.

    # Parameters

    name : `str`
        One of the constants of this module, such as `LINES`.
    detail : `str`, optional
        The encoding of `UTF16`, the separator of `CSV`.
    """

    name: str
    detail: str = ""


def kind_of(path: PathLike, head: bytes, text_column: str | None = None) -> Kind:
    """What a file is, by its first bytes.

    # Parameters

    path : `str`
        The file; its ending tells a table from text, and messages name it.
    head : `bytes`
        Its first bytes, unpacked.
    text_column : `str`, optional (default = `None`)
        The column of the texts that was asked for: then the file must be a table.

    # Raises

    `ExtractionError`
        If it is nothing that holds documents.
    """
    kind = _kind_of_bytes(path, head)
    return _kind_of_text(path, _decoded(head), text_column) if kind is None else kind


def _kind_of_bytes(path: PathLike, head: bytes) -> Kind | None:
    """The kind of a file that is no text in UTF-8; `None` for text."""
    if head.startswith(b"PAR1"):
        return Kind(PARQUET)
    if head.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in head and b"word/" not in head or b"xl/" in head:
            return Kind(EXCEL)
        office = any(name in head for name in (b"word/", b"opendocument"))
        if office:
            raise _refused(path, "an office document", "save it as .xlsx, .csv or plain text")
        raise _refused(path, "a zip archive", "unpack it, and give the directory of its texts")
    for signature, what, advice in _SIGNATURES:
        if head.startswith(signature):
            raise _refused(path, what, advice)
    if head[257:262] == b"ustar":
        raise _refused(path, "a tar archive", "unpack it, and give the directory of its texts")
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return Kind(UTF16, encoding)
    _check_zeros(path, head)
    return None


def _check_zeros(path: PathLike, head: bytes) -> None:
    """Refuse UTF-16 without a mark, and binary files: text in UTF-8 has no zero bytes.

    A few of them in much text are damage, and the lines that have them become error records.
    """
    if not head:
        return
    even, odd = head[::2].count(0), head[1::2].count(0)
    if (even + odd) * 50 < len(head):
        return
    if not even or not odd or max(even, odd) > 20 * min(even, odd):
        order = "LE" if odd > even else "BE"
        raise _refused(
            path,
            f"UTF-16{order} without a byte order mark",
            f"convert it: iconv -f UTF-16{order} -t UTF-8",
        )
    raise _refused(path, "a binary file", "give texts")


def _decoded(head: bytes) -> str:
    return head.decode("utf-8", "ignore").lstrip("\ufeff")


def _kind_of_text(path: PathLike, head: str, text_column: str | None) -> Kind:
    kind = _kind_of_json(head)
    if kind is None:
        _check_is_text(path, head)
        name = os.fspath(path).lower()
        ending = os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]
        is_table = text_column is not None or ending in _TABLE_ENDINGS
        separator = separator_of(head, is_table)
        kind = Kind(LINES) if separator is None else Kind(CSV, separator)
    if text_column is not None and kind.name != CSV:
        raise ExtractionError(
            f"{os.fspath(path)}: --text-column {text_column} is for tables (CSV, TSV, Excel or "
            "Parquet), and this looks like JSON; leave it out"
        )
    return kind


def _check_is_text(path: PathLike, head: str) -> None:
    for pattern, what, advice in _TEXT_KIND:
        if pattern.match(head):
            raise _refused(path, what, advice)


def _kind_of_json(head: str) -> Kind | None:
    start = head.lstrip()
    if start.startswith("{"):
        first, newline, rest = start.partition("\n")
        # As it is printed for people, an object goes on in the next line.
        goes_on = newline and first.rstrip().endswith(("{", "[", ","))
        return Kind(JSON if goes_on and re.match(r'\s*["{}\]]', rest) else LINES)
    return Kind(ARRAY) if re.match(r'\[\s*(\{|"|\])', start) else None


def _refused(path: PathLike, what: str, advice: str) -> ExtractionError:
    return ExtractionError(
        f"{os.fspath(path)}: this looks like {what}; expected texts (a document in each line), "
        f"JSON lines, a JSON array, or a table (CSV, TSV, Excel, Parquet): {advice}"
    )


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


def recognised(path: PathLike, text_column: str | None = None) -> Kind:
    """What a file on disk is; see `kind_of`.

    # Raises

    `ExtractionError`
        If it cannot be read or holds no documents.
    """
    with opened(path) as stream:
        return kind_of(path, stream.read(_HEAD_BYTES), text_column)


def text_of_file(path: PathLike) -> str:
    """The text of a document that is a file: UTF-8, or UTF-16 with a mark, without the mark.

    # Raises

    `ValueError`
        If it is something else.
    """
    with opened(path) as stream:
        head = stream.read(_HEAD_BYTES)
        kind = _kind_of_bytes(path, head)
        if kind is None:
            _check_is_text(path, _decoded(head))
            return read_document(path).lstrip("\ufeff")
        if kind.name == UTF16:
            return (head + _whole(path, stream)).decode(kind.detail).lstrip("\ufeff")
        raise _refused(path, "a table", "give it alone, not in a directory of texts")


def lines_of(stream: BinaryIO, done: int) -> Iterator[InputDocument]:
    """The lines from here on, numbered after the first `done`. Lines that are too long are cut."""
    number = done
    while True:
        line = stream.readline(MAX_LINE_BYTES)
        if not line:
            return
        number += 1
        content = line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
        yield InputDocument(number, content, stream.tell() if stream.seekable() else 0)


def documents_of(
    path: PathLike, kind: Kind, text_column: str | None = None, done: int = 0, position: int = 0
) -> Iterator[InputDocument]:
    """The documents of a file after the first `done`.

    # Parameters

    path : `str`
        The file.
    kind : `Kind`
        What it is, as `recognised` says.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for a table.
    done : `int`, optional (default = `0`)
        How many documents to leave out.
    position : `int`, optional (default = `0`)
        The byte where the first of the others begins, for a file of lines.

    # Raises

    `ExtractionError`
        If the file cannot be read, or its content is not what it began as.
    """
    with opened(path) as stream:
        if kind.name == LINES:
            stream.seek(position)
            yield from lines_of(stream, done)
        else:
            yield from islice(_records(path, stream, kind, text_column), done, None)


def documents_of_stream(
    path: PathLike, stream: BinaryIO, text_column: str | None = None
) -> Iterator[InputDocument]:
    """The documents of an open stream, which is read once.

    # Parameters

    path : `str`
        Its name, for messages.
    stream : `BinaryIO`
        A buffered stream at its beginning.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for a table.

    # Raises

    `ExtractionError`
        If it holds no documents.
    """
    # Not `read`, which would wait for as many bytes, while a pipe may give a line at a time.
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES] if hasattr(stream, "peek") else b""
    if len(head) < 512 and b"\n" not in head:
        # Wait for a whole line to tell what it is.
        head = stream.readline(_HEAD_BYTES)
        stream = cast(BinaryIO, _Rejoined(head, stream))
    kind = kind_of(path, head, text_column)
    if kind.name == LINES:
        yield from lines_of(stream, 0)
    else:
        yield from _records(path, stream, kind, text_column)


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._first:
            return self._rest.read(size)
        if size is None or size < 0:
            first, self._first = self._first, b""
            return first + self._rest.read()
        first, self._first = self._first[:size], self._first[size:]
        return first

    def readline(self, size: int | None = -1) -> bytes:
        limit = -1 if size is None else size
        if not self._first:
            return self._rest.readline(limit)
        # It is one line, or its beginning.
        first, self._first = self._first, b""
        return first if first.endswith(b"\n") else first + self._rest.readline(limit)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _records(
    path: PathLike, stream: BinaryIO, kind: Kind, text_column: str | None
) -> Iterator[InputDocument]:
    """The documents of what is no file of lines, each as a line of JSON."""
    if kind.name == UTF16:
        yield from _utf16(path, stream, kind.detail, text_column)
        return
    if kind.name in (JSON, ARRAY):
        records = _json_records(path, _whole(path, stream), kind.name)
    else:
        if not stream.seekable():
            stream = io.BytesIO(_whole(path, stream))
        rows = ROW_READERS[kind.name](path, stream, kind.detail)
        records = records_of_rows(path, rows, text_column)
    for number, record in enumerate(records, start=1):
        content = json.dumps(record, ensure_ascii=True, default=str)
        yield InputDocument(number, content.encode("ascii"))


def _whole(path: PathLike, stream: BinaryIO) -> bytes:
    content = stream.read(_MAX_WHOLE_BYTES + 1)
    if len(content) > _MAX_WHOLE_BYTES:
        raise ExtractionError(
            f"{os.fspath(path)}: more than {_MAX_WHOLE_BYTES:,} bytes of one table or JSON value; "
            "expected at most these: divide it, or write JSON lines"
        )
    return content


def _utf16(
    path: PathLike, stream: BinaryIO, encoding: str, text_column: str | None
) -> Iterator[InputDocument]:
    try:
        text = _whole(path, stream).decode(encoding).lstrip("\ufeff")
    except UnicodeError as error:
        raise ExtractionError(
            f"{os.fspath(path)}: begins like UTF-16 but is damaged ({error}); convert it to UTF-8"
        ) from error
    kind = _kind_of_text(path, text[:_HEAD_BYTES], text_column)
    file = io.BytesIO(text.encode("utf-8"))
    if kind.name == LINES:
        yield from (document._replace(next=0) for document in lines_of(file, 0))
    else:
        yield from _records(path, file, kind, text_column)


def _json_records(path: PathLike, content: bytes, kind: str) -> Iterator[Any]:
    """The records of a JSON array, or of JSON objects over several lines.

    # Raises

    `ExtractionError`
        If it is not JSON, or is one object that holds no text.
    """
    name = os.fspath(path)
    try:
        values = list(_values(content.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        what = "a JSON array" if kind == ARRAY else "a JSON object over several lines"
        raise ExtractionError(
            f"{name}: begins like {what}, but cannot be read as such ({error}); mend it, or write "
            "one JSON object in each line"
        ) from error
    if kind == ARRAY:
        if len(values) > 1:
            raise ExtractionError(
                f"{name}: {len(values)} JSON values of which the first is an array; expected one "
                "array of documents, or one JSON object in each line"
            )
        values = values[0]
    elif len(values) == 1 and not values[0].keys() & {"text", "sentence", "tokens"}:
        keys = ", ".join(quote(key, 40) for key in list(values[0])[:10])
        raise ExtractionError(
            f"{name}: one JSON object without a text (its keys are {keys or 'none'}); expected "
            "'text', 'sentence' or 'tokens': write the documents as a JSON array, or one in each "
            "line; an annotated corpus: joint-ner-re convert FILE out.jsonl"
        )
    # What is no object, such as a number, becomes an error in its place.
    yield from (value if isinstance(value, dict) else {"text": value} for value in values)


def _values(text: str) -> Iterator[Any]:
    """The JSON values in a text, with white space between them."""
    decoder = json.JSONDecoder()
    place = len(text) - len(text.lstrip())
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield value
        while text[place : place + 1].isspace():
            place += 1
