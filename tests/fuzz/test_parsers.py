"""That the campaign finds what it looks for; its volume is run by `make fuzz`."""

import logging

import parsers
import pytest
import watch

from joint_ner_re.corpora import read_corpus
from joint_ner_re.sentence import Sentence


@pytest.fixture
def campaign(monkeypatch, tmp_path):
    """Failures among a few files of a format, with a reader in the place of the real one."""
    monkeypatch.setattr(parsers, "FILES", 60)
    monkeypatch.setattr(parsers, "large", lambda data: [])
    # A campaign has a process of its own, and takes its log over.
    logger = logging.getLogger("joint_ner_re")
    monkeypatch.setattr(logger, "handlers", logger.handlers)
    monkeypatch.setattr(logger, "propagate", logger.propagate)

    def run(format, reader=read_corpus):
        monkeypatch.setattr(parsers, "read_corpus", reader)
        figures = parsers._campaign(format, tmp_path, 3, 60)
        assert figures.failures or figures.files == 60
        return figures.failures

    return run


def but_for(change):
    """A reader that gives `change` of the sentences."""

    def reader(path, format, **options):
        return change(list(read_corpus(path, format, **options)))

    return reader


def raising(error):
    def reader(path, format, **options):
        raise error

    return reader


def test_the_readers_pass(campaign):
    assert campaign("multihead") == campaign("jsonl") == []


@pytest.mark.parametrize(
    "format, change, failure",
    [
        ("multihead", lambda found: found[1:], "sentences: 1 in the file, 0 read or logged"),
        ("doccano", lambda found: [s.without([0]) for s in found], "in the file"),
        ("jsonl", lambda found: [Sentence(s.tokens) for s in found], "in the file"),
        ("jsonl", lambda found: [open("trace", "w").close()] and found, "it did open 'trace'"),
        ("spert", lambda found: eval("found"), "it did exec"),
    ],
)
def test_what_is_dropped_or_done_is_found(campaign, monkeypatch, tmp_path, format, change, failure):
    monkeypatch.chdir(tmp_path)
    failures = campaign(format, but_for(change))
    assert any(failure in one for one in failures), failures


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), IndexError("list")])
def test_another_error_is_found(campaign, error):
    failures = campaign("conll04_corp", raising(error))
    assert len(failures) == 1 and type(error).__name__ in failures[0]


def test_what_takes_too_long_is_found(campaign, monkeypatch):
    monkeypatch.setattr(watch, "MAX_SECONDS", 0.02)

    def forever(path, format, **options):
        while True:
            pass

    failures = campaign("jsonl", forever)
    assert len(failures) == 1 and "not done after" in failures[0]
