from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Content = str | bytes


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The directory of the tiny corpora, written for these tests."""
    return Path(__file__).parents[2] / "fixtures"


@pytest.fixture(scope="session")
def data() -> Path:
    """The directory of the real corpora."""
    path = os.environ.get("JOINT_NER_RE_DATA")
    if not path:
        pytest.skip("needs the corpora: set JOINT_NER_RE_DATA")
    return Path(path)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[Content], str]:
    """Writes a file and returns its path."""

    def write(content: Content) -> str:
        path = tmp_path / "corpus"
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return str(path)

    return write
