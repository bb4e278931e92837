"""Predicts entities and relations, with offsets and scores, from raw text or tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor
from overrides import overrides

from joint_ner_re.corpora.text import MAX_CHARACTERS
from joint_ner_re.corpora.units import Unit, in_units
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.models import JointModel, Thresholds
from joint_ner_re.predictors.halving import in_halves
from joint_ner_re.predictors.threads import map_in_threads
from joint_ner_re.sentence import Entity, Relation, Sentence, SentenceError

INPUTS = ("text", "sentence", "tokens")

# A batch has sentences of similar length, so that padding costs little. Its size bounds the memory.
MAX_BATCH_TOKENS = 2048
MAX_BATCH_TOKENS_ON_GPU = 4096
# A longer sentence is predicted in chunks, because the time for relations grows with the square of
# the number of entities. Nobody writes such sentences.
MAX_CHUNK_TOKENS = 2_000
MAX_SENTENCE_TOKENS = 100_000


@Predictor.register("joint_ner_re")
class JointPredictor(Predictor):
    """Serves `allennlp predict`.

    Each line of the input is a document in plain text, or a JSON object with one of these keys:

    - `text`: a document, which is split into sentences. The reader's `unit` says how many of them
      the model reads at once.
    - `sentence`: one sentence, which is split into tokens.
    - `tokens`: the tokens of one sentence, with `text` and `offsets` if there are any.

    The output keeps the `id`, and other keys under `meta`. It has the keys of `Sentence.to_json`,
    for the complete document: token positions count from the beginning of the document, and
    character offsets are those of the input. For a document, `sentences` holds the first token of
    each sentence and the token after its last.
    """

    _model: JointModel
    _dataset_reader: JointReader

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a predicted relation; see `JointModel`."""
        return self._model.relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        self._model.relation_threshold = thresholds

    @property
    def unit(self) -> Unit:
        """How much of a document the model reads as one sequence; see `JointReader`."""
        return self._dataset_reader.unit

    @overrides
    def load_line(self, line: str) -> JsonDict:
        """A line of the input file as a JSON object.

        # Raises

        `ValueError`
            If a line begins like a JSON object but is none, or escapes half a character.
        """
        # Some editors write a byte order mark at the beginning of a file.
        line = line.rstrip("\r\n").lstrip("\ufeff")
        if not line.lstrip().startswith("{"):
            return {"text": line}
        try:
            record = json.loads(line)
            # Reject what could not be written to the output.
            json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except json.JSONDecodeError as error:
            raise ValueError(
                f"the line begins with {{ but is not a JSON object ({error}): {line[:80]!r}; "
                'write a text that begins so as {"text": ...}'
            ) from error
        except UnicodeEncodeError as error:
            raise ValueError(
                f"the line escapes half of a surrogate pair, which is no character: {line[:80]!r}"
            ) from error
        except ValueError as error:
            raise ValueError(f"the line holds what is not JSON ({error}): {line[:80]!r}") from error
        return record

    @overrides
    def dump_line(self, outputs: JsonDict) -> str:
        return json.dumps(outputs, ensure_ascii=False) + "\n"

    @overrides
    def predict_json(self, inputs: JsonDict) -> JsonDict:
        """Predict for one input.

        # Raises

        `SentenceError`
            If it cannot be processed.
        """
        output = self.predict_batch_json([inputs])[0]
        if "error" in output:
            raise SentenceError(output["error"]["message"])
        return output

    @overrides
    def predict_batch_json(self, inputs: list[JsonDict]) -> list[JsonDict]:
        """Predict for each input, in order; the class describes inputs and outputs.

        The output for an input that cannot be processed, such as one whose text is None or not a
        number, is `{"id": ..., "error": {"type": ..., "message": ...}, "line": n}` for the n-th.
        """
        documents: list[_Parts] = []
        errors: dict[int, JsonDict] = {}
        for number, record in enumerate(inputs, start=1):
            try:
                parts = self._split(record)
                _checked(parts.units)
                documents.append(parts)
            except (ValueError, TypeError, RecursionError) as error:
                documents.append(_Parts([], []))
                errors[number] = failure(record, number, error)
        units = [unit for document in documents for unit in document.units]
        predicted = iter(self.predict_sentences(units))
        return [
            errors.get(number)
            or self._output(record, [next(predicted) for _ in document.units], document.bounds)
            for number, (record, document) in enumerate(zip(inputs, documents), start=1)
        ]

    @overrides
    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._instance(self._as_sentence(json_dict))

    @overrides
    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    @overrides
    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        for instance in instances:
            self._dataset_reader.apply_token_indexers(instance)
        return [sentence.to_json() for sentence in self._predicted(instances)]

    def predict_sentences(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Copies of the sentences whose annotations are the model's predictions.

        If the memory does not suffice for a batch, it is predicted in halves. A sentence of more
        than `MAX_CHUNK_TOKENS` tokens is predicted in chunks of this length.

        # Raises

        `SentenceError`
            If a sentence has more than `MAX_SENTENCE_TOKENS` tokens.
        """
        chunks_of = [_chunks(sentence) for sentence in sentences]
        chunks = [chunk for some in chunks_of for chunk in some]
        predicted: list[Sentence] = list(chunks)
        # Longest first: with small batches at the end, all cores finish at about the same time.
        by_length = sorted(range(len(chunks)), key=lambda index: -len(chunks[index].tokens))
        on_gpu = self._model.device.type == "cuda"
        max_tokens = MAX_BATCH_TOKENS_ON_GPU if on_gpu else MAX_BATCH_TOKENS
        batches = list(_batches(by_length, [len(chunk.tokens) for chunk in chunks], max_tokens))

        def predict(batch: list[int]) -> list[Sentence]:
            return self._predicted([self._instance(chunks[index]) for index in batch])

        in_threads = self._model.predicts_in_threads
        done = map_in_threads(predict, batches) if in_threads else map(predict, batches)
        for batch, predicted_of in zip(batches, done):
            for index, sentence in zip(batch, predicted_of):
                predicted[index] = sentence
        rest = iter(predicted)
        return [
            _with_annotations(sentence, [next(rest) for _ in some])
            for sentence, some in zip(sentences, chunks_of)
        ]

    def _predicted(self, instances: list[Instance]) -> list[Sentence]:
        """The model's predictions, in halves if the memory does not suffice for all."""
        return in_halves(self._model.predict, instances)

    def _instance(self, sentence: Sentence) -> Instance:
        instance = self._dataset_reader.text_to_instance(sentence, labelled=False)
        self._dataset_reader.apply_token_indexers(instance)
        return instance

    def _split(self, record: JsonDict) -> _Parts:
        """The input's units, with the input's offsets."""
        if _kind(record) != "text":
            return _Parts([self._as_sentence(record)], [])
        text = record["text"]
        (sentences,) = self._dataset_reader.tokenizer.split([text])
        units = [_sentence(text, offsets) for offsets in in_units(sentences, self.unit)]
        return _Parts(units, list(_bounds(sentences)))

    def _as_sentence(self, record: JsonDict) -> Sentence:
        """The input as one sentence."""
        kind = _kind(record)
        if kind == "tokens":
            sentence = Sentence.from_json(
                {key: record[key] for key in ("tokens", "text", "offsets") if key in record}
            )
            return sentence.with_text()
        (offsets,) = self._dataset_reader.tokenizer.tokenize([record[kind]])
        return _sentence(record[kind], offsets)

    @staticmethod
    def _output(record: JsonDict, units: list[Sentence], bounds: list[list[int]]) -> JsonDict:
        kind = _kind(record)
        text = record[kind] if kind != "tokens" else None
        merged = _merge(units, text)
        output: dict[str, Any] = {**merged.to_json(), "id": _id(record)}
        if kind == "text":
            output["sentences"] = bounds
        meta = {key: value for key, value in record.items() if key not in _OWN_KEYS}
        if meta:
            # The input may be an earlier output, which has its other keys under `meta` already.
            output["meta"] = (
                meta["meta"] if list(meta) == ["meta"] and isinstance(meta["meta"], dict) else meta
            )
        return output


class _Parts(NamedTuple):
    """An input: what the model reads of it at once, and the bounds of a document's sentences."""

    units: list[Sentence]
    bounds: list[list[int]]


_OWN_KEYS = frozenset([*INPUTS, "offsets", "id", "entities", "relations", "sentences"])


def _kind(record: JsonDict) -> str:
    """Which of `INPUTS` the input has; `tokens` if it has both a text and its tokens."""
    if not isinstance(record, dict):
        raise SentenceError(f"the input is {record!r}; expected a JSON object")
    kinds = [name for name in INPUTS if name in record]
    if kinds not in (["text"], ["sentence"], ["tokens"], ["text", "tokens"]):
        raise SentenceError(
            f"the input has the keys {', '.join(sorted(record)) or '(none)'}; expected exactly "
            f"one of {', '.join(INPUTS)}"
        )
    if kinds[-1] != "tokens" and not isinstance(record[kinds[-1]], str):
        raise SentenceError(f"the key {kinds[-1]!r} holds {record[kinds[-1]]!r}; expected a string")
    if kinds[-1] != "tokens" and len(record[kinds[-1]]) > MAX_CHARACTERS:
        raise SentenceError(
            f"the text has {len(record[kinds[-1]])} characters; expected at most "
            f"{MAX_CHARACTERS}: divide it"
        )
    return kinds[-1]


def _id(record: JsonDict) -> str:
    name = record.get("id")
    return "" if name is None else str(name)


def failure(record: Any, number: int, error: Exception) -> JsonDict:
    """The output for an input that cannot be processed.

    # Parameters

    record : `Any`
        The input.
    number : `int`
        Its number among the inputs, from 1.
    error : `Exception`
        The reason.
    """
    name = _id(record) if isinstance(record, dict) else ""
    details = {"type": type(error).__name__, "message": str(error)}
    return {"id": name, "error": details, "line": number}


def _checked(sentences: list[Sentence]) -> list[Sentence]:
    for sentence in sentences:
        _check_length(sentence)
    return sentences


def _check_length(sentence: Sentence) -> None:
    if len(sentence.tokens) > MAX_SENTENCE_TOKENS:
        raise SentenceError(
            f"a sentence of {len(sentence.tokens)} tokens; expected at most "
            f"{MAX_SENTENCE_TOKENS}: divide it"
        )


def _chunks(sentence: Sentence) -> list[Sentence]:
    """The sentence, or chunks of it if it is too long."""
    tokens = sentence.tokens
    if len(tokens) <= MAX_CHUNK_TOKENS:
        return [sentence]
    _check_length(sentence)
    starts = range(0, len(tokens), MAX_CHUNK_TOKENS)
    return [Sentence(tokens[start : start + MAX_CHUNK_TOKENS]) for start in starts]


def _with_annotations(sentence: Sentence, chunks: list[Sentence]) -> Sentence:
    """The sentence with the annotations of its chunks."""
    if len(chunks) == 1:
        return chunks[0]
    merged = _merge(chunks, None)
    return replace(sentence, entities=merged.entities, relations=merged.relations)


def _sentence(text: str, offsets: Sequence[Any]) -> Sentence:
    return Sentence([text[begin:end] for begin, end in offsets], text=text, offsets=offsets)


def _bounds(sentences: Sequence[Sequence[Any]]) -> Iterator[list[int]]:
    """Each sentence's first token in the document, and the token after its last."""
    start = 0
    for tokens in sentences:
        yield [start, start + len(tokens)]
        start += len(tokens)


def _merge(sentences: Sequence[Sentence], text: str | None) -> Sentence:
    """Merges the parts of a text into one; positions count from the beginning of the text."""
    tokens: list[str] = []
    offsets: list[Any] = []
    entities: list[Entity] = []
    relations: list[Relation] = []
    for sentence in sentences:
        base, first = len(tokens), len(entities)
        tokens += sentence.tokens
        offsets += sentence.offsets or ()
        text = sentence.text if text is None else text
        entities += [
            Entity(e.type, base + e.start, base + e.end, e.score) for e in sentence.entities
        ]
        relations += [
            Relation(r.type, first + r.head, first + r.tail, r.score) for r in sentence.relations
        ]
    return Sentence(
        tokens, entities, relations, text=text, offsets=None if text is None else offsets
    )


def _batches(order: Sequence[int], lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Cuts `order`, longest first, into batches of at most `max_tokens` tokens with padding."""
    batch: list[int] = []
    for index in order:
        if batch and lengths[batch[0]] * (len(batch) + 1) > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
