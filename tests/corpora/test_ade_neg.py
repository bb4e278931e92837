from __future__ import annotations

import pytest

from joint_ner_re.corpora.ade_neg import read
from joint_ner_re.corpora.errors import CorpusFormatError


def test_fixture(corpora):
    path = corpora / "ade_neg.txt"
    sentences = list(read(path))
    assert [s.id for s in sentences] == [f"neg-{i}" for i in range(9)]
    assert all(not s.entities and not s.relations for s in sentences)
    dogs = sentences[2]
    assert dogs.text == "METHODS: Ten dogs received saline (5 ml/kg) for a week."
    assert [dogs.text[b:e] for b, e in dogs.offsets] == list(dogs.tokens)
    assert dogs.tokens[:4] == ("METHODS", ":", "Ten", "dogs")
    assert dogs.source == f"{path}:3"


def test_a_pipe_or_neg_inside_a_sentence_is_text(put):
    [sentence] = read(put("1 NEG a | b NEG c\n"))
    assert sentence.text == "a | b NEG c"


@pytest.mark.parametrize(
    "content, line",
    [
        ("1 NEG Fine.\n2 POS Not fine.\n", 2),
        ("1 NEG Fine.\nNEG Not fine.\n", 2),
        ("1 NEG \n", 1),
        ("1 NEG    \n", 1),
        ("1 NEG Fine.\n2 NE", 2),
        ("1234567890 NEG Too long a number.\n", 1),
    ],
)
def test_malformed_lines_are_refused(put, content, line):
    path = put(content)
    with pytest.raises(CorpusFormatError, match="expected a number, NEG and a sentence") as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)


def test_a_blank_line_inside_is_refused(put):
    with pytest.raises(CorpusFormatError, match=":2: a blank line inside the file"):
        list(read(put("1 NEG Fine.\n\n2 NEG Fine.\n")))
