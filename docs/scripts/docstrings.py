"""AllenNLP's docstrings: Markdown with `# Parameters`, `# Returns` and `# Raises` headings."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, NamedTuple

HEADING = re.compile(r"^# (\w+)\n", re.MULTILINE)
# Where an entry begins: at the left margin, its description being indented.
ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
DEFAULT = re.compile(r"\(default = `+(.*?)`+\)", re.DOTALL)


class Entry(NamedTuple):
    """What stands under a heading: a parameter, something returned, or an exception."""

    names: list[str]
    """`["head", "tail"]` of ``head, tail : `int` ``; empty where there is only a type."""
    type: str
    optional: bool
    default: str | None
    """As the docstring has it, without backquotes; `None` where it gives none."""
    text: str


class Docstring(NamedTuple):
    """A docstring in parts."""

    text: str
    sections: dict[str, list[Entry]]

    def parameter(self, name: str) -> Entry | None:
        """The entry of a parameter, if there is one."""
        for entry in self.sections.get("Parameters", []):
            if name in entry.names:
                return entry
        return None


def parse(documented: Any) -> Docstring:
    """The docstring of an object, or a docstring itself."""
    text = documented if isinstance(documented, str) else documented.__doc__
    parts = HEADING.split(inspect.cleandoc(text or "") + "\n")
    sections = {
        name: [_entry(entry) for entry in ENTRY.split(body) if entry.strip()]
        for name, body in zip(parts[1::2], parts[2::2])
    }
    return Docstring(parts[0].strip(), sections)


def _entry(text: str) -> Entry:
    head, _, body = text.partition("\n")
    names, colon, rest = head.partition(" : ")
    if not colon:
        # `Tensor`, or a name alone, such as **kwargs.
        names, rest = ("", head) if head.startswith("`") else (head, "")
    kind = re.match(r"`(.*?)`", rest)
    default = DEFAULT.search(rest)
    return Entry(
        [name.strip() for name in names.split(",") if name.strip()],
        kind.group(1) if kind else "",
        ", optional" in rest,
        default.group(1) if default else None,
        textwrap.dedent(body).strip(),
    )


def one_line(text: str) -> str:
    """A description as it can stand in the cell of a table."""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "<br>".join(part.replace("|", r"\|") for part in paragraphs)


def with_fences(text: str) -> str:
    """The same Markdown, whose indented code is fenced, so that it has a language."""
    lines: list[str] = []
    block: list[str] = []
    before = ""
    for line in [*text.splitlines(), ""]:
        indented = line.startswith("    ") and (block or not before.strip())
        if indented or (block and not line.strip()):
            block.append(line)
        else:
            if block:
                code = textwrap.dedent("\n".join(block)).strip("\n")
                is_python = re.search(r"^(for|from|import) ", code, re.MULTILINE)
                lines += [f"```{'python' if is_python else 'text'}", code, "```", ""]
                block = []
            lines.append(line)
        before = line
    return "\n".join(lines).strip()
