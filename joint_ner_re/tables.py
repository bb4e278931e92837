"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], numbers: bool = False
) -> str:
    """A Markdown table.

    # Parameters

    header : `Sequence[str]`
        The names of the columns.
    rows : `Iterable[Sequence[Any]]`
        The cells of each row; they may contain any characters.
    numbers : `bool`, optional (default = `False`)
        Whether to align all columns but the first to the right.
    """
    rest = "---:" if numbers else "---"
    lines = [header, ["---", *[rest] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
