from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError, located
from joint_ner_re.sentence import Sentence, SentenceError


def test_the_message_names_file_line_and_reason():
    error = CorpusFormatError(Path("some") / "file.txt", 7, "three columns; expected two")
    assert str(error) == f"{Path('some') / 'file.txt'}:7: three columns; expected two"
    assert (error.path, error.line, error.reason) == (
        str(Path("some") / "file.txt"),
        7,
        "three columns; expected two",
    )
    assert isinstance(error, ValueError)


def test_an_error_about_the_whole_file_has_no_line():
    error = CorpusFormatError("f", None, "the file is empty")
    assert error.line is None
    assert str(error) == "f: the file is empty"


def test_the_error_survives_the_way_out_of_a_worker_process():
    error = pickle.loads(pickle.dumps(CorpusFormatError("f", 3, "why")))
    assert (error.path, error.line, error.reason, str(error)) == ("f", 3, "why", "f:3: why")


def test_a_sentence_error_becomes_an_error_with_file_and_line():
    with (
        pytest.raises(CorpusFormatError, match="^f:4: text and offsets") as caught,
        located("f", 4),
    ):
        Sentence(["a"], text="a")
    assert isinstance(caught.value.__cause__, SentenceError)


def test_other_errors_pass_through():
    with pytest.raises(KeyError), located("f", 4):
        raise KeyError("x")


def test_a_value_nested_too_deeply_for_a_message_is_an_error_too():
    with (
        pytest.raises(CorpusFormatError, match="^f:4: a value is nested too deeply"),
        located("f", 4),
    ):
        raise RecursionError


def test_a_reason_that_quotes_too_much_loses_its_middle():
    error = CorpusFormatError("f", 1, "begin" + "x" * 10**6 + "end")
    assert len(error.reason) < 1100
    assert error.reason.startswith("beginxxx") and error.reason.endswith("xxxend")
    assert pickle.loads(pickle.dumps(error)).reason == error.reason
