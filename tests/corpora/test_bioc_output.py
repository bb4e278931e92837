"""BioC's JSON as it is written."""

import json
import logging

import pytest

from joint_ner_re.corpora import detect_format, read_corpus, write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

FIRST = Sentence(
    ["Ada", "left", "."], [Entity("Peop", 0, 1, 0.5)], [], "n:0-10", "Ada left. ",
    [(0, 3), (4, 8), (8, 9)],
)  # fmt: skip
SECOND = Sentence(
    ["Bob", "chose", "Kesh"], [Entity("Loc", 2, 3), Entity("Peop", 0, 1)],
    [Relation("Live_In", 1, 0, 1e-7)], "n:10-24", "Bob chose Kesh",
    [(0, 3), (4, 9), (10, 14)],
)  # fmt: skip


def test_sentences_of_a_document_become_a_passage(tmp_path):
    assert write_corpus([FIRST, SECOND], tmp_path / "a.json", "bioc") == 2
    (document,) = json.loads((tmp_path / "a.json").read_text())["documents"]
    (passage,) = document["passages"]
    assert (document["id"], passage["offset"]) == ("n", 0)
    one, two = passage["sentences"]
    assert (one["offset"], one["text"]) == (0, "Ada left. ")
    assert (two["offset"], two["text"]) == (10, "Bob chose Kesh")
    assert one["annotations"] == [
        {"id": "1", "infons": {"type": "Peop", "score": "0.5"}, "text": "Ada",
         "locations": [{"offset": 0, "length": 3}]}
    ]  # fmt: skip
    assert [a["locations"] for a in two["annotations"]] == [
        [{"offset": 20, "length": 4}], [{"offset": 10, "length": 3}]
    ]  # fmt: skip
    assert two["relations"] == [
        {"id": "R1", "infons": {"type": "Live_In", "score": "0.0000001"},
         "nodes": [{"refid": "3", "role": "head"}, {"refid": "2", "role": "tail"}]}
    ]  # fmt: skip


def test_written_documents_read_back_equal(tmp_path):
    write_corpus([FIRST, SECOND, Sentence(["Kesh"], id="m")], tmp_path / "a.json", "bioc")
    assert detect_format(tmp_path / "a.json") == "bioc"
    found = list(read_corpus(tmp_path / "a.json"))
    assert found[:2] == [FIRST, SECOND]
    assert (found[2].id, found[2].text) == ("m:0-4", "Kesh")


@pytest.mark.parametrize("name", ["own/brat", "own/prodigy.jsonl", "tools/bioc.xml"])
def test_nothing_is_lost_on_the_way(corpora, tmp_path, caplog, name):
    sentences = list(read_corpus(corpora / name))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        write_corpus(sentences, tmp_path / "a.json.gz", "bioc")
    assert not caplog.messages and sum(len(s.relations) for s in sentences) > 0
    assert list(read_corpus(tmp_path / "a.json.gz")) == sentences


def test_entities_without_a_character_are_counted(tmp_path, caplog):
    entities = [Entity("X", 0, 1), Entity("Y", 1, 2)]
    sentence = Sentence(["", "a"], entities, [Relation("R", 0, 1)], "n", "a", [(0, 0), (0, 1)])
    with caplog.at_level(logging.WARNING):
        write_corpus([sentence], tmp_path / "a.json", "bioc")
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "entities without a character, left out: 1",
        "relations of mentions that were left out: 1",
    ]


def test_an_empty_corpus_is_a_collection(tmp_path):
    assert write_corpus([], tmp_path / "a.json", "bioc") == 0
    assert json.loads((tmp_path / "a.json").read_text())["documents"] == []
