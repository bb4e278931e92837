"""Writes an experiment's results as JSON, as a Markdown page and as a figure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joint_ner_re.figures import save_figure
from joint_ner_re.resumable import locked
from joint_ner_re.writing import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_lock(directory: Path) -> AbstractContextManager[bool]:
    """In the block, no other process writes this directory's report."""
    return locked(directory / ".writing.lock", wait=True)


def write_report(
    directory: Path, name: str, results: Mapping[str, Any], page: str, figure: Figure | None
) -> str:
    """Write `NAME.json`, `NAME.md` and, if there is a figure, `NAME.png`.

    Returns their paths in short form, for a message.
    """
    write_json(directory / f"{name}.json", results)
    write_text(directory / f"{name}.md", page)
    if figure is not None:
        save_figure(figure, directory / f"{name}.png")
    return f"{directory / name}.md (.json, .png)"


def markdown_page(*sections: str) -> str:
    """A page of these sections: headings, paragraphs and tables."""
    return "\n\n".join(sections) + "\n"


def percent(value: float) -> str:
    """`0.7931` as `79.3`."""
    return f"{100 * value:.1f}"


def percents(spread: Mapping[str, Any]) -> str:
    """Mean and standard deviation of a `summary.spread`, such as `79.3 ± 1.2`."""
    deviation = spread["standard_deviation"]
    return percent(spread["mean"]) + ("" if deviation is None else f" ± {percent(deviation)}")


def command_line(command: str, *arguments: Any) -> str:
    """A command to type in a shell."""
    return " ".join(["allennlp", command, *(shlex.quote(str(value)) for value in arguments)])
