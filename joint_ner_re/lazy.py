"""Names of a package that are imported when somebody first asks for them (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], list[str]]:
    """What a package needs in its `__init__.py` to offer names without importing their modules.

        __getattr__, __all__ = lazy_names(__name__, {"score": "joint_ner_re.metrics"})

    # Parameters

    package : `str`
        The package's `__name__`.
    homes : `Mapping[str, str]`
        Each public name, with the module that defines it.

    # Returns

    `tuple[Callable[[str], Any], list[str]]`
        The package's `__getattr__` and its `__all__`.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        # From now on Python finds the name without asking again.
        setattr(sys.modules[package], name, value)
        return value

    return get, sorted(homes)
