from __future__ import annotations

import io
import json
import logging

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.spert import read, write
from joint_ner_re.sentence import Entity, Relation, Sentence


def test_fixture(corpora):
    sentences = list(read(corpora / "conll04_spert.json"))
    assert " ".join(s.id for s in sentences) == "17 18 23 29 31 40 41 57 60 64 72"
    harbor = sentences[1]
    assert " ".join(harbor.tokens) == "The harbor of Lisgard lies in Tarnia ."
    assert harbor.entities == (Entity("Loc", 3, 4), Entity("Loc", 6, 7))
    assert harbor.relations == (Relation("Located_In", 0, 1),)


def test_ids_are_strings_and_default_to_the_index(put):
    path = put(
        '[{"tokens": ["a"]}, {"tokens": ["b"], "orig_id": 7}, {"tokens": [], "orig_id": ""}]'
    )
    assert [s.id for s in read(path)] == ["0", "7", ""]


def test_an_empty_list_is_a_corpus_without_sentences(put):
    assert list(read(put(" [ ]\n"))) == []


def test_lines_are_those_where_elements_begin(put):
    path = put('\n[\n  {"tokens":\n ["a"]}\n ,\n\n  {"tokens": ["b"]}, {"tokens": ["c"]}\n]\n')
    assert [s.source for s in read(path)] == [f"{path}:3", f"{path}:7", f"{path}:7"]


def test_known_extra_keys_are_counted_and_logged(put, caplog):
    path = put('[{"tokens": ["a"], "pos": ["NN"], "ltokens": []}, {"tokens": ["b"], "pos": []}]')
    with caplog.at_level(logging.WARNING):
        assert [s.tokens for s in read(path)] == [("a",), ("b",)]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: the key 'ltokens' of 1 sentences was ignored",
        f"{path}: the key 'pos' of 2 sentences was ignored",
    ]


def test_only_what_spert_knows_is_written_where_there_is_no_more():
    file = io.StringIO()
    sentence = Sentence(
        ["Ada", "is", "here"],
        [Entity("Peop", 0, 1), Entity("Loc", 2, 3)],
        [Relation("In", 0, 1)],
        "5",
    )
    assert write([sentence], file) == 1
    assert json.loads(file.getvalue()) == [
        {
            "tokens": ["Ada", "is", "here"],
            "entities": [
                {"type": "Peop", "start": 0, "end": 1},
                {"type": "Loc", "start": 2, "end": 3},
            ],
            "relations": [{"type": "In", "head": 0, "tail": 1}],
            "orig_id": 5,
        }
    ]


def test_text_offsets_and_scores_are_written_where_they_are_known():
    file = io.StringIO()
    write([Sentence(["a"], [Entity("X", 0, 1, 0.5)], (), "i", "a", [(0, 1)])], file)
    [record] = json.loads(file.getvalue())
    assert record["entities"] == [{"type": "X", "start": 0, "end": 1, "score": 0.5}]
    assert (record["text"], record["offsets"], record["orig_id"]) == ("a", [[0, 1]], "i")


@pytest.mark.parametrize(
    "name", ["0", "12", "012", "-1", "+1", "1_0", "\u0663", "9" * 15, "9" * 5000]
)
def test_ids_are_written_as_numbers_only_if_they_read_back_alike(put, name):
    file = io.StringIO()
    write([Sentence(["a"], id=name)], file)
    [record] = json.loads(file.getvalue())
    assert isinstance(record["orig_id"], int) == (name in ("0", "12", "9" * 15))
    [sentence] = read(put(file.getvalue()))
    assert sentence.id == name


GOOD = '{"tokens": ["a", "b"], "entities": [{"type": "X", "start": 0, "end": 1}], "relations": []}'


@pytest.mark.parametrize(
    "content, line, reason",
    [
        (GOOD, 1, "expected a JSON list; found '{"),
        ("\n\nx", 3, "expected a JSON list; found 'x'"),
        (
            "[\n" + GOOD + ",\n" + GOOD,
            3,
            "expected ',' or ']' in the list; found the end of the file",
        ),
        ("[\n" + GOOD + "\n" + GOOD + "]", 3, "expected ',' or ']' in the list; found '{"),
        ("[\n" + GOOD + ",\n" + GOOD[:-20], 3, "ends too early"),
        ("[\n" + GOOD + ",\n]", 3, "not JSON at column 1, ']'"),
        ("[\n" + GOOD + "]\n\nmore", 4, "found 'more' after the list"),
        ("[\n" + GOOD + ",\n7]", 3, "element 1 is 7; expected an object"),
        (
            '[{"tokens": ["a"],\n "labels": []}]',
            1,
            "element 0 has the key 'labels'; known keys are",
        ),
        (
            '[{"tokens": ["a"], "orig_id": 1.5}]',
            1,
            "'orig_id' is 1.5; expected a number or a string",
        ),
        ('[{"tokens": ["a"], "orig_id": null}]', 1, "'orig_id' is null"),
        ('[{"tokens": ["a"], "orig_id": true}]', 1, "'orig_id' is true"),
        ('[{"entities": []}]', 1, "lacks the key 'tokens'"),
        ("[\n" + GOOD.replace('"end": 1', '"end": 3') + "]", 2, "tokens 0 to 3"),
        ("[\n" + GOOD.replace('"end": 1', '"end": 0') + "]", 2, "tokens 0 to 0"),
        ("[" + GOOD.replace('"end": 1', '"end": true') + "]", 1, "expected an integer"),
        (
            "[" + GOOD.replace('s": []', 's": [{"type": "R", "head": 0, "tail": 1}]') + "]",
            1,
            "has tail 1; expected an index into the sentence's 1 entities",
        ),
        (
            "[" + GOOD.replace('s": []', 's": [{"type": "R", "head": 0, "tail": 0}]') + "]",
            1,
            "links entity 0 to itself",
        ),
        ('[{"tokens": ' + "[" * 100_000, 1, "nested too deeply"),
    ],
)
def test_malformed_files_are_refused(put, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


@pytest.mark.parametrize("depth", [100, 300, 500, 900, 980, 2000])
def test_deep_nesting_is_an_error_at_every_depth(put, depth):
    with pytest.raises(CorpusFormatError):
        list(read(put('[{"tokens": ' + "[" * depth + "]" * depth + "}]")))


def test_errors_in_elements_can_be_passed_over(put):
    path = put('[{"tokens": ["a"]},\n{"tokens": 1},\n{"tokens": ["b"]}]')
    errors = []
    found = list(read(path, on_error=errors.append))
    assert [s.tokens for s in found] == [("a",), ("b",)]
    assert [error.line for error in errors] == [2]
