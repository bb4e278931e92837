"""Evaluates each shipped configuration, and each text of overrides, once in a process.

Jsonnet takes a sixth of a second for each, because it reads its own library first.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import _jsonnet

ROOT = Path(__file__).parents[2]
_NONE: Mapping[str, str] = MappingProxyType({})
_file, _snippet = _jsonnet.evaluate_file, _jsonnet.evaluate_snippet
_known: dict[tuple[str, ...], str] = {}


def remember() -> None:
    """Make jsonnet's functions remember. AllenNLP takes them when it is imported."""
    _jsonnet.evaluate_file, _jsonnet.evaluate_snippet = evaluate_file, evaluate_snippet


def evaluate_file(name: str, ext_vars: Mapping[str, str] = _NONE) -> str:
    """What a file gives. Only the repository's own stay as they are while the tests run."""
    path = Path(name).resolve()

    def evaluate() -> str:
        return _file(name, ext_vars=dict(ext_vars))

    return _once(evaluate, ext_vars, str(path)) if path.is_relative_to(ROOT) else evaluate()


def evaluate_snippet(name: str, text: str, ext_vars: Mapping[str, str] = _NONE) -> str:
    """What a text gives."""

    def evaluate() -> str:
        return _snippet(name, text, ext_vars=dict(ext_vars))

    return evaluate() if "import" in text else _once(evaluate, ext_vars, name, text)


def _once(evaluate: Callable[[], str], ext_vars: Mapping[str, str], *key: str) -> str:
    # pytest names each test in a variable.
    known = {name: value for name, value in ext_vars.items() if not name.startswith("PYTEST")}
    key = (*key, json.dumps(known, sort_keys=True))
    if key not in _known:
        _known[key] = evaluate()
    return _known[key]
