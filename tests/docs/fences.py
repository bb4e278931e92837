"""Does what a page of docs/ says: its fenced blocks, in order, in the working directory.

| block | what becomes of it |
| --- | --- |
| `bash` | every line is run |
| `python` | is run, with the names of the blocks before it |
| one that begins with `# name.ext` or `// name.ext` | is written to that file |
| `text` behind a block that was run | must be what that block printed |
| `json`, `csv` behind one | the same, white space and decimal fractions left out |
| `console`, and all others | only shown: that depends on the machine |

A line `<!-- not run: why -->` before a block leaves it out.
"""

import contextlib
import io
import logging
import re
import runpy
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from in_process import run_allennlp

FENCE = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n)?```(?P<language>\w*)\n(?P<content>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"(?://|#) (\S+\.\w+)\n")
REMARK = re.compile(r"(?:^|\s+)#.*")
_NONE: Mapping[str, str] = MappingProxyType({})
FRACTION = re.compile(r"\d+\.\d+(e-\d+)?")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    content: str
    skipped: bool
    line: int


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [
        Block(
            match["language"],
            match["content"],
            match["skip"] is not None,
            text.count("\n", 0, match.start("language")) + 1,
        )
        for match in FENCE.finditer(text)
    ]


def commands(block: str) -> list[str]:
    """The commands of a `bash` block: its lines, those joined that a quote or a backslash joins."""
    found: list[str] = []
    begun = ""
    for line in block.replace("\\\n", " ").splitlines():
        # shlex would also take what follows the sign in `corpus.jsonl#dev` for a remark.
        begun += REMARK.sub("", line)
        try:
            words = shlex.split(begun)
        except ValueError:
            # A quotation is not closed yet.
            begun += "\n"
            continue
        if words:
            found.append(begun)
        begun = ""
    assert not begun, f"no closing quotation: {begun}"
    return found


def follow(page: Path, shorter: Mapping[str, str] = _NONE, **less: str) -> list[str]:
    """Do what the page says; returns the commands that were run.

    # Parameters

    page : `Path`
    shorter : `Mapping[str, str]`, optional
        Texts of the files that the page shows, and what stands there instead, so that it takes less
        time: `{"epochs:: 20": "epochs:: 2"}`. Each must occur.
    less : `str`
        Options of the page's commands that take other values here, so that it takes less time:
        `trials="2"` for `--trials 10`.

    # Raises

    `AssertionError`
        If something prints another thing than the page shows.
    """
    left = dict(shorter)
    done: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    for block in blocks(page.read_text("utf-8")):
        shown, printed = printed, None
        file = FILE_NAME.match(block.content)
        if block.skipped:
            continue
        if file:
            content = block.content
            for text in [text for text in left if text in content]:
                content = content.replace(text, left.pop(text))
            Path(file[1]).write_text(content, "utf-8")
        elif block.language == "bash":
            lines = [_with_less(line, less) for line in commands(block.content)]
            printed = "".join(run(line) for line in lines)
            done += lines
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                code = "\n" * block.line + block.content
                exec(compile(code, str(page), "exec"), names)
            printed = output.getvalue()
        elif block.language in ("text", "json", "csv") and shown is not None:
            one, other = (_comparable(text, block.language) for text in (shown, block.content))
            assert one == other, f"{page}:{block.line} shows\n{block.content}\nbut it is\n{shown}"
    assert not left, f"{page} does not hold {', '.join(left)}"
    return done


def _with_less(command: str, less: dict[str, str]) -> str:
    for option, value in less.items():
        command = re.sub(rf"(?<= --{option} )\S+", value, command)
    return command


def _comparable(text: str, language: str) -> str:
    if language == "text":
        return "\n".join(line.rstrip() for line in text.strip().splitlines())
    return FRACTION.sub("#", re.sub(r"\s+", "", text))


def run(line: str) -> str:
    """What a command prints. Commands of `allennlp` run in this process, which is faster."""
    words = shlex.split(line)
    plain = not {"|", ">", ">>", "<"} & set(words)
    if not (plain and words[0] in ("allennlp", "python")):
        return subprocess.check_output(["bash", "-c", line], encoding="utf-8")
    handlers = list(logging.getLogger().handlers)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        if words[0] == "python":
            runpy.run_path(words[1], run_name="__main__")
        else:
            run_allennlp(*words[1:])
    # Loggers that were given the streams of this command would fail in the next one.
    logging.getLogger().handlers = handlers
    return output.getvalue()
