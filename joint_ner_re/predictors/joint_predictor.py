"""Raw text or tokens in, entities and relations with offsets and scores out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor
from overrides import overrides

from joint_ner_re.corpora.text import MAX_CHARACTERS
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.models import JointModel, Thresholds
from joint_ner_re.predictors.halving import in_halves
from joint_ner_re.predictors.side_by_side import side_by_side
from joint_ner_re.sentence import Entity, Relation, Sentence, SentenceError

INPUTS = ("text", "sentence", "tokens")

# Sentences of similar length run together, as many as fit: padding costs little then, and
# memory is bounded whatever the documents are. On a CPU several batches run side by side.
TOKENS_PER_BATCH = 2048
TOKENS_PER_BATCH_ON_GPU = 4096
# A longer sentence, which no one wrote, is read in parts of so many tokens: the time for relations
# grows with the square of the entities.
LONGEST_PART = 2_000
LONGEST_SENTENCE = 100_000


@Predictor.register("joint_ner_re")
class JointPredictor(Predictor):
    """Serves `allennlp predict`.

    A line of the input is a JSON object with one of these keys, or plain text:

    - `text`: a document. It is split into sentences.
    - `sentence`: one sentence. It is split into tokens only.
    - `tokens`: one sentence's tokens, with `text` and `offsets` if there are any.

    An `id` is carried over, and so is everything else, under `meta`. A line of plain text is
    a document. The output is what `Sentence.to_json` gives, for the whole document: token
    positions count from its beginning and character offsets are those of the input. For a
    document `sentences` holds each sentence's first token and the token after its last.
    """

    _model: JointModel
    _dataset_reader: JointReader

    @property
    def relation_threshold(self) -> Thresholds:
        """From which probability on a relation is predicted; see `JointModel`."""
        return self._model.relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        self._model.relation_threshold = thresholds

    @overrides
    def load_line(self, line: str) -> JsonDict:
        """A line of the input file as a JSON object.

        # Raises

        `ValueError`
            If a line begins like a JSON object but is none, or escapes half a character.
        """
        # Files of some editors begin with a byte order mark.
        line = line.rstrip("\r\n").lstrip("\ufeff")
        if not line.lstrip().startswith("{"):
            return {"text": line}
        try:
            record = json.loads(line)
            # What comes in goes out again.
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
        return self.predict_batch_json([inputs])[0]

    @overrides
    def predict_batch_json(self, inputs: list[JsonDict]) -> list[JsonDict]:
        """Predict for each input, in order; see the class for what they hold."""
        documents = [self._split(record) for record in inputs]
        predicted = iter(self.predict_sentences([s for document in documents for s in document]))
        return [
            self._output(record, [next(predicted) for _ in document])
            for record, document in zip(inputs, documents)
        ]

    @overrides
    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._instance(self._whole(json_dict))

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

        Where memory does not suffice for a batch, its halves are predicted. A sentence of more
        than `LONGEST_PART` tokens is predicted in parts of so many.

        # Raises

        `SentenceError`
            If a sentence has more than `LONGEST_SENTENCE` tokens.
        """
        parts = [_parts(sentence) for sentence in sentences]
        all_parts = [part for some in parts for part in some]
        predicted: list[Sentence] = list(all_parts)
        # The longest first: with what is small at the end, all cores end together.
        by_length = sorted(range(len(all_parts)), key=lambda index: -len(all_parts[index].tokens))
        on_gpu = self._model.device.type == "cuda"
        most = TOKENS_PER_BATCH_ON_GPU if on_gpu else TOKENS_PER_BATCH
        batches = list(_batches(by_length, [len(part.tokens) for part in all_parts], most))

        def predict(batch: list[int]) -> list[Sentence]:
            return self._predicted([self._instance(all_parts[index]) for index in batch])

        in_threads = self._model.predicts_in_threads
        done = side_by_side(predict, batches) if in_threads else map(predict, batches)
        for batch, predicted_of in zip(batches, done):
            for index, sentence in zip(batch, predicted_of):
                predicted[index] = sentence
        rest = iter(predicted)
        return [
            _whole(sentence, [next(rest) for _ in some]) for sentence, some in zip(sentences, parts)
        ]

    def _predicted(self, instances: list[Instance]) -> list[Sentence]:
        """The model's predictions; of the halves where memory does not suffice for all."""
        return in_halves(self._model.predict, instances)

    def _instance(self, sentence: Sentence) -> Instance:
        instance = self._dataset_reader.text_to_instance(sentence, labelled=False)
        self._dataset_reader.apply_token_indexers(instance)
        return instance

    def _split(self, record: JsonDict) -> list[Sentence]:
        """The input's sentences, whose offsets are those of the whole input."""
        if _kind(record) != "text":
            return [self._whole(record)]
        text = record["text"]
        (sentences,) = self._dataset_reader.tokenizer.split([text])
        return [_sentence(text, offsets) for offsets in sentences]

    def _whole(self, record: JsonDict) -> Sentence:
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
    def _output(record: JsonDict, sentences: list[Sentence]) -> JsonDict:
        kind = _kind(record)
        text = record[kind] if kind != "tokens" else None
        merged = _merge(sentences, text)
        output: dict[str, Any] = {**merged.to_json(), "id": _id(record)}
        if kind == "text":
            output["sentences"] = [list(bounds) for bounds in _bounds(sentences)]
        meta = {key: value for key, value in record.items() if key not in _OWN_KEYS}
        if meta:
            # What has been through here before comes as it went.
            output["meta"] = meta["meta"] if list(meta) == ["meta"] else meta
        return output


_OWN_KEYS = frozenset([*INPUTS, "offsets", "id", "entities", "relations", "sentences"])


def _kind(record: JsonDict) -> str:
    """Which of `INPUTS` the input holds. A text with its tokens is an input of tokens."""
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


def _parts(sentence: Sentence) -> list[Sentence]:
    """The sentence, or parts of it that are not too long."""
    tokens = sentence.tokens
    if len(tokens) <= LONGEST_PART:
        return [sentence]
    if len(tokens) > LONGEST_SENTENCE:
        raise SentenceError(
            f"a sentence of {len(tokens)} tokens; expected at most {LONGEST_SENTENCE}: divide it"
        )
    starts = range(0, len(tokens), LONGEST_PART)
    return [Sentence(tokens[start : start + LONGEST_PART]) for start in starts]


def _whole(sentence: Sentence, parts: list[Sentence]) -> Sentence:
    """The sentence with the annotations of its parts."""
    if len(parts) == 1:
        return parts[0]
    merged = _merge(parts, None)
    return replace(sentence, entities=merged.entities, relations=merged.relations)


def _sentence(text: str, offsets: Sequence[Any]) -> Sentence:
    return Sentence([text[begin:end] for begin, end in offsets], text=text, offsets=offsets)


def _bounds(sentences: Sequence[Sentence]) -> Iterator[Sequence[int]]:
    """Each sentence's first token in the document, and the token after its last."""
    start = 0
    for sentence in sentences:
        yield (start, start + len(sentence.tokens))
        start += len(sentence.tokens)


def _merge(sentences: Sequence[Sentence], text: str | None) -> Sentence:
    """The sentences of one text as one, with positions that count from its beginning."""
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


def _batches(order: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """`order`, the longest first, cut where a padded batch would have more tokens than `most`."""
    batch: list[int] = []
    for index in order:
        if batch and lengths[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
