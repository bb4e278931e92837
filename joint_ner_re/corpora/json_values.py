"""JSON as corpora need it: strict, bounded, and with errors that know their line."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, shorten

_MAX_DIGITS = 18


def decode(path: PathLike, line: int, text: str, start: int = 0) -> Tuple[Any, int]:
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


def _unique_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shorten(twice)} stands twice in one JSON object")
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_int, object_pairs_hook=_unique_keys
)
