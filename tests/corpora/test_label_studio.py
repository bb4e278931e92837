import json
import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus

TEXT = "Ada left Kesh."


def span(name, begin, end, *labels, **changes):
    value = {"start": begin, "end": end, "text": TEXT[begin:end], "labels": list(labels)}
    value |= changes.pop("value", {})
    return {"id": name, "from_name": "label", "to_name": "text", "type": "labels", "value": value,
            **changes}  # fmt: skip


def link(one, other, *labels, direction="right"):
    link = {"from_id": one, "to_id": other, "type": "relation", "direction": direction}
    return {**link, "labels": list(labels)} if labels else link


ADA, KESH = span("a", 0, 3, "Peop"), span("k", 9, 13, "Loc")


def task(*results, data=None, **changes):
    annotation = {"id": 9, "result": list(results), "was_cancelled": False}
    return {"id": 4, "annotations": [annotation], "data": data or {"text": TEXT}, **changes}


@pytest.fixture
def read(put, caplog):
    def reading(*tasks, **options):
        path = put(json.dumps(tasks, indent=1))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sentences = list(read_corpus(path, "label_studio", **options))
        return sentences, [message.partition(": ")[2] for message in caplog.messages]

    return reading


def triples(sentences):
    return [
        (s.surface(s.entities[r.head]), r.type, s.surface(s.entities[r.tail]))
        for s in sentences
        for r in s.relations
    ]


def test_regions_and_relations_are_read(read, put):
    (sentence,), log = read(task(KESH, ADA, link("a", "k", "Live_In")))
    assert [(e.type, sentence.surface(e)) for e in sentence.entities] == [
        ("Loc", "Kesh"),
        ("Peop", "Ada"),
    ]
    assert triples([sentence]) == [("Ada", "Live_In", "Kesh")]
    assert sentence.id == "4:0-14" and log == []
    for content in (json.dumps([task(ADA)]), json.dumps(task(ADA)) + "\n" + json.dumps(task(KESH))):
        assert detect_format(put(content)) == "label_studio"


@pytest.mark.parametrize(
    "direction, labels, expected, counted",
    [
        ("left", ["Home_Of"], [("Kesh", "Home_Of", "Ada")], []),
        ("bi", ["Near"], [("Ada", "Near", "Kesh"), ("Kesh", "Near", "Ada")],
         ["relations in both directions, read as two: 1"]),
        ("right", [], [("Ada", "Relation", "Kesh")],
         ["relations without a label, read as Relation: 1"]),
        ("right", ["Left", "Knows"], [("Ada", "Left", "Kesh"), ("Ada", "Knows", "Kesh")], []),
    ],
)  # fmt: skip
def test_directions_and_labels_of_relations(read, direction, labels, expected, counted):
    sentences, log = read(task(ADA, KESH, link("a", "k", *labels, direction=direction)))
    assert triples(sentences) == expected and log == counted


def test_a_region_with_several_labels_is_a_mention_for_each(read):
    ada = span("a", 0, 3, "Peop", "Hero")
    (sentence,), log = read(task(ada, KESH, link("a", "k", "Live_In")))
    assert [e.type for e in sentence.entities] == ["Peop", "Hero", "Loc"]
    assert [(r.head, r.tail) for r in sentence.relations] == [(0, 2), (1, 2)]
    assert log == ["regions with several labels, read as a mention for each: 1"]


def test_the_labels_of_several_controls_may_share_an_id(read):
    (sentence,), _ = read(task(ADA, span("a", 0, 3, "Hero"), KESH, link("a", "k", "Live_In")))
    assert [(sentence.entities[r.head].type) for r in sentence.relations] == ["Peop", "Hero"]


def test_what_is_no_span_of_the_text_is_counted(read):
    choice = {"id": "c", "to_name": "text", "type": "choices", "value": {"choices": ["calm"]}}
    (sentence,), log = read(task(ADA, span("b", 9, 13), choice, link("a", "b", "X"),
                                 link("c", "a", "X")))  # fmt: skip
    assert len(sentence.entities) == 1 and not sentence.relations
    assert log == [
        "regions without a label, left out: 1",
        "relations of mentions that were left out: 2",
        "results of the type 'choices', not used: 1",
    ]


def annotation(number, *results, **changes):
    return {"id": number, "result": list(results), **changes}


@pytest.mark.parametrize(
    "annotations, ids, counted",
    [
        ([annotation(1, ADA), annotation(2, was_cancelled=True)], ["4:0-14"],
         ["annotations that were cancelled, left out: 1"]),
        ([annotation(1, ADA), annotation(2, KESH)], ["4-1:0-14", "4-2:0-14"], []),
        ([annotation(1, ADA), annotation(2, ADA, ground_truth=True)], ["4:0-14"],
         ["annotations beside a ground truth, left out: 1"]),
        ([], [], ["tasks that nobody annotated, left out: 1"]),
    ],
)  # fmt: skip
def test_which_annotations_of_a_task_are_used(read, annotations, ids, counted):
    record = {**task(), "annotations": annotations, "predictions": [annotation(3, KESH)]}
    sentences, log = read(record)
    assert [s.id for s in sentences] == ids and log == counted


def test_predictions_are_read_where_tasks_have_no_annotations(read):
    old, new = annotation(1), annotation(2, span("a", 0, 3, "Peop", score=0.5))
    (sentence,), log = read({"id": 4, "data": {"text": TEXT}, "predictions": [old, new]})
    assert sentence.entities[0].score == 0.5
    assert log == [
        "predictions of other models than the last one, not used: 1",
        "tasks without annotations, of which the prediction was read: 1",
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"text": TEXT, "title": "Ada left home."},
        {"any": TEXT},
        {"any": TEXT, "number": 3},
        # Its name does not say which one, but only one has the words.
        {"body": TEXT, "title": "Another one."},
    ],
)
def test_the_text_is_found_whatever_its_key(read, data):
    (sentence,), _ = read(task(ADA, KESH, data=data))
    assert sentence.text == TEXT


def test_two_texts_of_a_task_are_two_documents(read):
    other = {**KESH, "id": "o", "to_name": "copy"}
    sentences, log = read(task(ADA, other, link("a", "o", "X"), data={"text": TEXT, "copy": TEXT}))
    assert [s.id for s in sentences] == ["4/text:0-14", "4/copy:0-14"]
    assert log == ["relations from one text to another, left out: 1"]


def test_offsets_are_put_right_with_the_words_beside_them(read):
    # The place is one to the right, as after a Windows line end.
    moved = span("a", 10, 14, "Loc", value={"text": "Kesh"})
    (sentence,), log = read(task(moved))
    assert sentence.surface(sentence.entities[0]) == "Kesh"
    assert log == ["mentions at a wrong place, found again near it: 1"]


def test_old_versions_count_utf_16_units(read):
    text = "😀😀😀 rash and hives"
    results = [
        {**span("a", 0, 3, "X"), "value": {"start": begin, "end": end, "text": word,
                                           "labels": ["X"]}}
        for begin, end, word in ((7, 11, "rash"), (16, 21, "hives"))
    ]  # fmt: skip
    results[1]["id"] = "b"
    (sentence,), log = read(task(*results, data={"text": text}))
    assert [sentence.surface(e) for e in sentence.entities] == ["rash", "hives"]
    assert log == ["files whose offsets count UTF-16 units, as their mentions show: 1"]


@pytest.mark.parametrize(
    "record, reason",
    [
        ({"id": 4, "annotations": []}, "the task lacks the key 'data'"),
        ({**task(), "annotations": [3]}, "the list 'annotations' of the task holds 3; expected an"),
        (task({"type": "labels"}), "a result lacks the key 'value'"),
        (task(span("a", 0, 99, "X", value={"text": None})), "has the offsets 0 to 99"),
        (task(span("a", -3, 3, "X", value={"text": ""})), "has the offsets -3 to 3"),
        (task(span("a", 0, 3, "X", value={"text": "Bob"})), "the mention 'Bob' has the offsets"),
        (task(span("a", 0, 3, 5)), "the labels of a result are [5]; expected strings"),
        (task(ADA, span("a", 9, 13, "X")), "the region's id 'a' stands twice"),
        (task(ADA, link("a", "b", "X")), "a relation has to_id 'b', but no region has this id"),
        (task(ADA, KESH, link("a", "k", direction="up")), "the direction 'up'; expected right"),
        (task(ADA, link("a", "a", "X")), "a relation 'X' links a mention to itself"),
        (task(ADA, data={"body": TEXT, "copy": TEXT + " Yes."}), "give it the key 'text'"),
        (task({**ADA, "type": "hypertextlabels"}), "label it with <Text> instead of <HyperText>"),
        ({"text": TEXT, "annotation_id": 1, "lead_time": 2.0}, "this is Label Studio's JSON-MIN"),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_can_be_passed_over(read, record, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(record)
    assert caught.value.line == 2 and reason in caught.value.reason
    errors = []
    sentences, _ = read(record, {**task(ADA), "id": 5}, on_error=errors.append)
    assert sentences[-1].id == "5:0-14"
    assert [error.line for error in errors] == [2]


@pytest.mark.parametrize(
    "content, name",
    [
        (json.dumps([{"text": TEXT, "id": 1, "label": [], "annotator": 1, "annotation_id": 2,
                      "created_at": "", "updated_at": "", "lead_time": 3.5}]), "JSON-MIN"),
        ("-DOCSTART- -X- O\nAda -X- _ B-Peop\nleft -X- _ O\n\n", "CoNLL2003"),
    ],
)  # fmt: skip
def test_exports_without_relations_are_answered_with_what_to_export(put, content, name):
    with pytest.raises(CorpusFormatError) as caught:
        detect_format(put(content))
    assert name in caught.value.reason and 'choose "JSON"' in caught.value.reason
