"""A trained model as a Python object: text in, entities and relations out.

import joint_ner_re

extractor = joint_ner_re.load("model.tar.gz")  # or what `allennlp export` wrote
doc = extractor("Methotrexate was stopped because of pneumonitis.")
for entity in doc.entities:
    print(entity.type, entity.text, entity.char_start, entity.char_end, entity.probability)
for relation in doc.relations:
    print(relation.head.text, relation.type, relation.tail.text, relation.probability)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from joint_ner_re.documents import DocumentPredictor, Record, Thresholds
from joint_ner_re.hub import local_model
from joint_ner_re.messages import quote
from joint_ner_re.places import check_model
from joint_ner_re.requirements import require_allennlp, require_runtime
from joint_ner_re.runtime.files import is_exported
from joint_ner_re.sentence import SentenceError

Input = str | Mapping[str, Any]


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

    def _repr_html_(self) -> str:
        """The drawing that a notebook shows: the text with its entities, relations as arcs."""
        from joint_ner_re.review.picture import picture

        return picture(self._record)

    def __repr__(self) -> str:
        return (
            f"<ExtractedDocument: {len(self.text)} characters, {len(self.entities)} entities, "
            f"{len(self.relations)} relations>"
        )


class Extractor:
    """Finds entities and relations in texts. `joint_ner_re.load` returns one.

    An input is a text, or one of the records that `allennlp predict` reads:
    `{"text": ...}` for a document, `{"sentence": ...}` for one sentence, `{"tokens": [...]}` for
    the tokens of one sentence.

    # Parameters

    predictor : `DocumentPredictor`
        The loaded model.
    """

    def __init__(self, predictor: DocumentPredictor) -> None:
        self.predictor = predictor

    @property
    def entity_types(self) -> list[str]:
        """The entity types that the model knows."""
        return list(self.predictor.entity_types)

    @property
    def relation_types(self) -> list[str]:
        """The relation types that the model knows."""
        return list(self.predictor.relation_types)

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a relation: one number, or one for each type by name.

        It can be set, to 0 to get every pair.
        """
        return self.predictor.relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        self.predictor.relation_threshold = thresholds

    def __call__(self, text: Input) -> ExtractedDocument:
        """As `extract`."""
        return self.extract(text)

    def extract(
        self, text: Input, entities: Sequence[Mapping[str, Any]] | None = None
    ) -> ExtractedDocument:
        """Find the entities and relations of one document, sentence or list of tokens.

        # Parameters

        text : `str | Mapping[str, Any]`
            A text, which is split into sentences, or a record; see the class.
        entities : `Sequence[Mapping[str, Any]]`, optional (default = `None`)
            The entities, if they are known: then only relations between them are found. Each has a
            `type` and either `char_start` and `char_end` or, counting tokens, `start` and `end`;
            one that covers half a token covers all of it. Their probability is 1.

        # Raises

        `SentenceError`
            If the text is longer than a document may be, a record has wrong keys, or an entity is
            impossible.
        `TypeError`
            If the text is neither a string nor a record.
        """
        if entities is None:
            (document,) = self.extract_many([text])
            return document
        (record,) = self.predictor.relate_json([(_record(text), list(entities))])
        return ExtractedDocument(record)

    def extract_many(
        self, texts: Iterable[Input], batch_size: int = 64
    ) -> Iterator[ExtractedDocument]:
        """Find the entities and relations of many documents, in the order of the texts.

        # Parameters

        texts : `Iterable[str | Mapping[str, Any]]`
            Texts or records. They are consumed `batch_size` at a time, so a generator of any length
            needs constant memory.
        batch_size : `int`, optional (default = `64`)
            The number of documents in a batch.

        # Raises

        `ValueError`
            If `batch_size` is less than 1.
        `TypeError`
            If one of the texts is neither a string nor a record.
        `SentenceError`
            If a text is longer than a document may be, or a record is impossible.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
        if isinstance(texts, (str, Mapping)):
            raise TypeError("texts is a string; expected several texts: call the extractor itself")
        stream = iter(texts)
        while batch := list(islice(stream, batch_size)):
            for record in self.predictor.predict_batch_json([_record(text) for text in batch]):
                if "error" in record:
                    raise SentenceError(record["error"]["message"])
                yield ExtractedDocument(record)


def _record(text: Input) -> Record:
    """The input as a record."""
    if isinstance(text, str):
        return {"text": text}
    if isinstance(text, Mapping):
        return dict(text)
    raise TypeError(
        f"a text is {quote(text)}; expected a string, or a record such as {{'tokens': [...]}}"
    )


def to_frame(documents: Iterable[ExtractedDocument]) -> Any:
    """The relations of documents as a pandas table, with a row for each relation.

    # Parameters

    documents : `Iterable[ExtractedDocument]`

    # Returns

    `pandas.DataFrame`
        With the columns `document` (the id, or the position), `relation`, `probability` and, for
        `head` and `tail` each, the text, `_type`, `_char_start`, `_char_end` and `_probability`.

    # Raises

    `ModuleNotFoundError`
        If pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "to_frame needs pandas, which is not installed: pip install pandas", name="pandas"
        ) from error
    ends = ("text", "type", "char_start", "char_end", "probability")
    names = ["document", "relation", "probability"]
    names += [
        role if end == "text" else f"{role}_{end}" for role in ("head", "tail") for end in ends
    ]
    rows = [
        [
            document.to_dict().get("id") or number,
            relation.type,
            relation.probability,
            *(getattr(entity, end) for entity in (relation.head, relation.tail) for end in ends),
        ]
        for number, document in enumerate(documents)
        for relation in document.relations
    ]
    return pandas.DataFrame(rows, columns=names)


def load(
    path: str | os.PathLike[str],
    cuda_device: int = -1,
    threads: int | None = None,
    relation_threshold: Thresholds | None = None,
    revision: str | None = None,
) -> Extractor:
    """Load a trained model.

    # Parameters

    path : `str`
        A directory that `allennlp export` wrote, which needs neither PyTorch nor AllenNLP; or the
        `model.tar.gz` that `allennlp train` wrote, or its directory. Loading runs none of the
        content as code; see docs/reliability.md. Or one of these on the Hugging Face hub:
        `"hf://owner/name@REVISION"`, also without `hf://`; see docs/export.md.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the model of an archive runs on; -1 is the CPU. Exported models run on the CPU.
    threads : `int`, optional (default = `None`)
        How many threads an exported model uses. Default: `OMP_NUM_THREADS`, or all cores.
        `torch.set_num_threads` sets it for an archive.
    relation_threshold : `float | dict[str, float]`, optional (default = `None`)
        The least probability of a relation. Default: the model's own.
    revision : `str`, optional (default = `None`)
        The revision of a model of the hub, if its name has none.

    # Raises

    `HubError`
        If a model of the hub has no revision, or cannot be fetched.
    `ExportedModelError`
        If a file of an exported model is missing or damaged.
    `FileNotFoundError`
        If there is no such file or directory.
    `ConfigurationError`
        If the archive is damaged, or contains something that could run.
    `ModuleNotFoundError`
        If AllenNLP, for an archive, or onnxruntime or tokenizers, for an exported model, or
        huggingface_hub, for one of the hub, is not installed.
    `ValueError`
        If an option does not fit.
    """
    extractor = Extractor(load_any(path, cuda_device, threads, revision))
    if relation_threshold is not None:
        extractor.relation_threshold = relation_threshold
    return extractor


def load_any(
    path: str | os.PathLike[str],
    cuda_device: int = -1,
    threads: int | None = None,
    revision: str | None = None,
) -> DocumentPredictor:
    """The predictor of an archive or of an exported model; the parameters are those of `load`."""
    path = local_model(path, revision)
    if is_exported(path):
        if cuda_device != -1:
            raise ValueError(
                f"cuda_device is {cuda_device}, but {os.fspath(path)} is an exported model, which "
                "runs on the CPU; load the archive for a GPU"
            )
        require_runtime()
        # Imported late, since this imports numpy and onnxruntime.
        from joint_ner_re.runtime.predictor import load_exported

        return load_exported(path, threads)
    check_model(path)
    require_allennlp()
    # Imported late, since this imports AllenNLP and PyTorch.
    from joint_ner_re.predictors.loading import load_predictor

    return load_predictor(os.fspath(path), cuda_device)
