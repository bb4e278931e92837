import copy
import json
import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus
from joint_ner_re.sentence import Entity, Relation

# Ada stands twice in the second sentence, and Kesh there and in the third.
RECORD = {
    "title": "Kesh",
    "sents": [
        ["Ada", "left", "."],
        ["Ada", ",", "that", "is", "Ada", "Marek", ",", "likes", "Kesh", "."],
        ["Kesh", "is", "in", "Ostmark", "."],
    ],
    "vertexSet": [
        [
            {"name": "Ada", "type": "PER", "sent_id": 0, "pos": [0, 1]},
            {"name": "Ada", "type": "PER", "sent_id": 1, "pos": [0, 1]},
            {"name": "AdaMarek", "type": "PER", "sent_id": 1, "pos": [4, 6]},
        ],
        [
            {"name": "Kesh", "type": "LOC", "sent_id": 1, "pos": [8, 9]},
            {"name": "Kesh", "type": "LOC", "sent_id": 2, "pos": [0, 1]},
        ],
        [{"name": "Ostmark", "type": "LOC", "sent_id": 2, "pos": [3, 4]}],
    ],
    "labels": [
        {"h": 0, "t": 1, "r": "P551", "evidence": [1]},
        {"h": 1, "t": 2, "r": "P131", "evidence": [2]},
        {"h": 0, "t": 2, "r": "P27", "evidence": [1, 2]},
    ],
}


@pytest.fixture
def read(put):
    def reading(*records, **options):
        return list(read_corpus(put("[" + ",\n".join(map(json.dumps, records)) + "]"), **options))

    return reading


def test_a_label_relates_the_nearest_mentions_of_one_sentence(read, caplog):
    with caplog.at_level(logging.WARNING):
        first, second, third = read(RECORD)
    assert [s.id for s in (first, second, third)] == ["Kesh:0", "Kesh:1", "Kesh:2"]
    assert first.entities == (Entity("PER", 0, 1),) and not first.relations
    assert second.entities == (Entity("PER", 0, 1), Entity("PER", 4, 6), Entity("LOC", 8, 9))
    assert second.relations == (Relation("P551", 1, 2),)
    assert third.relations == (Relation("P131", 0, 1),)
    assert "labels of two that no sentence mentions together, left out: 1" in caplog.text


def test_a_label_can_relate_all_pairs_of_a_sentence(read, caplog):
    _, second, third = read(RECORD, concept_relations="sentence")
    assert second.relations == (Relation("P551", 0, 2), Relation("P551", 1, 2))
    assert third.relations == (Relation("P131", 0, 1),)
    assert "labels read as more than one relation: 1" in caplog.text
    with pytest.raises(ValueError, match="concept_relations is 'all'; expected one of nearest, se"):
        read(RECORD, concept_relations="all")


def test_only_the_sentences_are_needed(read):
    path_free = {key: RECORD[key] for key in ("sents", "vertexSet")}
    assert [sentence.id for sentence in read(path_free)] == ["0:0", "0:1", "0:2"]
    assert len(read({"sents": [["a"]]}, format="docred")) == 1


def test_names_and_other_keys_are_counted(read, caplog):
    record = copy.deepcopy(RECORD)
    record["vertexSet"][2][0]["name"] = "Westmark"
    with caplog.at_level(logging.WARNING):
        read({**record, "na_triple": []})
    assert "mentions whose name is not their words: 1" in caplog.text
    assert "the key 'na_triple' of 1 documents was ignored" in caplog.text


def test_mentions_of_two_vertices_with_one_place_are_one(read, caplog):
    record = copy.deepcopy(RECORD)
    record["vertexSet"][2] = [dict(record["vertexSet"][1][1])]
    sentences = read(record)
    assert sentences[2].entities == (Entity("LOC", 0, 1),) and not sentences[2].relations
    assert "mentions with the type and the tokens of another one, kept once: 1" in caplog.text
    assert "relations between two mentions that became one, left out: 1" in caplog.text


def changed(**values):
    return {**RECORD, "vertexSet": [[{**RECORD["vertexSet"][0][0], **values}]], "labels": []}


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (5, "the document is 5; expected a JSON object"),
        ({**RECORD, "sents": ["Ada left."]}, 'sentence 0 is "Ada left."; expected a list of words'),
        ({**RECORD, "title": None}, "'title' is null; expected a string or a number"),
        ({**RECORD, "vertexSet": [5]}, "a vertex is 5; expected a list of mentions"),
        (changed(sent_id=3), "a mention has sent_id 3; expected 0 to 2, the number of a sentence"),
        (changed(pos=[2, 4]), "a mention in sentence 0 has pos [2, 4]; expected [begin, end]"),
        (changed(pos=[1, 1]), "with 0 <= begin < end <= 3, the number of tokens there"),
        (changed(type=5), "the key 'type' of a mention holds 5; expected a string"),
        ({**RECORD, "labels": [{"h": 0, "t": 3, "r": "x"}]}, "a label has t 3; expected 0 to 2"),
        ({**RECORD, "labels": [{"h": 0, "t": 0, "r": "x"}]}, "a label 'x' relates vertex 0 to its"),
        ({**RECORD, "labels": [{"h": 0, "t": 1}]}, "a label lacks the key 'r'"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, wrong, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(RECORD, wrong)
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    good = read(RECORD, wrong, {**RECORD, "title": "b"}, on_error=errors.append)
    assert [s.id for s in good] == ["Kesh:0", "Kesh:1", "Kesh:2", "b:0", "b:1", "b:2"]
    assert [error.line for error in errors] == [2]


def test_labels_that_stand_for_too_many_pairs_are_an_error(read):
    # Both of two things are mentioned 1,001 times in one sentence.
    size = 1001
    vertices = [
        [{"type": "X", "sent_id": 0, "pos": [i, i + 1]} for i in range(first, 2 * size, 2)]
        for first in (0, 1)
    ]
    record = {"sents": [["a"] * 2 * size], "vertexSet": vertices}
    with pytest.raises(CorpusFormatError, match="more than 1000000 pairs of mentions"):
        read({**record, "labels": [{"h": 0, "t": 1, "r": "x"}]})


def test_a_list_of_documents_is_not_spert(put):
    assert detect_format(put(json.dumps([RECORD], indent=1))) == "docred"


def test_the_real_file_agrees_with_brute_force(data):
    path = data / "formats" / "docred" / "dev.json"
    documents = json.loads(path.read_text())
    sentences = list(read_corpus(path))
    expected = set()
    for document in documents:
        homes = [{m["sent_id"] for m in vertex} for vertex in document["vertexSet"]]
        expected |= {
            (document["title"], label["r"], label["h"], label["t"])
            for label in document["labels"]
            if homes[label["h"]] & homes[label["t"]]
        }
    assert len(documents) == 100 and len(sentences) == sum(len(d["sents"]) for d in documents)
    # Three labels relate mentions that stand in two vertices.
    assert sum(len(sentence.relations) for sentence in sentences) == len(expected) - 3
    mentions = {
        (d["title"], m["sent_id"], *m["pos"], m["type"])
        for d in documents
        for vertex in d["vertexSet"]
        for m in vertex
    }
    assert sum(len(sentence.entities) for sentence in sentences) == len(mentions)
