"""JSON as corpora need it: strict, bounded, and with errors that know their line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    shorten,
)
from joint_ner_re.corpora.files import read_rows

_MAX_DIGITS = 18


def read_objects(
    path: PathLike, on_error: ErrorHandler | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line of a file of JSON lines: its number and its object.

    # Raises

    `CorpusFormatError`
        If a line is not one JSON object. With `on_error` the line is passed over instead.
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
            path, number, f"expected one JSON object in a line, then found {shorten(line[end:])}"
        )
    if not isinstance(value, dict):
        raise CorpusFormatError(path, number, f"expected a JSON object; found {shorten(line)}")
    return value


def first_object(first_lines: Sequence[str]) -> dict[str, Any]:
    """The object in the first line, to tell formats apart; empty if there is none."""
    try:
        return _object("", 1, first_lines[0].strip(" \t"))
    except CorpusFormatError:
        return {}


def get(
    path: PathLike, line: int, record: Any, key: str, kind: type, what: str, default: Any = None
) -> Any:
    """The value of a key, which has to be of this type; `default`, if any, for a missing or null.

    # Raises

    `CorpusFormatError`
        If `record` is no object, or the value is missing or of another type.
    """
    if not isinstance(record, dict):
        raise CorpusFormatError(path, line, f"{what} is {shown(record)}; expected an object")
    value = record.get(key)
    if value is None and default is not None:
        return default
    # JSON's true is an int to Python; nobody means it as a position.
    if not isinstance(value, kind) or isinstance(value, bool):
        found = f"has {key} {shown(value)}" if key in record else f"lacks the key {key!r}"
        raise CorpusFormatError(path, line, f"{what} {found}; expected {_KINDS[kind]}")
    return value


_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


def shown(value: Any) -> str:
    """The value as JSON for a message, cut off where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def decode(path: PathLike, line: int, text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and the position after it.

    # Parameters

    line : `int`
        The line of the file in which the character at `start` stands.

    # Raises

    `CorpusFormatError`
        If there is no JSON value, or it has a key twice, NaN, a number of more than 18 digits,
        half of a surrogate pair, or is nested so deeply that Python gives up.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if "\\u" in text[start:end]:
            # Only an escape can smuggle in half of a surrogate pair, which no UTF-8 file can hold.
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
    return f"not JSON at column {column}, {shorten(found)}: {error.msg}"


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
        raise ValueError(f"the key {shorten(twice)} stands twice in one JSON object")
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_int, object_pairs_hook=_unique_keys
)
