import pytest


@pytest.fixture(autouse=True, scope="module")
def on_one_thread(one_thread):
    """The tensors here are tiny."""
