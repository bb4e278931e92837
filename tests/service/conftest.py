import threading

import pytest

from joint_ner_re.predictors.loading import load_predictor


class Gated:
    """A predictor that finds nothing, notes each call, and waits until its gate is open."""

    entity_types = ("Loc",)
    relation_types = ("In",)
    unit = "sentence"

    def __init__(self):
        self.relation_threshold = 0.5
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.calls = []

    def predict_batch_json(self, inputs):
        texts = [record["text"] for record in inputs]
        self.calls.append((self.relation_threshold, texts))
        self.begun.release()
        assert self.gate.wait(20)
        if "bug" in texts:
            raise KeyError("bug")
        if "memory" in texts:
            raise MemoryError("no room")
        return [
            {"id": "", "error": {"type": "SentenceError", "message": "too long"}, "line": number}
            if text == "bad"
            else {"id": "", "text": text, "tokens": [], "entities": [], "relations": []}
            for number, text in enumerate(texts, start=1)
        ]


@pytest.fixture
def gated():
    predictor = Gated()
    yield predictor
    predictor.gate.set()


@pytest.fixture(scope="session")
def predictor(tiny_archive):
    """The tiny model, with a relation for every pair of entities."""
    predictor = load_predictor(str(tiny_archive))
    predictor.relation_threshold = 0.0
    return predictor
