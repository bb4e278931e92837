"""Values as error messages show them: quoted, and without their middle where they are long."""

from __future__ import annotations

import json
from typing import Any


def quote(value: Any, limit: int = 80) -> str:
    """A value as Python writes it, with at most about `limit` characters of it."""
    if isinstance(value, str):
        return repr(cut_middle(value, limit))
    return cut_middle(repr(value), limit)


def quote_json(value: Any, limit: int = 80) -> str:
    """A value as JSON writes it, with at most about `limit` characters of it."""
    return cut_middle(json.dumps(value, ensure_ascii=False, default=repr), limit)


def cut_middle(text: str, limit: int) -> str:
    """The text, or the `limit` characters at its two ends with `...` between them."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} ... {text[-half:]}"
