import sqlite3
from contextlib import closing

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The tensors here are tiny: more threads only cost time, most of all on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def number_kept():
    """Counts the tensors in a database of kept vectors."""

    def count(path):
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM vectors").fetchone()[0]

    return count
