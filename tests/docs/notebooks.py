"""Runs a notebook's cells as Jupyter does, without Jupyter: in order, in one namespace."""

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple


class Ran(NamedTuple):
    """What running a notebook gave.

    # Parameters

    names : `dict[str, Any]`
        The names that the cells defined.
    shown : `dict[str, Any]`
        By a cell's id the value of its last line, where that is an expression.
    printed : `dict[str, str]`
        By a cell's id what it printed.
    """

    names: dict[str, Any]
    shown: dict[str, Any]
    printed: dict[str, str]


def cells(path: Path, kind: str) -> dict[str, str]:
    """The sources of all cells of a kind, `"code"` or `"markdown"`, by their ids."""
    found = json.loads(path.read_text("utf-8"))["cells"]
    return {one["id"]: "".join(one["source"]) for one in found if one["cell_type"] == kind}


def run_notebook(path: Path) -> Ran:
    """Run all cells in the working directory; an error in one is raised."""
    ran = Ran({"__name__": "__main__"}, {}, {})
    for name, source in cells(path, "code").items():
        tree = ast.parse(source, f"{path}: cell {name}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(tree, f"{path}: cell {name}", "exec"), ran.names)
            if isinstance(last, ast.Expr):
                expression = compile(ast.Expression(last.value), f"{path}: cell {name}", "eval")
                ran.shown[name] = eval(expression, ran.names)
        ran.printed[name] = output.getvalue()
    return ran
