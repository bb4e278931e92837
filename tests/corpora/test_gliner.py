import json
import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus, write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

RECORD = {
    "tokenized_text": ["Ada", "left", "Novi", "Brod", "."],
    "ner": [[2, 3, "place"], [0, 0, "person"]],
    "relations": [[1, 0, "lived in"]],
}


@pytest.fixture
def read(put):
    def reading(*records, **options):
        return list(read_corpus(put("[\n" + ",\n".join(map(json.dumps, records)) + "]"), **options))

    return reading


def test_the_last_token_is_inside_and_relations_name_places_in_ner(read):
    (sentence,) = read(RECORD)
    assert sentence.tokens == ("Ada", "left", "Novi", "Brod", ".")
    assert sentence.entities == (Entity("place", 2, 4), Entity("person", 0, 1))
    assert sentence.relations == (Relation("lived in", 1, 0),)


def test_a_list_and_lines_are_the_same(read, put):
    path = put(f"{json.dumps(RECORD)}\n{json.dumps({'tokenized_text': []})}\n")
    assert detect_format(path) == "gliner"
    assert list(read_corpus(path)) == read(RECORD, {"tokenized_text": []})


def test_the_id_is_the_index_or_the_key(read):
    records = [{"tokenized_text": ["a"]}, {"tokenized_text": ["a"], "id": "x"}]
    assert [sentence.id for sentence in read(*records)] == ["0", "x"]


def test_other_keys_are_counted(read, caplog):
    with caplog.at_level(logging.WARNING):
        read({**RECORD, "ner_labels": ["person"]}, {**RECORD, "ner_labels": []})
    assert "the key 'ner_labels' of 2 sentences was ignored" in caplog.text


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"tokenized_text": None}, "the key 'tokenized_text' of the sentence holds null"),
        ({"tokenized_text": ["Ada", 5]}, "'tokenized_text' is [\"Ada\", 5]; expected a list of wo"),
        ({"ner": [[0, 5, "X"]]}, 'a mention is [0, 5, "X"]; expected 0 <= first <= last < 5'),
        ({"ner": [[0, 0, ["X"]]]}, 'a mention is [0, 0, ["X"]]; expected [first, last, type]'),
        ({"relations": [[0, 2, "X"]]}, "relation 0 (X) has tail 2; expected an index into"),
        ({"relations": [[0, 0, "X"]]}, "relation 0 (X) links entity 0 to itself"),
        ({"relations": [{"relation_text": "X"}]}, "a relation is an object, as GLiREL has it"),
        ({"id": False}, "'id' is false; expected a string or a number"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, changes, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(RECORD, {**RECORD, **changes}, format="gliner")
    assert caught.value.line == 3 and reason in caught.value.reason
    errors = []
    good = read(RECORD, {**RECORD, **changes}, RECORD, format="gliner", on_error=errors.append)
    assert [sentence.id for sentence in good] == ["0", "2"]
    assert [error.line for error in errors] == [3]


def test_what_is_no_object_is_an_error_that_can_be_passed_over(put):
    path = put(f"[{json.dumps(RECORD)},\n5, {json.dumps(RECORD)}]")
    with pytest.raises(CorpusFormatError, match="element 1 is 5; expected an object"):
        list(read_corpus(path))
    errors = []
    assert len(list(read_corpus(path, on_error=errors.append))) == 2
    assert [error.line for error in errors] == [2]


def test_what_was_written_is_read_back(corpora, tmp_path, caplog):
    sentences = list(read_corpus(corpora / "conll04_spert.json"))
    path = tmp_path / "out"
    assert write_corpus(sentences, path, "gliner") == len(sentences)
    assert list(read_corpus(path)) == sentences
    assert not caplog.messages
    first = json.loads(path.read_text())[0]
    original = json.loads((corpora / "gliner.json").read_text())[0]
    assert first == {**original, "id": "17"}
    scored = Sentence(["Ada"], [Entity("X", 0, 1, 0.0)]).with_text()
    assert write_corpus([scored], path, "gliner") == 1
    assert caplog.messages == [
        f"{path}: probabilities, not written: 1",
        f"{path}: texts, of which only the tokens were written: 1",
    ]
    assert write_corpus([], path, "gliner") == 0 and path.read_text() == "[]\n"
