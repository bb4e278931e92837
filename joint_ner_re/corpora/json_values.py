"""A strict JSON decoder for corpora, whose errors name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
)
from joint_ner_re.corpora.files import read_head, read_rows, read_text
from joint_ner_re.messages import quote, quote_json

_MAX_DIGITS = 18
_SPACE = re.compile(r"[ \t\n]*")
_LIST_OF_OBJECTS = re.compile(r"\s*\[\s*(\{|\]|$)")


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


def read_elements(path: PathLike) -> Iterator[tuple[int, Any]]:
    """Each element of a JSON list with the line where it begins, decoded one after the other.

    # Raises

    `CorpusFormatError`
        If the file is not one JSON list.
    """
    text = read_text(path)
    place = _skip_space(text, 0)
    if text[place] != "[":
        line = 1 + text.count("\n", 0, place)
        raise CorpusFormatError(path, line, f"expected a JSON list; found {quote(text[place:])}")
    line = 1
    counted = 0
    place = _skip_space(text, place + 1)
    closed = text.startswith("]", place)
    while not closed:
        line += text.count("\n", counted, place)
        counted = place
        value, end = decode(path, line, text, place)
        yield line, value
        end = _skip_space(text, end)
        closed = text.startswith("]", end)
        if not closed and not text.startswith(",", end):
            line += text.count("\n", counted, end)
            found = quote(text[end : end + 20]) if end < len(text) else "the end of the file"
            raise CorpusFormatError(path, line, f"expected ',' or ']' in the list; found {found}")
        place = end if closed else _skip_space(text, end + 1)
    rest = _skip_space(text, place + 1)
    if rest < len(text):
        line += text.count("\n", counted, rest)
        raise CorpusFormatError(path, line, f"found {quote(text[rest:])} after the list")


def read_records(
    path: PathLike, on_error: ErrorHandler | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object of a JSON list or of a file of JSON lines, with the line where it begins.

    # Raises

    `CorpusFormatError`
        If the file is neither, or something else than objects stands in it. With `on_error` a line
        or an element that is no object is passed over instead.
    """
    if not "\n".join(read_head(path)).lstrip().startswith("["):
        yield from read_objects(path, on_error)
        return
    for number, (line, value) in enumerate(read_elements(path)):
        with handled(on_error):
            if not isinstance(value, dict):
                raise CorpusFormatError(
                    path, line, f"element {number} is {quote_json(value)}; expected an object"
                )
        if isinstance(value, dict):
            yield line, value


def _skip_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()


def first_object(first_lines: Sequence[str]) -> dict[str, Any]:
    """The object that the file begins with, to tell formats apart; empty if there is none.

    Of an object that is damaged, or longer than the lines at hand, the keys up to that place are
    there; the value that is cut is `None`.
    """
    text = "\n".join(first_lines)
    return _members(text, 0) if text.lstrip(" \t").startswith("{") else {}


def first_element(first_lines: Sequence[str]) -> dict[str, Any] | None:
    """The first object of the JSON list that the file begins with, as `first_object` gives it.

    Empty if the list is; `None` if there is no list, or something else than objects in it.
    """
    text = "\n".join(first_lines)
    match = _LIST_OF_OBJECTS.match(text)
    if match is None:
        return None
    return _members(text, match.start(1)) if match.group(1) == "{" else {}


def _members(text: str, start: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    place = _skip_space(text, text.index("{", start) + 1)
    try:
        while text.startswith('"', place):
            key, place = decode("", 1, text, place)
            found[key] = None
            place = _skip_space(text, place)
            if not text.startswith(":", place):
                break
            found[key], place = decode("", 1, text, _skip_space(text, place + 1))
            place = _skip_space(text, place)
            if not text.startswith(",", place):
                break
            place = _skip_space(text, place + 1)
    except CorpusFormatError:
        pass
    return found


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
