"""The result of a section, and the files that all results are written to."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from joint_ner_re.tables import markdown_table
from joint_ner_re.writing import write_text


class Result(NamedTuple):
    """
    # Parameters

    title : `str`
        The heading of the section's table.
    columns : `Sequence[str]`
        The names of the table's columns.
    rows : `Sequence[Sequence[Any]]`
        Its rows.
    failures : `Sequence[str]`
        Each failure, and how to repeat it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    failures: Sequence[str]


def as_markdown(result: Result) -> str:
    """The section as a heading, a table and a list."""
    lines = [
        f"## {result.title}",
        "",
        markdown_table(result.columns, [[_cell(value) for value in row] for row in result.rows]),
        "",
        f"Failures: {len(result.failures)}",
        *([""] if result.failures else []),
        *(f"- {failure}" for failure in result.failures),
    ]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write(directory: Path, settings: dict[str, Any], results: dict[str, Result]) -> None:
    """Write `results.json` and `results.md`."""
    sections: dict[str, Any] = {
        name: {**result._asdict(), "rows": [dict(zip(result.columns, r)) for r in result.rows]}
        for name, result in results.items()
    }
    content = json.dumps({"settings": settings, "sections": sections}, indent=2, default=str)
    write_text(directory / "results.json", content + "\n")
    head: list[str] = [f"- {name}: {value}" for name, value in settings.items()]
    tables = [as_markdown(result) for result in results.values()]
    write_text(
        directory / "results.md",
        "# Results\n\n" + "\n".join(head) + "\n\n" + "\n".join(tables),
    )
