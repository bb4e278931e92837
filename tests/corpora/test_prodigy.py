import json

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus
from joint_ner_re.sentence import Entity, Relation

TOKENS = [
    {"text": "Ada", "start": 0, "end": 3, "id": 0, "ws": True},
    {"text": "Marek", "start": 4, "end": 9, "id": 1, "ws": True},
    {"text": "left", "start": 10, "end": 14, "id": 2, "ws": True},
    {"text": "Kesh", "start": 15, "end": 19, "id": 3, "ws": False},
    {"text": ".", "start": 19, "end": 20, "id": 4, "ws": False},
]
PEOP = {"start": 0, "end": 9, "token_start": 0, "token_end": 1, "label": "Peop"}
LOC = {"start": 15, "end": 19, "token_start": 3, "token_end": 3, "label": "Loc"}
RELATION = {"head": 1, "child": 3, "label": "Live_In", "head_span": PEOP, "child_span": LOC}
RECORD = {
    "text": "Ada Marek left Kesh.",
    "_input_hash": 1,
    "tokens": TOKENS,
    "spans": [PEOP, LOC],
    "relations": [RELATION],
    "answer": "accept",
}


@pytest.fixture
def read(put):
    def reading(*records, **options):
        lines = (json.dumps(record) + "\n" for record in records)
        return list(read_corpus(put("".join(lines)), "prodigy", **options))

    return reading


def without(record, *keys):
    return {key: value for key, value in record.items() if key not in keys}


def test_spans_and_relations_are_read(read):
    (sentence,) = read(RECORD)
    assert sentence.tokens == ("Ada", "Marek", "left", "Kesh", ".")
    assert sentence.entities == (Entity("Peop", 0, 2), Entity("Loc", 3, 4))
    assert sentence.relations == (Relation("Live_In", 0, 1),)
    assert (sentence.id, sentence.source.rpartition(":")[2]) == ("1:0-20", "1")


@pytest.mark.parametrize(
    "record",
    [
        # Older versions write no spans of the arguments, but their last tokens.
        {**RECORD, "relations": [without(RELATION, "head_span", "child_span")]},
        {**RECORD, "spans": [without(PEOP, "start", "end"), without(LOC, "start", "end")]},
        without(RECORD, "answer", "tokens"),
    ],
)
def test_what_can_be_told_from_the_rest_may_be_missing(read, record):
    assert read(record) == read(RECORD)


def test_only_accepted_examples_are_used_and_the_others_counted(read, caplog):
    records = [{**RECORD, "answer": answer} for answer in ("reject", "accept", "ignore", "reject")]
    assert [sentence.id for sentence in read(*records)] == ["2:0-20"]
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "examples with the answer 'ignore', not used: 1",
        "examples with the answer 'reject', not used: 2",
    ]


@pytest.mark.parametrize(
    "more, name", [({"id": 17}, "17"), ({"meta": {"id": "x/y"}}, "x/y"), ({"meta": {}}, "1")]
)
def test_an_id_may_be_given(read, more, name):
    (sentence,) = read({**RECORD, **more}, unit="document")
    assert sentence.id == name


def test_words_that_are_no_labelled_span_have_no_relations(read, caplog):
    left = {"start": 10, "end": 14, "token_start": 2, "token_end": 2, "label": None}
    relations = [RELATION, {**RELATION, "child": 2, "child_span": left}]
    (sentence,) = read({**RECORD, "spans": [PEOP, left, LOC], "relations": relations})
    assert len(sentence.entities) == 2 and len(sentence.relations) == 1
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "relations with an argument that is no labelled span, left out: 1",
        "spans without a label, left out: 1",
    ]


def test_spans_on_the_same_words_are_told_by_their_label(read):
    org = {**PEOP, "label": "Org"}
    relation = {**RELATION, "head_span": org}
    (sentence,) = read({**RECORD, "spans": [PEOP, org, LOC], "relations": [relation]})
    assert sentence.relations == (Relation("Live_In", 1, 2),)
    with pytest.raises(CorpusFormatError, match="the head of the relation 'Live_In' could be any"):
        read({**RECORD, "spans": [PEOP, org, LOC], "relations": [without(RELATION, "head_span")]})


@pytest.mark.parametrize(
    "record, reason",
    [
        (without(RECORD, "text"), "the example lacks the key 'text'; expected a string"),
        ({**RECORD, "answer": "maybe"}, "the answer is 'maybe'; expected accept, reject, ignore"),
        ({**RECORD, "spans": [3]}, "a span is 3; expected a JSON object"),
        ({**RECORD, "spans": {}}, "the key 'spans' of the example holds {}; expected a list"),
        (
            {**RECORD, "spans": [{**PEOP, "start": True}]},
            "'start' of a span holds true; expected an",
        ),
        (
            {**RECORD, "spans": [{**PEOP, "label": 3}]},
            "'label' of a span holds 3; expected a str",
        ),
        ({**RECORD, "spans": [{**PEOP, "end": 99}]}, "has the offsets 0 to 99"),
        (
            {**RECORD, "spans": [{**without(PEOP, "start"), "token_end": 5}]},
            "a span covers tokens 0 to 5; expected 0 <= token_start <= token_end < 5",
        ),
        ({**RECORD, "relations": [{"head": 0}]}, "a relation lacks the key 'label'"),
        (without(RECORD, "_input_hash", "answer", "spans"), "expected one of the keys _input_hash"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, record, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(RECORD, record)
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    good = [s.id for s in read(RECORD, record, RECORD, on_error=errors.append)]
    assert good[0] == "1:0-20" and good[-1] == "3:0-20"
    assert errors[0].line == 2 and reason in errors[0].reason


@pytest.mark.parametrize(
    "line, format",
    [
        (RECORD, "prodigy"),
        ({"text": "Ada", "tokens": TOKENS}, "prodigy"),
        ({"text": "Ada", "spans": []}, "prodigy"),
        ({"tokens": ["Ada"]}, "jsonl"),
        # What went through the predictor may have taken Prodigy's keys along.
        ({"tokens": ["Ada"], "meta": {"answer": "accept", "spans": []}}, "jsonl"),
        ({"tokens": ["Ada"], "text": 'a "spans": [] b', "offsets": [[0, 1]]}, "jsonl"),
    ],
)
def test_prodigy_is_told_from_other_json_lines(put, line, format):
    assert detect_format(put(json.dumps(line) + "\n")) == format


def test_the_fixture_agrees_with_the_characters_it_names(corpora):
    path = corpora / "own" / "prodigy.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    accepted = [record for record in records if record["answer"] == "accept"]
    expected = [
        {(record["text"][s["start"] : s["end"]], s["label"]) for s in record["spans"]}
        for record in accepted
    ]
    sentences = list(read_corpus(path, unit="document"))
    assert [{(s.surface(e), e.type) for e in s.entities} for s in sentences] == expected
    for sentence, record in zip(sentences, accepted):
        assert len(sentence.relations) == len(record["relations"])
