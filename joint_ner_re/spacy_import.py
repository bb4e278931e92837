"""Imports spaCy without what nothing here uses: its command line and, in some programs, PyTorch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

# The only module of the command line that spaCy imports by itself, for `spacy.info`.
_INFO = "spacy.cli.info"


def import_spacy() -> None:
    """Import spaCy, if it is not imported yet.

    `spacy.info` and `spacy.cli` are imported when somebody asks for them, as programs do that call
    `spacy.cli.download`.
    """
    if "spacy" in sys.modules or _INFO in sys.modules:
        return
    stand_in = ModuleType(_INFO)
    stand_in.info = None  # type: ignore[attr-defined]
    sys.modules[_INFO] = stand_in
    try:
        spacy = importlib.import_module("spacy")
    finally:
        del sys.modules[_INFO]
    del spacy.info
    spacy.__getattr__ = _on_demand  # type: ignore[method-assign]


def spare_torch() -> None:
    """Make this process one without PyTorch, which spaCy imports where it is installed.

    That takes 2 seconds and 500 MB. Where PyTorch is imported already, nothing changes.
    """
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]


def _on_demand(name: str) -> Any:
    """What Python asks for names that `spacy` does not have (PEP 562)."""
    if name == "info":
        return importlib.import_module(_INFO).info
    if name == "cli":
        return importlib.import_module("spacy.cli")
    raise AttributeError(f"module 'spacy' has no attribute {name!r}")
