"""Evaluates each shipped configuration, and each text of overrides, once in a process.

Jsonnet takes a sixth of a second for each, because it reads its own library first.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import _jsonnet

ROOT = Path(__file__).parents[2]
_NONE: Mapping[str, str] = MappingProxyType({})
_file, _snippet = _jsonnet.evaluate_file, _jsonnet.evaluate_snippet
_known: dict[tuple[str, str], str] = {}


def remember() -> None:
    """Make jsonnet's functions remember. AllenNLP takes them when it is imported."""
    _jsonnet.evaluate_file, _jsonnet.evaluate_snippet = evaluate_file, evaluate_snippet


def evaluate_file(name: str, ext_vars: Mapping[str, str] = _NONE) -> str:
    """What a file gives. Only the repository's own stay as they are while the tests run; of others
    the text says whether they are known."""
    path = Path(name).resolve()
    if path.is_relative_to(ROOT):
        return _once(partial(_file, name), ext_vars, str(path))
    if path.is_file():
        return evaluate_snippet(name, path.read_text("utf-8"), ext_vars)
    return _file(name, ext_vars=dict(ext_vars))


def evaluate_snippet(name: str, text: str, ext_vars: Mapping[str, str] = _NONE) -> str:
    """What a text gives."""
    if "import" in text:
        return _snippet(name, text, ext_vars=dict(ext_vars))
    return _once(partial(_snippet, name, text), ext_vars, text)


def _once(evaluate: Callable[..., str], ext_vars: Mapping[str, str], what: str) -> str:
    # No configuration reads other variables, and those differ from test to test.
    read = {name: value for name, value in ext_vars.items() if name.startswith("JOINT_NER_RE")}
    key = (what, json.dumps(read, sort_keys=True))
    if key not in _known:
        _known[key] = evaluate(ext_vars=read)
    return _known[key]
