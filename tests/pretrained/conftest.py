import sqlite3
from contextlib import closing

import pytest


@pytest.fixture(autouse=True, scope="module")
def on_one_thread(one_thread):
    """The encoders here are tiny."""


@pytest.fixture
def number_kept():
    """Counts the tensors in a database of kept vectors."""

    def count(path):
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM vectors").fetchone()[0]

    return count
