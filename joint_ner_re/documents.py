"""Documents in, predictions out: what every loaded model does, whatever computes its scores.

A record is a JSON object with a document, a sentence or tokens. It is split into sentences, these
into batches of similar length, and the predicted sentences are merged into one output record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from joint_ner_re.corpora.text import MAX_CHARACTERS
from joint_ner_re.corpora.units import Unit, in_units
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence, SentenceError

if TYPE_CHECKING:
    from joint_ner_re.tokenization import TextTokenizer

Record = dict[str, Any]
# One for all relation types, or one for each by name.
Thresholds = float | dict[str, float]
# What the probability of a relation says; see `JointModel`.
RELATION_PROBABILITIES = ("pair", "whole")

INPUTS = ("text", "sentence", "tokens")

# A longer sentence is predicted in chunks, because the time for relations grows with the square of
# the number of entities. Nobody writes such sentences.
MAX_CHUNK_TOKENS = 2_000
MAX_SENTENCE_TOKENS = 100_000


class DocumentPredictor:
    """Splits records into sentences, has a model predict them, and merges what it predicts.

    Subclasses implement the properties and `predict_batches`. Each line of an input is a document
    in plain text, or a JSON object with one of these keys:

    - `text`: a document, which is split into sentences. The model's `unit` says how many of them it
      reads at once.
    - `sentence`: one sentence, which is split into tokens.
    - `tokens`: the tokens of one sentence, with `text` and `offsets` if there are any.

    The output keeps the `id`, and other keys under `meta`. It has the keys of `Sentence.to_json`,
    for the complete document: token positions count from the beginning of the document, and
    character offsets are those of the input. For a document, `sentences` holds the first token of
    each sentence and the token after its last.

    # Attributes

    survives_fork : `bool`
        Whether a process that was forked after loading can use the model.
    """

    survives_fork = True

    @property
    def unit(self) -> Unit:
        """How much of a document the model reads as one sequence; see `JointReader`."""
        raise NotImplementedError

    @property
    def text_tokenizer(self) -> TextTokenizer:
        """Splits documents into sentences and tokens."""
        raise NotImplementedError

    @property
    def entity_types(self) -> Sequence[str]:
        """The entity types that the model knows."""
        raise NotImplementedError

    @property
    def relation_types(self) -> Sequence[str]:
        """The relation types that the model knows."""
        raise NotImplementedError

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a predicted relation: one number, or one for each type."""
        raise NotImplementedError

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        raise NotImplementedError

    @property
    def max_batch_tokens(self) -> int:
        """How many tokens, with padding, a batch may have. It bounds the memory."""
        raise NotImplementedError

    def predict_batches(
        self, batches: Sequence[list[Sentence]], given: bool
    ) -> Iterable[list[Sentence]]:
        """The predictions for each batch.

        # Parameters

        batches : `Sequence[list[Sentence]]`
            Sentences of similar length, the longest first.
        given : `bool`
            Whether the entities are given: then only relations between them are predicted.
        """
        raise NotImplementedError

    def load_line(self, line: str) -> Record:
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

    def dump_line(self, outputs: Record) -> str:
        """An output record as a line of JSON."""
        return json.dumps(outputs, ensure_ascii=False) + "\n"

    def predict_batch_json(self, inputs: Sequence[Record]) -> list[Record]:
        """Predict for each input, in order; the class describes inputs and outputs.

        The output for an input that cannot be processed, such as one whose text is None or not a
        number, is `{"id": ..., "error": {"type": ..., "message": ...}, "line": n}` for the n-th.
        """
        documents: list[_Parts] = []
        errors: dict[int, Record] = {}
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

    def relate_json(self, inputs: Sequence[tuple[Record, Sequence[Mapping[str, Any]]]]) -> list:
        """As `predict_batch_json`, with the relations between given entities.

        # Parameters

        inputs : `Sequence[tuple[dict[str, Any], Sequence[Mapping[str, Any]]]]`
            Each input record with its entities. An entity has the key `type` and either `start`
            and `end`, which count tokens, or `char_start` and `char_end`, which count code points
            of the text. In a document only the latter are known, and sentences that an entity
            connects are read as one.

        # Returns

        `list[dict[str, Any]]`
            The output records. Their entities are the given ones, in this order, with score 1.

        # Raises

        `SentenceError`
            If an entity has an unknown type, or covers no token.
        """
        parts_of = [self._split(record) for record, _ in inputs]
        documents = [
            _with_entities(parts.units, entities, self.entity_types)
            for parts, (_, entities) in zip(parts_of, inputs)
        ]
        related = iter(self.relate_sentences([unit for units, _ in documents for unit in units]))
        outputs = []
        for (record, _), parts, (units, order) in zip(inputs, parts_of, documents):
            output = self._output(record, [next(related) for _ in units], parts.bounds)
            outputs.append(_reordered(output, order))
        return outputs

    def predict_sentences(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Copies of the sentences whose annotations are the model's predictions.

        If the memory does not suffice for a batch, it is predicted in halves. A sentence of more
        than `MAX_CHUNK_TOKENS` tokens is predicted in chunks of this length.

        # Raises

        `SentenceError`
            If a sentence has more than `MAX_SENTENCE_TOKENS` tokens.
        """
        chunks_of = [_chunks(sentence) for sentence in sentences]
        rest = iter(self._in_batches([chunk for some in chunks_of for chunk in some], False))
        return [
            _with_annotations(sentence, [next(rest) for _ in some])
            for sentence, some in zip(sentences, chunks_of)
        ]

    def relate_sentences(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Copies of the sentences with the relations that the model finds between their entities.

        # Raises

        `SentenceError`
            If a sentence has more than `MAX_CHUNK_TOKENS` tokens, or an entity of an unknown type.
        """
        for sentence in sentences:
            if len(sentence.tokens) > MAX_CHUNK_TOKENS:
                raise SentenceError(
                    f"a sentence of {len(sentence.tokens)} tokens with given entities; expected at "
                    f"most {MAX_CHUNK_TOKENS}: divide it"
                )
            for entity in sentence.entities:
                _check_type(entity.type, self.entity_types)
        return self._in_batches(list(sentences), True)

    def _in_batches(self, chunks: list[Sentence], given: bool) -> list[Sentence]:
        predicted = list(chunks)
        # Longest first: with small batches at the end, all cores finish at about the same time.
        by_length = sorted(range(len(chunks)), key=lambda index: -len(chunks[index].tokens))
        lengths = [len(chunk.tokens) for chunk in chunks]
        batches = list(_batches(by_length, lengths, self.max_batch_tokens))
        done = self.predict_batches([[chunks[i] for i in batch] for batch in batches], given)
        for batch, predicted_of in zip(batches, done):
            for index, sentence in zip(batch, predicted_of):
                predicted[index] = sentence
        return predicted

    def _split(self, record: Record) -> _Parts:
        """The input's units, with the input's offsets."""
        if _kind(record) != "text":
            return _Parts([self._as_sentence(record)], [])
        text = record["text"]
        (sentences,) = self.text_tokenizer.split([text])
        units = [_sentence(text, offsets) for offsets in in_units(sentences, self.unit)]
        return _Parts(units, list(_bounds(sentences)))

    def _as_sentence(self, record: Record) -> Sentence:
        """The input as one sentence."""
        kind = _kind(record)
        if kind == "tokens":
            sentence = Sentence.from_json(
                {key: record[key] for key in ("tokens", "text", "offsets") if key in record}
            )
            return sentence.with_text()
        (offsets,) = self.text_tokenizer.tokenize([record[kind]])
        return _sentence(record[kind], offsets)

    @staticmethod
    def _output(record: Record, units: list[Sentence], bounds: list[list[int]]) -> Record:
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


def _kind(record: Record) -> str:
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


def _id(record: Record) -> str:
    name = record.get("id")
    return "" if name is None else str(name)


def failure(record: Any, number: int, error: Exception) -> Record:
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
    """Merges the sentences of a text into one; positions count from the beginning of the text."""
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


# Given entities


def _with_entities(
    sentences: Sequence[Sentence], given: Sequence[Mapping[str, Any]], types: Sequence[str]
) -> tuple[list[Sentence], list[int]]:
    """The sentences with the given entities, and the position among all of each given one."""
    merged = _merge(sentences, None)
    entities = [_given_entity(merged, item, types) for item in given]
    bounds: list[tuple[int, int]] = []
    for begin, end in _bounds([sentence.tokens for sentence in sentences]):
        # An entity that begins before this sentence and ends in it connects the two.
        if bounds and any(e.start < begin < e.end for e in entities):
            begin = bounds.pop()[0]
        bounds.append((begin, end))
    found, order = [], []
    for begin, end in bounds:
        inside = [n for n, e in enumerate(entities) if begin <= e.start and e.end <= end]
        order += inside
        found.append(
            replace(
                merged,
                tokens=merged.tokens[begin:end],
                offsets=None if merged.offsets is None else merged.offsets[begin:end],
                entities=[
                    Entity(e.type, e.start - begin, e.end - begin, 1.0)
                    for e in (entities[number] for number in inside)
                ],
                relations=(),
            )
        )
    return found, order


def _given_entity(sentence: Sentence, item: Mapping[str, Any], types: Sequence[str]) -> Entity:
    """A given entity at its tokens in the complete document."""
    if not isinstance(item, Mapping):
        raise SentenceError(
            f"an entity is {quote(item)}; expected an object such as "
            '{"type": "Drug", "char_start": 0, "char_end": 12}'
        )
    _check_type(item.get("type"), types)
    for first, last in (("start", "end"), ("char_start", "char_end")):
        if type(item.get(first)) is int and type(item.get(last)) is int:
            begin, end = item[first], item[last]
            break
    else:
        raise SentenceError(
            f"the entity {quote(dict(item))} has neither start and end nor char_start and "
            "char_end; expected whole numbers under one of these pairs"
        )
    if first == "char_start":
        offsets = sentence.offsets or ()
        covered = [n for n, (b, e) in enumerate(offsets) if b < end and begin < e]
        begin, end = (covered[0], covered[-1] + 1) if covered else (0, 0)
    if not 0 <= begin < end <= len(sentence.tokens):
        raise SentenceError(
            f"the entity {quote(dict(item))} covers no token of the {len(sentence.tokens)} tokens; "
            "positions count from 0, and the end is the position after the last"
        )
    return Entity(item["type"], begin, end, 1.0)


def _check_type(name: Any, types: Sequence[str]) -> None:
    if name not in types:
        raise SentenceError(
            f"an entity has the type {quote(name)}, which the model does not know; expected one of "
            f"{', '.join(types)}"
        )


def _reordered(output: Record, order: Sequence[int]) -> Record:
    """The record with its entities in the order in which they were given.

    `order` has the place, among the given ones, of each of the record's entities.
    """
    entities = sorted(zip(order, output["entities"]), key=lambda pair: pair[0])
    relations = [
        {**relation, "head": order[relation["head"]], "tail": order[relation["tail"]]}
        for relation in output["relations"]
    ]
    return {**output, "entities": [entity for _, entity in entities], "relations": relations}
