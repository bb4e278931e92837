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
