"""What the OpenAPI document says about bodies and answers; `requests.py` checks them."""

from __future__ import annotations

from typing import Any

_NUMBER = {"type": "number", "minimum": 0, "maximum": 1}
_THRESHOLD = {**_NUMBER, "description": "the least probability of a relation (the model's)"}
_TEXT = {"type": "string", "description": "a document, which is split into sentences"}
_WHOLE = {"type": "integer", "minimum": 0}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_SPANS = {
    "type": "array",
    "items": {"type": "array", "items": _WHOLE, "minItems": 2, "maxItems": 2},
}
_ENTITY = _object(
    {
        "type": {"type": "string"},
        "start": _WHOLE,
        "end": _WHOLE,
        "score": _NUMBER,
        "char_start": _WHOLE,
        "char_end": _WHOLE,
        "text": {"type": "string"},
    }
)
_RELATION = _object({"type": {"type": "string"}, "head": _WHOLE, "tail": _WHOLE, "score": _NUMBER})
DOCUMENT = _object(
    {
        "id": {"type": "string"},
        "text": {"type": "string"},
        "tokens": {"type": "array", "items": {"type": "string"}},
        "offsets": _SPANS,
        "entities": {"type": "array", "items": _ENTITY},
        "relations": {"type": "array", "items": _RELATION},
        "sentences": _SPANS,
    }
)
_ONE = _object({"text": _TEXT}, threshold=_THRESHOLD)
_MANY = _object({"texts": {"type": "array", "items": _TEXT}}, threshold=_THRESHOLD)
_LINES = {"application/x-ndjson": {"schema": DOCUMENT}}
_PROBLEM = _object({"detail": {"type": "string"}})
_PROBLEMS = {
    408: "the body took too long to arrive",
    413: "too many characters, texts or bytes",
    415: "the body is not declared as application/json",
    422: "the body is malformed, or a text cannot be processed",
    429: "too many requests are in progress",
    503: "the service is being stopped, or the answer took too long",
}


def _of(body: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """A path's body, its answer and its problems."""
    responses: dict[str, Any] = {"200": {"description": "what was found", "content": content}}
    for status, description in _PROBLEMS.items():
        responses[str(status)] = {
            "description": description,
            "content": {"application/json": {"schema": _PROBLEM}},
        }
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": responses,
    }


_BODY = {"oneOf": [_ONE, _MANY]}
EXTRACT = _of(
    _BODY,
    {
        "application/json": {
            "schema": {
                "oneOf": [DOCUMENT, _object({"documents": {"type": "array", "items": DOCUMENT}})]
            }
        },
        **_LINES,
    },
)
LINES = _of(_BODY, _LINES)
DRAW = _of(
    _ONE,
    {
        "application/json": {
            "schema": _object(
                {
                    "document": DOCUMENT,
                    "drawing": {"type": "string"},
                    "relations_not_drawn": _WHOLE,
                }
            )
        }
    },
)
