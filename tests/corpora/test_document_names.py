"""Which document a sentence is from."""

import pytest

from joint_ner_re.corpora.partitions import document_of
from joint_ner_re.sentence import Sentence


@pytest.mark.parametrize(
    "id, text, document",
    [
        ("report:120-124", "It s", "report"),
        # The text is longer than the id says: the id is a name of its own.
        ("report:120-124", "It seems", "report:120-124"),
        ("report:7", None, "report"),
        ("a:b:7", None, "a:b"),
        ("adcetris/S1:0-4", "It s", "adcetris"),
        ("adcetris/S1", None, "adcetris"),
        ("dir/report", None, "dir/report"),
        ("12", None, "12"),
        (":7", None, ""),
        ("", None, ""),
    ],
)
def test_the_id_names_the_document(id, text, document):
    offsets = None if text is None else [(0, 2), (3, len(text))]
    sentence = Sentence(["It", "s"], [], [], id=id, text=text, offsets=offsets)
    assert document_of(sentence) == document
