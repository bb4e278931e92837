"""What MkDocs calls while it builds: adds the pages that are made from the code."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

# Quiet, and nothing from a network: this only reads the code.
os.environ.setdefault("ALLENNLP_LOG_LEVEL", "WARNING")
logging.getLogger("allennlp").setLevel(logging.WARNING)

import api  # noqa: E402
import reference  # noqa: E402
from mkdocs.config.defaults import MkDocsConfig  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402


def generated() -> dict[str, str]:
    """The Markdown of every page that is made, by its name in docs/."""
    pages = {
        "configuration.md": reference.configuration_page(),
        "commands.md": reference.commands_page(),
    }
    pages.update({api.file_name(name): api.api_page(name) for name in api.MODULES})
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is not written yet."""
    assert config.nav is not None
    config.nav = _existing(config.nav, Path(config.docs_dir))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name, text in generated().items():
        files.append(File.generated(config, name, content=text))
    return files


NOT_FILES = {"configuration.md", "commands.md", *map(api.file_name, api.MODULES)}


def _existing(nav: list[Any], docs: Path) -> list[Any]:
    kept: list[Any] = []
    for item in nav:
        ((title, value),) = item.items()
        if isinstance(value, list):
            value = _existing(value, docs)
        elif value not in NOT_FILES and not (docs / value).exists():
            value = None
        if value:
            kept.append({title: value})
    return kept
