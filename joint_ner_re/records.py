"""Checks of JSON objects: a key is there and its value has the expected type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joint_ner_re.messages import quote_json

_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    list: "a list",
    dict: "an object",
}


class RecordError(ValueError):
    """A JSON value that is missing or has the wrong type: the message says what was expected."""


def get(record: Any, key: str, kind: type, what: str, default: Any = None) -> Any:
    """The value of a key.

    # Parameters

    record : `Any`
        The JSON value that has to be an object with this key.
    key : `str`
        The key.
    kind : `type`
        The type that the value must have: `str`, `int`, `list` or `dict`.
    what : `str`
        What the record is, for the message, such as `"an entity"`.
    default : `Any`, optional (default = `None`)
        Replaces a value that is missing or null. `None` makes both an error.

    # Raises

    `RecordError`
        If the record is no object, or the value is missing or has another type.
    """
    check_object(record, what)
    value = record.get(key)
    if value is None and default is not None:
        return default
    if key not in record:
        raise RecordError(
            f"{what} lacks the key {key!r}; expected {_KINDS[kind]}: {quote_json(record)}"
        )
    if not has_type(value, kind):
        raise RecordError(
            f"the key {key!r} of {what} holds {quote_json(value)}; expected {_KINDS[kind]}"
        )
    return value


def get_list(
    record: Any, key: str, kind: type, what: str, default: list[Any] | None = None
) -> list[Any]:
    """As `get`, for a list whose elements all have this type."""
    values = get(record, key, list, what, default)
    for value in values:
        if not has_type(value, kind):
            raise RecordError(
                f"the list {key!r} of {what} holds {quote_json(value)}; expected {_KINDS[kind]}"
            )
    return values


def check_object(record: Any, what: str) -> None:
    """Raise a `RecordError` unless the record is a JSON object."""
    if not isinstance(record, Mapping):
        raise RecordError(f"{what} is {quote_json(record)}; expected a JSON object")


def has_type(value: Any, kind: type) -> bool:
    """Whether a JSON value has this type."""
    # In Python True is an int, but nobody means JSON's true as a number.
    return isinstance(value, kind) and not isinstance(value, bool)
