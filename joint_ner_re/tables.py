"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], figures: bool = False
) -> str:
    """A table, whose cells may hold anything.

    # Parameters

    header : `Sequence[str]`
    rows : `Iterable[Sequence[Any]]`
    figures : `bool`, optional (default = `False`)
        Whether all columns but the first stand on the right.
    """
    rest = "---:" if figures else "---"
    lines = [header, ["---", *[rest] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
