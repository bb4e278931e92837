"""A strict JSON decoder for corpora, whose errors name the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
)
from joint_ner_re.corpora.files import read_rows
from joint_ner_re.messages import quote

_MAX_DIGITS = 18


def read_objects(
    path: PathLike, on_error: ErrorHandler | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The line number and the object of each line of a JSONL file.

    # Raises

    `CorpusFormatError`
        If a line is not one JSON object. With `on_error` the line is skipped instead.
    """
    for number, line in read_rows(path):
        value = None
        with handled(on_error):
            value = _object(path, number, line.strip(" \t"))
        if value is not None:
            yield number, value


def _object(path: PathLike, number: int, line: str) -> dict[str, Any]:
    value, end = decode(path, number, line)
    if end != len(line):
        raise CorpusFormatError(
            path, number, f"expected one JSON object in a line, then found {quote(line[end:])}"
        )
    if not isinstance(value, dict):
        raise CorpusFormatError(path, number, f"expected a JSON object; found {quote(line)}")
    return value


def first_object(first_lines: Sequence[str]) -> dict[str, Any]:
    """The object in the first line, to detect the format; empty if there is none."""
    try:
        return _object("", 1, first_lines[0].strip(" \t"))
    except CorpusFormatError:
        return {}


def decode(path: PathLike, line: int, text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that starts at `start`, and the position after it.

    # Parameters

    path : `str`
        The file, for messages.
    line : `int`
        The line of the character at `start`.
    text : `str`
        The text that contains the value.
    start : `int`, optional (default = `0`)
        The position of its first character.

    # Raises

    `CorpusFormatError`
        If there is no JSON value, or it has a duplicate key, NaN, a number of more than 18 digits,
        half of a surrogate pair, or too many levels for Python's parser.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if "\\u" in text[start:end]:
            # An escape may be half of a surrogate pair, which UTF-8 cannot encode.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        line += text.count("\n", start, error.pos)
        column = error.pos - (text.rfind("\n", 0, error.pos) + 1) + 1
        raise CorpusFormatError(path, line, _syntax(error, text, column)) from error
    except UnicodeEncodeError as error:
        raise CorpusFormatError(
            path, line, f"the escape \\u{ord(error.object[error.start]):04x} is no character"
        ) from error
    except ValueError as error:
        raise CorpusFormatError(path, line, str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise CorpusFormatError(path, line, "the JSON is nested too deeply") from error
    return value, end


def _syntax(error: json.JSONDecodeError, text: str, column: int) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"the JSON ends too early, at column {column}: {error.msg}; is the file complete?"
    found = text[error.pos : error.pos + 20].partition("\n")[0]
    return f"not JSON at column {column}, {quote(found)}: {error.msg}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; expected a number")


def _int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; expected at most {_MAX_DIGITS}")
    return int(digits)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"a JSON object has the key {quote(twice)} twice")
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_int, object_pairs_hook=_unique_keys
)
