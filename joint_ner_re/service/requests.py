"""What the body of a request may hold, checked before anything is predicted."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from joint_ner_re.messages import quote_json
from joint_ner_re.service.limits import Limits

_KEYS = ("text", "texts", "threshold")


class Refused(Exception):
    """A request that is not answered.

    # Parameters

    status : `int`
        The HTTP status.
    message : `str`
        What was found, what was expected, and the way out.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Wanted(NamedTuple):
    """A checked request.

    # Parameters

    texts : `list[str]`
    threshold : `float`, optional
        `None` means the model's.
    single : `bool`
        Whether it was `text` and not `texts`.
    """

    texts: list[str]
    threshold: float | None
    single: bool


def read_request(body: bytes, limits: Limits) -> Wanted:
    """Read and check a body.

    # Parameters

    body : `bytes`
        `{"text": "..."}` or `{"texts": ["...", ...]}`, in both cases with or without `threshold`.
    limits : `Limits`

    # Raises

    `Refused`
        With 422 if it is malformed, with 413 if it has too many texts or characters.
    """
    content = _parsed(body)
    if not isinstance(content, dict):
        raise _malformed(f"the body is {quote_json(content)}; expected an object")
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise _malformed(f"the body has the key {quote_json(unknown[0])}")
    if ("text" in content) == ("texts" in content):
        found = "both text and texts" if "text" in content else "neither text nor texts"
        raise _malformed(f"the body has {found}")
    single = "text" in content
    texts = [content["text"]] if single else content["texts"]
    if not isinstance(texts, list):
        raise _malformed(f"texts is {quote_json(texts)}; expected a list of strings")
    if len(texts) > limits.max_texts:
        raise Refused(
            413,
            f"the request has {len(texts)} texts; expected at most {limits.max_texts}: send "
            "several requests",
        )
    for number, text in enumerate(texts, start=1):
        _check_text(text, "text" if single else f"text {number} of texts")
    characters = sum(map(len, texts))
    if characters > limits.max_characters:
        raise Refused(
            413,
            f"the request has {characters} characters; expected at most {limits.max_characters}: "
            "divide the text, or send several requests",
        )
    return Wanted(texts, _threshold(content.get("threshold")), single)


def _malformed(problem: str) -> Refused:
    return Refused(
        422,
        f'{problem}. A body is {{"text": "..."}} or {{"texts": ["...", "..."]}}, with or without '
        '"threshold": a number from 0 to 1',
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start + 1} of the body is not UTF-8") from error
    except ValueError as error:
        raise _malformed(f"the body is not JSON ({error})") from error
    except RecursionError as error:
        raise _malformed("the body is nested too deeply") from error


def _check_text(text: Any, name: str) -> None:
    if not isinstance(text, str):
        raise _malformed(f"{name} is {quote_json(text)}; expected a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _malformed(
            f"{name} escapes half of a surrogate pair at character {error.start + 1}, which is "
            "no character"
        ) from error


def _threshold(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # This is false for NaN, too.
    if not number or not 0 <= value <= 1:
        raise _malformed(f"threshold is {quote_json(value)}; expected a number from 0 to 1")
    return float(value)
