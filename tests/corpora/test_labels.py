"""Types that are renamed, merged or left out while a corpus is read, and relations in one order."""

from collections import Counter

import pytest

from joint_ner_re.corpora import read_corpus
from joint_ner_re.corpora.labels import relabelled
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = ["Ada", "met", "Bob", "in", "Kesh"]
ENTITIES = [Entity("Per", 0, 1), Entity("Person", 0, 1), Entity("Per", 2, 3), Entity("Loc", 4, 5)]
SENTENCE = Sentence(
    TOKENS,
    ENTITIES,
    [Relation("Met", 2, 0), Relation("Meets", 1, 2), Relation("In", 0, 3), Relation("Is", 0, 1)],
)


def changed(sentence, labels=None, symmetric=()):
    changes = Counter()
    (found,) = relabelled([sentence], labels or {}, symmetric, changes)
    return found, changes


def test_types_are_renamed_and_what_becomes_the_same_is_merged():
    found, changes = changed(SENTENCE, {"Per": "Person", "Meets": "Met"})
    assert found.tokens == SENTENCE.tokens
    assert found.entities == (Entity("Person", 0, 1), Entity("Person", 2, 3), Entity("Loc", 4, 5))
    assert found.relations == (Relation("Met", 1, 0), Relation("Met", 0, 1), Relation("In", 0, 2))
    assert changes == {
        "entities that became another one by labels, kept once": 1,
        "relations between two entities that labels made one, left out": 1,
    }


def test_types_are_left_out_with_their_relations():
    found, changes = changed(SENTENCE, {"Loc": None, "Is": None})
    assert found.entities == tuple(ENTITIES[:3])
    assert found.relations == (Relation("Met", 2, 0), Relation("Meets", 1, 2))
    assert changes == {
        "entities of the type Loc, left out by labels": 1,
        "relations of entities that labels leave out, left out": 1,
        "relations of the type Is, left out by labels": 1,
    }


def test_symmetric_relations_get_one_order():
    found, changes = changed(SENTENCE, {"Meets": "Met", "Per": "Person"}, ["Met"])
    assert found.relations == (Relation("Met", 0, 1), Relation("In", 0, 2))
    assert changes["relations of symmetric types given in both orders, kept once"] == 1


def test_the_more_probable_of_two_orders_is_kept():
    entities = [Entity("X", 2, 3), Entity("X", 0, 1)]
    relations = [Relation("R", 0, 1, 0.5), Relation("R", 1, 0, 0.75), Relation("S", 0, 1, 0.25)]
    found = Sentence(["a", "b", "c"], entities, relations).in_one_order({"R"})
    assert found.relations == (Relation("R", 1, 0, 0.75), Relation("S", 0, 1, 0.25))


def test_a_type_that_never_occurs_is_named():
    _, changes = changed(SENTENCE, {"Lco": "Place"}, ["met"])
    assert changes == {
        "the type 'Lco' in labels, which does not occur: is it misspelt?": 1,
        "the type 'met' in symmetric, which does not occur: is it misspelt?": 1,
    }


@pytest.mark.parametrize("labels", [{"a": ""}, {"a": 1}, {1: "a"}, ["a"]])
def test_impossible_labels_are_refused_before_reading(fixtures, labels):
    with pytest.raises(ValueError, match="labels "):
        read_corpus(fixtures / "sentences.jsonl", labels=labels)


def test_every_format_can_be_read_with_labels(fixtures, caplog):
    plain = list(read_corpus(fixtures / "conll04.corp"))
    read = list(read_corpus(fixtures / "conll04.corp", labels={"Peop": "Person", "Kill": None}))
    types = Counter(entity.type for sentence in plain for entity in sentence.entities)
    found = Counter(entity.type for sentence in read for entity in sentence.entities)
    assert types["Peop"]
    assert found == Counter({**types, "Person": types["Peop"]}) - Counter(Peop=types["Peop"])
    kills = sum(r.type == "Kill" for sentence in plain for r in sentence.relations)
    assert f"relations of the type Kill, left out by labels: {kills}" in caplog.text
