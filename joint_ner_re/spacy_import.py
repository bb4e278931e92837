"""Imports spaCy without what nothing here uses: its command line and, where asked, PyTorch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

# The only module of the command line that spaCy imports by itself, for `spacy.info`.
_INFO = "spacy.cli.info"


def import_spacy(with_torch: bool = True) -> None:
    """Import spaCy, if it is not imported yet.

    `spacy.info` and `spacy.cli` are imported when somebody asks for them, as programs do that call
    `spacy.cli.download`.

    # Parameters

    with_torch : `bool`, optional (default = `True`)
        Whether spaCy may import PyTorch where it is installed, which takes 2 seconds and 500 MB.
        Without it, spaCy has no PyTorch as long as the process runs; others can still import it.
    """
    if "spacy" in sys.modules or _INFO in sys.modules:
        return
    stand_in = ModuleType(_INFO)
    stand_in.info = None  # type: ignore[attr-defined]
    hidden: dict[str, Any] = {_INFO: stand_in}
    if not with_torch and "torch" not in sys.modules:
        hidden["torch"] = None
    sys.modules.update(hidden)
    try:
        spacy = importlib.import_module("spacy")
    finally:
        for name in hidden:
            del sys.modules[name]
    del spacy.info
    spacy.__getattr__ = _on_demand  # type: ignore[method-assign]


def _on_demand(name: str) -> Any:
    """What Python asks for names that `spacy` does not have (PEP 562)."""
    if name == "info":
        return importlib.import_module(_INFO).info
    if name == "cli":
        return importlib.import_module("spacy.cli")
    raise AttributeError(f"module 'spacy' has no attribute {name!r}")
