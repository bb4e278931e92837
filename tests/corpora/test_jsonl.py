from __future__ import annotations

import json

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.jsonl import read, write
from joint_ner_re.sentence import Entity, Relation


def test_fixture(corpora):
    path = corpora / "sentences.jsonl"
    sentences = list(read(path))
    assert [s.id for s in sentences] == ["a1", "a2", "a3", "a4", "a5", "c1", "7", ""]
    aspirin = sentences[1]
    assert aspirin.entities == (Entity("Drug", 2, 3, 0.95),)
    assert aspirin.character_span(aspirin.entities[0]) == (9, 16)
    overlap = sentences[2]
    assert overlap.entities == (Entity("Adverse-Effect", 1, 3, 0.95), Entity("Drug", 1, 2, 0.9))
    assert overlap.relations == (Relation("Adverse-Effect", 0, 1, 0.85),)
    # The emoji before it counts as one character.
    assert sentences[4].character_span(sentences[4].entities[0]) == (23, 31)
    assert sentences[5].text is None
    assert sentences[7].tokens == ("Silence", ".")
    assert sentences[7].source == f"{path}:8"


@pytest.mark.parametrize(
    "content, line, reason",
    [
        ('{"tokens": ["a"]}\n["a"]\n', 2, "expected a JSON object"),
        ('{"tokens": ["a"]}\nnot json\n', 2, "not JSON at column 1, 'not json'"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"', 2, "ends too early"),
        ('{"tokens": ["a"]} {"tokens": ["b"]}\n', 1, "one JSON object in a line, then found"),
        ('{"tokens": ["a"]}\n\n{"tokens": ["a"]}\n', 2, "a blank line inside the file"),
        ('{"text": "a"}\n', 1, "lacks the key 'tokens'"),
        ('{"tokens": ["a"], "entitys": []}\n', 1, "has the key 'entitys'; known keys are"),
        ('{"tokens": "a"}\n', 1, "expected a list"),
        ('{"tokens": [1]}\n', 1, "expected a string"),
        (
            '{"tokens": ["a"], "entities": [{"type": "X", "start": 0, "end": 2}]}',
            1,
            "tokens 0 to 2",
        ),
        (
            '{"tokens": ["a"], "entities": [{"type": "X", "start": 1, "end": 1}]}',
            1,
            "tokens 1 to 1",
        ),
        (
            '{"tokens": ["a"], "relations": [{"type": "X", "head": 0, "tail": 1}]}',
            1,
            "expected an index into the sentence's 0 entities",
        ),
        ('{"tokens": ["a"], "text": "a", "offsets": [[0, 2]]}', 1, "token 0 has offsets 0 to 2"),
        ('{"tokens": ["a"], "id": ' + "9" * 5000 + "}", 1, "a number of 5000 digits"),
    ],
)
def test_malformed_lines_are_refused(put, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


DOCUMENT = {
    "id": "d",
    "text": " Ada left Kesh. It rained. ",
    "tokens": ["Ada", "left", "Kesh", ".", "It", "rained", "."],
    "offsets": [[1, 4], [5, 9], [10, 14], [14, 15], [16, 18], [19, 25], [25, 26]],
    "entities": [
        {"type": "X", "start": 5, "end": 6},
        {"type": "P", "start": 0, "end": 1, "score": 0.5},
        {"type": "L", "start": 2, "end": 3},
    ],
    "relations": [{"type": "R", "head": 1, "tail": 2, "score": 0.25}],
    "sentences": [[0, 4], [4, 7]],
}


def test_a_predicted_document_can_be_split_into_its_sentences(put):
    path = put(json.dumps(DOCUMENT))
    first, second = read(path, unit="sentence")
    assert (first.id, first.text) == ("d:0-16", " Ada left Kesh. ")
    assert (second.id, second.text) == ("d:16-27", "It rained. ")
    assert first.entities == (Entity("P", 0, 1, 0.5), Entity("L", 2, 3))
    assert first.relations == (Relation("R", 0, 1, 0.25),)
    assert second.entities == (Entity("X", 1, 2),)
    assert second.offsets == ((0, 2), (3, 9), (9, 10))
    (whole,) = read(path)
    assert len(whole.tokens) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"relations": [{"type": "R", "head": 0, "tail": 1}]},
        {"entities": [{"type": "X", "start": 3, "end": 5}], "relations": []},
        {"sentences": []},
    ],
)
def test_what_crosses_sentences_keeps_them_together(put, change, caplog):
    path = put(json.dumps({**DOCUMENT, **change}))
    assert list(read(path, unit="sentence")) == list(read(path))
    assert ("over the end of a sentence, kept as one: 1" in caplog.text) == ("entities" in change
            or "relations" in change)  # fmt: skip


@pytest.mark.parametrize("bounds", [3, [3], [[0, 4]], [[0, 4], [5, 7]], [[0, 0], [0, 7]], [["0"]]])
def test_impossible_bounds_are_an_error(put, bounds):
    path = put(json.dumps({**DOCUMENT, "sentences": bounds}))
    for options in ({}, {"unit": "sentence"}):
        with pytest.raises(CorpusFormatError, match=":1: 'sentences' is .* up to 7"):
            list(read(path, **options))


def test_documents_that_failed_are_left_out_and_counted(put, caplog):
    failed = {"id": "x", "error": {"type": "ValueError", "message": "no"}, "line": 1}
    path = put("".join(json.dumps(record) + "\n" for record in (failed, {"tokens": ["a"]})))
    assert [s.tokens for s in read(path)] == [("a",)]
    assert "documents that failed when they were predicted, left out: 1" in caplog.text


def test_errors_can_be_passed_over(put):
    path = put('{"tokens": ["a"]}\n{"tokens": [\n[1]\n{"tokens": 1}\n{"tokens": ["b"]}\n')
    errors = []
    found = list(read(path, on_error=errors.append))
    assert [s.tokens for s in found] == [("a",), ("b",)]
    assert [error.line for error in errors] == [2, 3, 4]


def test_bounds_and_meta_come_back(put, tmp_path):
    path = put(json.dumps({**DOCUMENT, "meta": {"ward": 3}}))
    (whole,) = read(path)
    assert (whole.bounds, whole.meta) == (((0, 4), (4, 7)), {"ward": 3})
    with open(tmp_path / "again.jsonl", "w", encoding="utf-8") as file:
        write([whole], file)
    again = json.loads((tmp_path / "again.jsonl").read_text("utf-8"))
    assert (again["sentences"], again["meta"]) == (DOCUMENT["sentences"], {"ward": 3})
    assert [(s.bounds, s.meta) for s in read(path, unit="sentence")] == [
        (None, {"ward": 3}), (None, {"ward": 3})
    ]  # fmt: skip


SPLIT = {"tokens": ["Zoë", "left", "."], "text": "Zoë left.", "offsets": [[0, 3], [4, 8], [8, 9]]}


@pytest.mark.parametrize(
    "change, number, token, found",
    [
        # Shifted by one; counted in bytes; of another text.
        ({"offsets": [[1, 4], [4, 8], [8, 9]]}, 0, "'Zoë'", "'oë '"),
        ({"text": "Zoë left. ", "offsets": [[0, 3], [5, 9], [9, 10]]}, 1, "'left'", r"'eft\.'"),
        ({"tokens": ["Ada", "left", "."]}, 0, "'Ada'", "'Zoë'"),
        ({"offsets": [[0, 3], [4, 8], [8, 8]]}, 2, r"'\.'", "''"),
    ],
)
def test_tokens_that_contradict_the_text_are_an_error(put, change, number, token, found):
    path = put(json.dumps({**SPLIT, **change}))
    with pytest.raises(CorpusFormatError, match=f":1: token {number} is {token}, .* has {found} "):
        list(read(path))


def test_treebank_marks_and_white_space_are_no_contradiction(put):
    record = {
        "text": 'a ("b\nc")',
        "tokens": ["a", "-LRB-", "``", "b c", "''", "-RRB-"],
        "offsets": [[0, 1], [2, 3], [3, 4], [4, 7], [7, 8], [8, 9]],
    }
    (sentence,) = read(put(json.dumps(record)))
    assert sentence.tokens == tuple(record["tokens"])
