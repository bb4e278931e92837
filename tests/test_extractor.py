import sys

import pytest

import joint_ner_re
from joint_ner_re.extractor import ExtractedDocument, Extractor

RECORD = {
    "id": "",
    "text": "Kesh is home to Ada.",
    "tokens": ["Kesh", "is", "home", "to", "Ada", "."],
    "offsets": [[0, 4], [5, 7], [8, 12], [13, 15], [16, 19], [19, 20]],
    "entities": [
        {
            "type": "Loc", "start": 0, "end": 1, "char_start": 0, "char_end": 4,
            "text": "Kesh", "score": 0.9,
        },
        {
            "type": "Peop", "start": 4, "end": 5, "char_start": 16, "char_end": 19,
            "text": "Ada", "score": 0.8,
        },
    ],
    "relations": [{"type": "Live_In", "head": 1, "tail": 0, "score": 0.7}],
    "sentences": [[0, 6]],
}  # fmt: skip


class Counting:
    """A predictor that finds nothing and counts the documents of each call."""

    def __init__(self):
        self.calls = []

    def predict_batch_json(self, inputs):
        self.calls.append(len(inputs))
        return [
            {"text": record["text"], "tokens": [], "entities": [], "relations": []}
            for record in inputs
        ]


def test_entities_and_relations_are_attributes():
    document = ExtractedDocument(RECORD)
    (kesh, ada), (relation,) = document.entities, document.relations
    assert (ada.type, ada.text, ada.char_start, ada.char_end) == ("Peop", "Ada", 16, 19)
    assert (ada.start, ada.end, ada.probability) == (4, 5, 0.8)
    assert (relation.head, relation.type, relation.tail) == (ada, "Live_In", kesh)
    assert relation.probability == 0.7
    assert document.text[kesh.char_start : kesh.char_end] == kesh.text == "Kesh"
    assert document.to_dict() == RECORD
    assert repr(document) == "<ExtractedDocument: 20 characters, 2 entities, 1 relations>"


def test_many_texts_are_read_a_batch_at_a_time():
    predictor, read = Counting(), []

    def texts():
        for number in range(7):
            read.append(number)
            yield f"text {number}"

    documents = Extractor(predictor).extract_many(texts(), batch_size=3)
    assert next(documents).text == "text 0"
    assert read == [0, 1, 2] and predictor.calls == [3]
    assert [document.text for document in documents] == [f"text {n}" for n in range(1, 7)]
    assert predictor.calls == [3, 3, 1]


@pytest.mark.parametrize(
    "texts, size, error, message",
    [
        (["a"], 0, ValueError, "batch_size is 0; expected 1 or more"),
        ("a text", 2, TypeError, "texts is a string"),
        (["a", None], 2, TypeError, "a text is None; expected a string"),
    ],
)
def test_impossible_inputs_are_errors(texts, size, error, message):
    with pytest.raises(error, match=message):
        list(Extractor(Counting()).extract_many(texts, size))


def test_a_loaded_model_gives_what_its_predictor_gives(tiny_archive):
    extractor = joint_ner_re.load(tiny_archive)
    texts = ["Ada left Kesh. Tom Li lives in Lisgard.", "", "Kesh."]
    expected = extractor.predictor.predict_batch_json([{"text": text} for text in texts])
    assert [document.to_dict() for document in extractor.extract_many(texts)] == expected
    assert extractor(texts[0]).to_dict() == expected[0]


def test_a_text_that_cannot_be_processed_is_an_error():
    class Failing:
        def predict_batch_json(self, inputs):
            error = {"type": "SentenceError", "message": "too long"}
            return [{"id": "", "error": error, "line": 1} for _ in inputs]

    with pytest.raises(ValueError, match="too long"):
        Extractor(Failing())("a")


# Exported models have the same interface; tests/runtime/ has their answers.


@pytest.fixture(scope="module", params=["archive", "exported"])
def extractor(request, tiny_archive, tmp_path_factory):
    path = tiny_archive
    if request.param == "exported":
        from joint_ner_re.exporting import export

        path = tmp_path_factory.mktemp("exported") / "model"
        export(tiny_archive, path)
    return joint_ner_re.load(path, relation_threshold=0.0)


def test_texts_sentences_and_tokens(extractor):
    text = "Ada Marek lives in Kesh."
    tokens = ["Ada", "Marek", "lives", "in", "Kesh", "."]
    inputs = [text, {"sentence": text}, {"tokens": tokens}, {"text": text, "id": "a", "ward": 3}]
    docs = list(extractor.extract_many(inputs, batch_size=3))
    found = [[(e.type, e.start, e.end) for e in doc.entities] for doc in docs]
    assert found[0] and found == [found[0]] * 4
    assert docs[0].relations and docs[2].tokens == tokens
    assert (docs[3].to_dict()["id"], docs[3].to_dict()["meta"]) == ("a", {"ward": 3})
    assert extractor(text).entities == extractor.extract(text).entities
    assert extractor("").entities == []


def test_relations_between_given_entities(extractor):
    given = [
        {"type": "Loc", "char_start": 19, "char_end": 23},
        {"type": "Peop", "char_start": 0, "char_end": 9},
    ]
    doc = extractor.extract("Ada Marek lives in Kesh.", entities=given)
    assert [(e.type, e.text, e.probability) for e in doc.entities] == [
        ("Loc", "Kesh", 1.0), ("Peop", "Ada Marek", 1.0),
    ]  # fmt: skip
    assert len(doc.relations) == 2 * 5
    assert {r.head.text for r in doc.relations} == {"Kesh", "Ada Marek"}
    assert extractor.extract("Ada left.", entities=[]).entities == []
    with pytest.raises(ValueError, match="the type 'Ghost', which the model does not know"):
        extractor.extract("Ada", entities=[{"type": "Ghost", "start": 0, "end": 1}])


def test_the_threshold_can_be_set(extractor):
    text = "Oleg Hart joined the Navy in Kesh."
    every = sorted(relation.probability for relation in extractor(text).relations)
    middle = (every[len(every) // 2 - 1] + every[len(every) // 2]) / 2
    try:
        extractor.relation_threshold = middle
        assert extractor.relation_threshold == middle
        some = sorted(relation.probability for relation in extractor(text).relations)
        assert some == every[len(every) // 2 :]
        with pytest.raises(Exception, match="relation_threshold is 2; expected 0 to 1"):
            extractor.relation_threshold = 2
    finally:
        extractor.relation_threshold = 0.0
    assert extractor.entity_types == ["Loc", "Peop", "Org", "Other"]
    assert set(extractor.relation_types) == {
        "Kill", "Live_In", "Located_In", "OrgBased_In", "Work_For",
    }  # fmt: skip


def test_a_notebook_gets_a_drawing_and_a_table():
    document = ExtractedDocument(RECORD)
    drawing = document._repr_html_()
    assert "Kesh<b>Loc</b></mark>" in drawing and "Live_In 0.70" in drawing
    frame = joint_ner_re.to_frame([ExtractedDocument({**RECORD, "id": "a"}), document])
    assert frame["document"].tolist() == ["a", 1]
    assert list(frame.iloc[1]) == [
        1, "Live_In", 0.7, "Ada", "Peop", 16, 19, 0.8, "Kesh", "Loc", 0, 4, 0.9,
    ]  # fmt: skip
    assert list(frame.columns)[3:6] == ["head", "head_type", "head_char_start"]


def test_without_pandas_the_error_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        joint_ner_re.to_frame([])


def test_an_exported_model_runs_on_the_cpu(extractor, tmp_path):
    (tmp_path / "joint_ner_re.json").touch()
    with pytest.raises(ValueError, match="cuda_device is 0, but .* is an exported model"):
        joint_ner_re.load(tmp_path, cuda_device=0)
