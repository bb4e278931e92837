"""How much of a document becomes one sequence."""

import json

import pytest

from joint_ner_re.corpora import read_corpus
from joint_ner_re.corpora.units import check_unit, in_units, unit_of
from joint_ner_re.sentence import Relation

SENTENCES = [["a", "b"], ["c"], ["d"], ["e", "f"], ["g"]]


@pytest.mark.parametrize(
    "unit, expected",
    [
        ("sentence", SENTENCES),
        (1, SENTENCES),
        (2, [["a", "b", "c"], ["d", "e", "f"], ["g"]]),
        (9, [["a", "b", "c", "d", "e", "f", "g"]]),
        ("document", [["a", "b", "c", "d", "e", "f", "g"]]),
    ],
)
def test_sentences_are_joined_from_the_beginning(unit, expected):
    assert in_units(SENTENCES, unit) == expected
    assert in_units([], unit) == []
    # The same by the numbers of the sentences.
    joined = [[] for _ in expected]
    for number, tokens in enumerate(SENTENCES):
        joined[unit_of(number, unit)] += tokens
    assert joined == expected


@pytest.mark.parametrize("unit", ["sentences", 0, -1, 1.5, True, None])
def test_other_units_are_refused(unit):
    with pytest.raises(ValueError, match="expected 'sentence', 'document' or a number"):
        check_unit(unit)


DYGIE = {
    "doc_key": "d",
    "sentences": [["Ada", "left", "."], ["She", "met", "Bob", "."], ["It", "rained", "."]],
    "ner": [[[0, 0, "Per"]], [[5, 5, "Per"]], [[8, 8, "Event"]]],
    "relations": [[[0, 0, 5, 5, "Met"]], [], [[5, 5, 8, 8, "Before"]]],
}


@pytest.mark.parametrize(
    "unit, ids, relations",
    [
        ("sentence", ["d:0", "d:1", "d:2"], [(), (), ()]),
        (2, ["d:0", "d:1"], [(Relation("Met", 0, 1),), ()]),
        ("document", ["d"], [(Relation("Met", 0, 1), Relation("Before", 1, 2))]),
    ],
)
def test_relations_inside_of_a_unit_are_kept(tmp_path, caplog, unit, ids, relations):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(DYGIE))
    found = list(read_corpus(path, unit=unit))
    assert [sentence.id for sentence in found] == ids
    assert [sentence.relations for sentence in found] == relations
    lost = 2 - sum(map(len, relations))
    assert ("left out: " + str(lost) in caplog.text) == bool(lost)


def test_the_mentions_of_docreds_labels_may_stand_in_one_unit(tmp_path):
    document = {
        "title": "t",
        "sents": DYGIE["sentences"],
        "vertexSet": [
            [{"name": "Ada", "sent_id": 0, "pos": [0, 1], "type": "PER"}],
            [{"name": "Bob", "sent_id": 1, "pos": [2, 3], "type": "PER"}],
        ],
        "labels": [{"r": "P26", "h": 0, "t": 1, "evidence": [0, 1]}],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps([document]))
    counts = {
        unit: [len(sentence.relations) for sentence in read_corpus(path, unit=unit)]
        for unit in ("sentence", 2, "document")
    }
    assert counts == {"sentence": [0, 0, 0], 2: [1, 0], "document": [1]}


def test_predictions_are_divided_into_units(tmp_path):
    record = {
        "id": "a",
        "tokens": ["A", ".", "B", ".", "C", "."],
        "sentences": [[0, 2], [2, 4], [4, 6]],
    }
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record))
    tokens = [sentence.tokens for sentence in read_corpus(path, "jsonl", unit=2)]
    assert tokens == [("A", ".", "B", "."), ("C", ".")]


def test_the_old_option_is_another_name(fixtures):
    path = fixtures / "own/doccano.jsonl"
    for old, new in ((True, "sentence"), (False, "document")):
        assert list(read_corpus(path, split_sentences=old)) == list(read_corpus(path, unit=new))
