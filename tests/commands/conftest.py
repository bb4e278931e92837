import sys

import pytest


@pytest.fixture
def allennlp(monkeypatch):
    """Runs `allennlp` with these arguments, in this process."""

    def run(*arguments):
        from allennlp.commands import main

        monkeypatch.setattr(sys, "argv", ["allennlp", *map(str, arguments)])
        main(prog="allennlp")

    return run
