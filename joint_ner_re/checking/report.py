"""The results of a check as JSON, as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from joint_ner_re.checking.statistics import TOTALS, PartStatistics
from joint_ner_re.checking.suspicions import Suspicion
from joint_ner_re.corpora import CorpusFormatError
from joint_ner_re.tables import markdown_table

_MAX_ERRORS = 20


class Report(NamedTuple):
    """The statistics of each part by its name, the errors, and possible mistakes."""

    parts: dict[str, PartStatistics]
    errors: list[CorpusFormatError]
    suspicions: list[Suspicion]

    def to_json(self) -> dict[str, Any]:
        """The whole report as a JSON object."""
        return {
            "parts": {name: statistics.to_json() for name, statistics in self.parts.items()},
            "errors": [
                {"path": error.path, "line": error.line, "reason": error.reason}
                for error in self.errors
            ],
            "suspicions": [suspicion._asdict() for suspicion in self.suspicions],
        }


class Table(NamedTuple):
    """A table whose first column is text and whose other columns are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, ...]]


def as_text(report: Report) -> str:
    """The report as plain text: aligned tables, then errors and suspicions."""
    lines: list[str] = []
    for table in _tables(report):
        head = (table.title, *table.columns)
        widths = [max(map(len, column)) for column in zip(head, *table.rows)]
        for row in (head, *table.rows):
            cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
            lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
        lines.append("")
    return "\n".join([*lines, *_findings(report, "  ", "")])


def as_markdown(report: Report) -> str:
    """The report as Markdown."""
    lines: list[str] = []
    for table in _tables(report):
        head = (table.title, *table.columns)
        lines += [markdown_table(head, table.rows, numbers=True), ""]
    return "\n".join([*lines, *_findings(report, "- ", "### ")])


def _tables(report: Report) -> Iterator[Table]:
    names = list(report.parts)
    parts = list(report.parts.values())
    yield Table(
        "", names, [(total, *(f"{part.totals[total]:,}" for part in parts)) for total in TOTALS]
    )
    for title, kind in (("entities by type", "entities"), ("relations by type", "relations")):
        types = sorted({name for part in parts for name in getattr(part, kind)})
        if types:
            rows = [(name, *(f"{getattr(p, kind)[name]:,}" for p in parts)) for name in types]
            yield Table(title, names, rows)
    rows = []
    for what, distribution in (
        ("tokens in a sentence", "sentence_lengths"),
        ("tokens in an entity", "entity_lengths"),
        ("tokens between two related", "distances"),
    ):
        for name, part in report.parts.items():
            numbers = getattr(part, distribution).to_json().values()
            where = f"{what}, {name}" if len(names) > 1 else what
            rows.append((where, *(f"{number:,}" for number in numbers)))
    yield Table("lengths", ("mean", "median", "95 %", "max"), rows)
    changes = sorted({what for part in parts for what in part.changes})
    if changes:
        rows = [(what, *(f"{part.changes[what]:,}" for part in parts)) for what in changes]
        yield Table("changed or left out when it was read", names, rows)


def _findings(report: Report, bullet: str, heading: str) -> Iterator[str]:
    yield f"{heading}Errors: {len(report.errors):,}"
    yield from _blank(heading)
    for error in report.errors[:_MAX_ERRORS]:
        yield f"{bullet}{error}"
    if len(report.errors) > _MAX_ERRORS:
        yield f"{bullet}... and {len(report.errors) - _MAX_ERRORS:,} more (--json has all)"
    yield ""
    total = sum(suspicion.times for suspicion in report.suspicions)
    yield f"{heading}Suspicious: {total:,}"
    yield from _blank(heading)
    for suspicion in report.suspicions:
        yield f"{bullet}{suspicion.what}: {suspicion.times:,}"
        for example in suspicion.examples:
            yield f"    {bullet.strip() + ' ' if heading else ''}{example}"
    yield ""


def _blank(heading: str) -> Iterator[str]:
    if heading:
        yield ""
