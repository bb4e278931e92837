"""What a section of the campaign hands back, and how it is written down."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence


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
        What was found that must not be, each with what repeats it; empty where all is well.
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
        "| " + " | ".join(result.columns) + " |",
        "| " + " | ".join("---" for _ in result.columns) + " |",
        *("| " + " | ".join(map(_cell, row)) + " |" for row in result.rows),
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


def write(directory: Path, settings: Dict[str, Any], results: Dict[str, Result]) -> None:
    """Write `results.json` and `results.md`."""
    sections: Dict[str, Any] = {
        name: {**result._asdict(), "rows": [dict(zip(result.columns, r)) for r in result.rows]}
        for name, result in results.items()
    }
    content = json.dumps({"settings": settings, "sections": sections}, indent=2, default=str)
    (directory / "results.json").write_text(content + "\n", "utf-8")
    head: List[str] = [f"- {name}: {value}" for name, value in settings.items()]
    tables = [as_markdown(result) for result in results.values()]
    (directory / "results.md").write_text(
        "# Results\n\n" + "\n".join(head) + "\n\n" + "\n".join(tables), "utf-8"
    )
