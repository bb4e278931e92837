"""Names JSON files that are almost one of the formats: printed for people, or exported as lists."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from joint_ner_re.corpora.json_values import first_element, first_object

# The formats with one JSON object in each line.
_BY_LINE = frozenset(["doccano", "dygie", "jsonl", "prodigy"])
_LINES = "write one object in each line: jq -c {} FILE > FILE.jsonl"


def not_by_line(first_lines: Sequence[str], found: Collection[str]) -> str | None:
    """What a JSON file is that should have one object in each line, and what to do.

    # Parameters

    first_lines : `Sequence[str]`
        The beginning of the file.
    found : `Collection[str]`
        The formats that fit it.

    # Returns

    `str`, optional
        A sentence for an error; `None` if it is something else, or one other format fits.
    """
    record = first_element(first_lines)
    # Of lists of objects SpERT's have tokens.
    almost = "spert" in found and bool(record) and "tokens" not in (record or {})
    if len(found) == 1 and not almost and not _BY_LINE.issuperset(found):
        return None
    text = "\n".join(first_lines).lstrip()
    if text.startswith("{"):
        if not _goes_on(text):
            return None
        return f"this is JSON printed over several lines; {_LINES.format('.')}"
    if not record:
        return None
    if "data" in record and {"annotations", "completions", "predictions"} & record.keys():
        return (
            "this looks like Label Studio's export as a JSON list; export the project as one of "
            "the formats that can be read, such as CONLL2003"
        )
    if {"text", "data"} & record.keys():
        keys = ", ".join(map(repr, list(record)[:8]))
        tool = ""
        if {"label", "labels", "entities"} & record.keys():
            tool = ", as Doccano exports as JSON; choose its JSONL"
        elif "spans" in record:
            tool = ", as of Prodigy's examples; use its JSONL"
        way = _LINES.format("'.[]'")
        return f"this is a JSON list of documents with the keys {keys}{tool}, or {way}"
    return None


def _goes_on(text: str) -> bool:
    """Whether the first line begins an object that goes on in the next line."""
    first, newline, rest = text.partition("\n")
    if not newline or not rest.lstrip().startswith(('"', "}", "{", "]")):
        return False
    try:
        json.loads(first)
    except ValueError:
        # Otherwise one line is broken, which the reader says better.
        return first.rstrip().endswith(("{", "[", ",")) and bool(first_object([text]))
    return False
