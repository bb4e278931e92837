import json

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus
from joint_ner_re.sentence import Entity, Relation

RECORD = {
    "id": 4,
    "text": "Ada left Kesh.",
    "Comments": [],
    "entities": [
        {"id": 9, "label": "Loc", "start_offset": 9, "end_offset": 13},
        {"id": 7, "label": "Peop", "start_offset": 0, "end_offset": 3},
    ],
    "relations": [{"id": 1, "from_id": 7, "to_id": 9, "type": "Live_In"}],
}
LABELS = [[9, 13, "Loc"], [0, 3, "Peop"]]


@pytest.fixture
def read(put):
    def reading(*records, **options):
        path = put("".join(json.dumps(record) + "\n" for record in records))
        return list(read_corpus(path, "doccano", **options))

    return reading


def test_entities_and_relations_are_read(read):
    (sentence,) = read(RECORD)
    assert sentence.tokens == ("Ada", "left", "Kesh", ".")
    assert sentence.entities == (Entity("Loc", 2, 3), Entity("Peop", 0, 1))
    assert sentence.relations == (Relation("Live_In", 1, 0),)
    assert sentence.id == "4:0-14"


@pytest.mark.parametrize(
    "record",
    [
        {"id": 4, "text": RECORD["text"], "label": LABELS},
        {"id": 4, "text": RECORD["text"], "labels": LABELS},
        {"id": 4, "data": RECORD["text"], "label": LABELS},
    ],
)
def test_other_versions_differ_in_their_keys(read, put, record):
    (sentence,) = read(record)
    assert sentence.entities == (Entity("Loc", 2, 3), Entity("Peop", 0, 1))
    assert sentence.id == "4:0-14"
    assert detect_format(put(json.dumps(record))) == "doccano"


def test_the_line_stands_for_an_id(read):
    assert [s.id for s in read({"text": "Ada.", "label": []}, {"text": "Bob.", "label": []})] == [
        "1:0-4",
        "2:0-4",
    ]


def changed(key, **values):
    items = RECORD[key]
    return {**RECORD, key: [{**items[0], **values}, *items[1:]]}


@pytest.mark.parametrize(
    "record, reason",
    [
        ({"id": 4, "label": []}, "the example lacks the key 'text'"),
        ({"id": 4, "text": "Ada"}, "expected one of the keys entities, label, labels"),
        ({"text": "Ada", "label": ["positive"]}, 'a label is "positive"; expected [begin, end'),
        ({"text": "Ada", "label": [[0, 3, 5]]}, "a label is [0, 3, 5]"),
        (
            {"text": "Ada", "label": "X"},
            "the key 'label' of the example holds \"X\"; expected a",
        ),
        (changed("entities", id=7), "the entity's id 7 is twice in a line"),
        (changed("entities", end_offset=99), "has the offsets 9 to 99"),
        (
            changed("entities", start_offset=None),
            "the key 'start_offset' of an entity holds null; expected an",
        ),
        (changed("relations", to_id=5), "a relation has to_id 5, but no entity has this id"),
        (changed("relations", type=5), "the key 'type' of a relation holds 5; expected a string"),
        (changed("relations", to_id=7), "a relation 'Live_In' links a mention to itself"),
    ],
)
def test_errors_name_the_line_and_can_be_passed_over(read, record, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(RECORD, record)
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    good = read(RECORD, record, {**RECORD, "id": 5}, on_error=errors.append)
    assert (good[0].id, good[-1].id) == ("4:0-14", "5:0-14")
    assert [error.line for error in errors] == [2]


def test_doccano_is_told_from_other_json_lines(put):
    assert detect_format(put(json.dumps(RECORD))) == "doccano"
    for record in ({"text": "Ada", "tokens": ["Ada"], "entities": []}, {"text": "Ada"}, {"id": 3}):
        assert detect_format(put(json.dumps(record))) == "jsonl"
