"""A trained model as a Python object: text in, entities and relations out.

import joint_ner_re

extractor = joint_ner_re.load("model.tar.gz")
doc = extractor("Methotrexate was stopped because of pneumonitis.")
for entity in doc.entities:
    print(entity.type, entity.text, entity.char_start, entity.char_end, entity.probability)
for relation in doc.relations:
    print(relation.head.text, relation.type, relation.tail.text, relation.probability)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from joint_ner_re.messages import quote
from joint_ner_re.requirements import require_allennlp
from joint_ner_re.sentence import SentenceError

Record = dict[str, Any]


@dataclass(frozen=True)
class FoundEntity:
    """An entity that a model found in a text.

    # Parameters

    type : `str`
        The entity type, such as `"Drug"`.
    text : `str`
        The characters that it covers.
    char_start : `int`
        The position of its first character in the document, in Unicode code points.
    char_end : `int`
        The position after its last character.
    start : `int`
        The position of its first token in the document.
    end : `int`
        The position after its last token.
    probability : `float`
        The model's probability for exactly this span and type.
    """

    type: str
    text: str
    char_start: int
    char_end: int
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class FoundRelation:
    """A relation that a model found between two entities.

    # Parameters

    type : `str`
        The relation type, such as `"Causes"`.
    head : `FoundEntity`
        The first argument, an element of the document's `entities`.
    tail : `FoundEntity`
        The second argument.
    probability : `float`
        The model's probability for the relation, given its two entities.
    """

    type: str
    head: FoundEntity
    tail: FoundEntity
    probability: float


class ExtractedDocument:
    """What a model found in one text.

    # Parameters

    record : `Mapping[str, Any]`
        The record that `allennlp predict` writes for the text.

    # Attributes

    text : `str`
        The input text, unchanged.
    tokens : `list[str]`
        The tokens that the model saw.
    entities : `list[FoundEntity]`
        The entities, sorted by position.
    relations : `list[FoundRelation]`
        The relations between elements of `entities`.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)
        self.text: str = record["text"]
        self.tokens: list[str] = list(record["tokens"])
        self.entities = [
            FoundEntity(
                entity["type"],
                entity["text"],
                entity["char_start"],
                entity["char_end"],
                entity["start"],
                entity["end"],
                entity["score"],
            )
            for entity in record["entities"]
        ]
        self.relations = [
            FoundRelation(
                relation["type"],
                self.entities[relation["head"]],
                self.entities[relation["tail"]],
                relation["score"],
            )
            for relation in record["relations"]
        ]

    def to_dict(self) -> Record:
        """The document as the record that `allennlp predict` writes, ready for `json.dumps`."""
        return dict(self._record)

    def __repr__(self) -> str:
        return (
            f"<ExtractedDocument: {len(self.text)} characters, {len(self.entities)} entities, "
            f"{len(self.relations)} relations>"
        )


class RecordPredictor(Protocol):
    """The interface that `Extractor` needs; `JointPredictor` has it."""

    def predict_batch_json(self, inputs: list[Record]) -> list[Record]:
        """One output record for each input record."""


class Extractor:
    """Finds entities and relations in texts. `joint_ner_re.load` returns one.

    # Parameters

    predictor : `RecordPredictor`
        The loaded model.
    """

    def __init__(self, predictor: RecordPredictor) -> None:
        self.predictor = predictor

    def __call__(self, text: str) -> ExtractedDocument:
        """Split a document into sentences and find their entities and relations.

        # Raises

        `SentenceError`
            If the text is longer than a document may be.
        """
        (document,) = self.extract_many([text])
        return document

    def extract_many(
        self, texts: Iterable[str], batch_size: int = 64
    ) -> Iterator[ExtractedDocument]:
        """Find the entities and relations of many documents, in the order of the texts.

        # Parameters

        texts : `Iterable[str]`
            The documents. They are consumed `batch_size` at a time, so a generator of any length
            needs constant memory.
        batch_size : `int`, optional (default = `64`)
            The number of documents in a batch.

        # Raises

        `ValueError`
            If `batch_size` is less than 1.
        `TypeError`
            If one of the texts is not a string.
        `SentenceError`
            If a text is longer than a document may be.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
        if isinstance(texts, str):
            raise TypeError("texts is a string; expected several texts: call the extractor itself")
        stream = iter(texts)
        while batch := list(islice(stream, batch_size)):
            for text in batch:
                if not isinstance(text, str):
                    raise TypeError(f"a text is {quote(text)}; expected a string")
            for record in self.predictor.predict_batch_json([{"text": text} for text in batch]):
                if "error" in record:
                    raise SentenceError(record["error"]["message"])
                yield ExtractedDocument(record)


def load(path: str | os.PathLike[str], cuda_device: int = -1) -> Extractor:
    """Load a trained model.

    # Parameters

    path : `str`
        The `model.tar.gz` that `allennlp train` wrote, or its directory. Loading it runs none of
        its content as code; see docs/reliability.md.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the model runs on; -1 is the CPU.

    # Raises

    `ConfigurationError`
        If the archive is damaged, or contains something that could run.
    `ModuleNotFoundError`
        If AllenNLP is not installed.
    """
    require_allennlp()
    # Imported late, since this imports AllenNLP and PyTorch.
    from joint_ner_re.predictors.loading import load_predictor

    return Extractor(load_predictor(os.fspath(path), cuda_device))
