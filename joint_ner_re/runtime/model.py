"""An exported model: sentences in, sentences with entities and relations out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy
from numpy import ndarray

from joint_ner_re.documents import Thresholds
from joint_ner_re.messages import quote
from joint_ner_re.runtime.crf import Crf
from joint_ner_re.runtime.features import make_feature
from joint_ner_re.runtime.files import (
    ENTITIES,
    PAIRS,
    STATES,
    TRANSITIONS,
    VOCABULARY,
    ExportedModelError,
    Manifest,
    read_json,
    read_manifest,
)
from joint_ner_re.runtime.relations import (
    Chosen,
    Signatures,
    gaps,
    maximum_tables,
    pair_blocks,
    range_maxima,
)
from joint_ner_re.runtime.sessions import Session
from joint_ner_re.runtime.tags import Spans, Tables
from joint_ner_re.sentence import Entity, Relation, Sentence
from joint_ner_re.tag_codec import TagCodec

Outputs = dict[str, ndarray]


class ExportedModel:
    """Computes what `JointModel` computes, with the graphs that `allennlp export` wrote.

    # Parameters

    directory : `str`
        The directory of the exported model.
    threads : `int`, optional (default = `1`)
        How many threads a run of a graph uses.

    # Raises

    `ExportedModelError`
        If a file is missing or damaged.
    """

    def __init__(self, directory: str | os.PathLike[str], threads: int = 1) -> None:
        path = os.fspath(directory)
        self.manifest: Manifest = read_manifest(path)
        self.relation_threshold = self.manifest.relation_threshold
        self._signatures = _signatures(self.manifest)
        codec = TagCodec(self.manifest.entity_types, self.manifest.tag_scheme)
        self._tables = Tables(codec)
        self._crfs = _read_crfs(path, self._tables, len(codec), self.manifest.tag_levels)
        vocabulary = _read_vocabulary(path)
        self._features = [
            make_feature(path, settings, vocabulary, threads) for settings in self.manifest.features
        ]
        between = {"between"} if self.manifest.pair_layer else set()
        of_pairs = {"pair_head", "pair_tail"} if self.manifest.pair_layer else set()
        scores = {f"scores_{level}" for level in range(self.manifest.tag_levels)}
        self._states = Session(path, STATES, threads)
        self._states.check({"vectors", "lengths"}, {"states", *scores, *between})
        self._entities = Session(path, ENTITIES, threads)
        of_entities = {"entities", "directions", "as_head", "as_tail", *of_pairs}
        self._entities.check({"lasts", "labels"}, of_entities)
        self._pairs = Session(path, PAIRS, threads)
        of_gaps = {"maxima", "distances"} if self.manifest.pair_layer else set()
        self._pairs.check({"heads", "tails", *of_entities, *of_gaps}, {"logits"})

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a predicted relation: one number, or one for each type.

        Setting an impossible value raises a `ValueError`.
        """
        return self._relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        types = self.manifest.relation_types
        given = thresholds if isinstance(thresholds, Mapping) else dict.fromkeys(types, thresholds)
        if set(given) != set(types):
            raise ValueError(
                f"relation_threshold has the types {', '.join(map(repr, given))}; expected one "
                f"number, or one for each of {', '.join(map(repr, types))}"
            )
        for value in given.values():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value <= 1:
                raise ValueError(f"relation_threshold is {quote(value)}; expected 0 to 1")
        self._relation_threshold = thresholds
        self._thresholds = [float(given[name]) for name in types]

    def predict(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Copies of the sentences with the model's annotations."""
        return self._for_those_with_tokens(sentences, self._predict)

    def relate(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Copies of the sentences with the model's relations between their own entities."""
        return self._for_those_with_tokens(sentences, self._relate)

    def compute(self, sentences: Sequence[Sentence]) -> tuple[Outputs, ndarray]:
        """The outputs of the graph of states, and the sentences' lengths, which must not be 0."""
        limit = self.manifest.max_token_characters
        words = [[token[:limit] for token in sentence.tokens] for sentence in sentences]
        lengths = numpy.array([len(some) for some in words], numpy.int32)
        inside = numpy.arange(lengths.max()) < lengths[:, None]
        flat = [feature(words) for feature in self._features]
        vectors = numpy.zeros((*inside.shape, sum(part.shape[1] for part in flat)), numpy.float32)
        vectors[inside] = numpy.concatenate(flat, axis=1)
        return self._states.run(vectors=vectors, lengths=lengths), lengths

    def logits(self, outputs: Outputs, spans: Spans) -> Iterable[tuple[ndarray, ndarray, ndarray]]:
        """Heads, tails and logits of the pairs of entities, in blocks; see `pair_blocks`."""
        if not self.manifest.relation_types or len(spans.rows) < 2:
            return
        lasts = outputs["states"][spans.rows, spans.ends - 1]
        labels = self._tables.last_tags(spans).astype(numpy.int64)
        inputs = self._entities.run(lasts=lasts, labels=labels)
        tables = maximum_tables(outputs["between"]) if self.manifest.pair_layer else []
        per_pair = 2 * (inputs["entities"].shape[1] + inputs["directions"].shape[1])
        for heads, tails in pair_blocks(spans, per_pair + 2 * self.manifest.pair_layer):
            if not len(heads):
                continue
            between: dict[str, Any] = {}
            if self.manifest.pair_layer:
                begins, stops, distances = gaps(spans, heads, tails)
                maxima = range_maxima(tables, spans.rows[heads], begins, stops)
                between = {"maxima": maxima, "distances": distances.astype(numpy.int64)}
            places = {"heads": heads.astype(numpy.int64), "tails": tails.astype(numpy.int64)}
            yield heads, tails, self._pairs.run(**inputs, **places, **between)["logits"]

    @staticmethod
    def _for_those_with_tokens(sentences: Sequence[Sentence], run: Any) -> list[Sentence]:
        """The results of `run`; a sentence without tokens has nothing to find."""
        full = [sentence for sentence in sentences if sentence.tokens]
        found = iter(run(full) if full else ())
        return [
            next(found) if s.tokens else replace(s, entities=(), relations=()) for s in sentences
        ]

    def _predict(self, sentences: list[Sentence]) -> list[Sentence]:
        outputs, lengths = self.compute(sentences)
        spans = self._find(outputs, lengths)
        scores = self._probabilities(outputs, lengths, spans)
        entities: list[list[Entity]] = [[] for _ in sentences]
        columns = (spans.rows, spans.types, spans.starts, spans.ends, scores)
        for row, kind, start, end, score in zip(*(values.tolist() for values in columns)):
            name = self.manifest.entity_types[kind]
            entities[row].append(Entity(name, start, end, _round(score)))
        whole = scores if self.manifest.relation_probability == "whole" else None
        relations = self._relations(outputs, spans, len(sentences), whole)
        symmetric = self.manifest.symmetric
        return [
            replace(sentence, entities=entities[row], relations=relations[row]).in_one_order(
                symmetric
            )
            for row, sentence in enumerate(sentences)
        ]

    def _relate(self, sentences: list[Sentence]) -> list[Sentence]:
        outputs, _ = self.compute(sentences)
        numbers = {name: number for number, name in enumerate(self.manifest.entity_types)}
        rows = [
            (row, entity.start, entity.end, numbers[entity.type], 0)
            for row, sentence in enumerate(sentences)
            for entity in sentence.entities
        ]
        spans = Spans(*numpy.array(rows, numpy.intp).reshape(-1, 5).T)
        relations = self._relations(outputs, spans, len(sentences))
        return [
            replace(s, relations=relations[row]).in_one_order(self.manifest.symmetric)
            for row, s in enumerate(sentences)
        ]

    def _find(self, outputs: Outputs, lengths: ndarray) -> Spans:
        """The entities of each level's best tags, sorted, without duplicates."""
        found: list[Spans] = []
        known: set[tuple[int, ...]] = set()
        for level, crf in enumerate(self._crfs):
            tags = crf.viterbi(outputs[f"scores_{level}"], lengths)
            spans = self._tables.decode(tags, level)
            keys = list(zip(*(values.tolist() for values in spans[:4])))
            found.append(spans.chosen(numpy.array([key not in known for key in keys], bool)))
            known.update(keys)
        return Spans(*(numpy.concatenate(parts) for parts in zip(*found))).ordered()

    def _probabilities(self, outputs: Outputs, lengths: ndarray, spans: Spans) -> ndarray:
        """The probability of each entity, by the CRF of its level."""
        result = numpy.zeros(len(spans.rows))
        for level, crf in enumerate(self._crfs):
            here = spans.levels == level
            scores, some = outputs[f"scores_{level}"], spans.chosen(here)
            tags = self._tables.encode(some, scores.shape[:2])
            result[here] = crf.span_probabilities(
                scores, lengths, tags, some.rows, some.starts, some.ends
            )
        return result

    def _relations(
        self,
        outputs: Outputs,
        spans: Spans,
        count: int,
        entity_probabilities: ndarray | None = None,
    ) -> list[list[Relation]]:
        chosen = Chosen(
            self._thresholds, self.manifest.most_relations, self._signatures, entity_probabilities
        )
        for heads, tails, logits in self.logits(outputs, spans):
            chosen.add(spans, heads, tails, logits)
        firsts = numpy.searchsorted(spans.rows, numpy.arange(count)).tolist()
        relations: list[list[Relation]] = [[] for _ in range(count)]
        columns = (values.tolist() for values in chosen.relations())
        for row, head, tail, kind, score in zip(*columns):
            name = self.manifest.relation_types[kind]
            first = firsts[row]
            relations[row].append(Relation(name, head - first, tail - first, _round(score)))
        return relations


def _round(score: float) -> float:
    # As `JointModel` does: single precision holds about six digits of a probability.
    return round(score, 6)


def _signatures(manifest: Manifest) -> Signatures | None:
    """The possible relations by numbers; `None` if each is possible between all entity types."""
    if manifest.signatures is None:
        return None
    relations = {name: number for number, name in enumerate(manifest.relation_types)}
    entities = {name: number for number, name in enumerate(manifest.entity_types)}
    possible = [(relations[name], entities[h], entities[t]) for name, h, t in manifest.signatures]
    return Signatures(possible, len(entities))


def _read_vocabulary(directory: str) -> dict[str, dict[str, int]]:
    """The numbers of words and characters by namespace."""
    content = read_json(directory, VOCABULARY)
    lists = content.values() if isinstance(content, dict) else [None]
    if not all(
        isinstance(words, list) and all(isinstance(word, str) for word in words) for words in lists
    ):
        raise ExportedModelError(f"{directory}/{VOCABULARY} is damaged; expected lists of words")
    return {
        name: {word: number for number, word in enumerate(words)} for name, words in content.items()
    }


def _read_crfs(directory: str, tables: Tables, tags: int, levels: int) -> list[Crf]:
    """The CRF of each level of tags; impossible transitions get -inf."""
    content = read_json(directory, TRANSITIONS)
    shapes = {"transitions": (tags, tags), "start": (tags,), "end": (tags,)}
    try:
        arrays = [
            {name: numpy.array(level[name], numpy.float32) for name in shapes} for level in content
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise ExportedModelError(
            f"{directory}/{TRANSITIONS} is damaged ({error}); expected the numbers "
            f"{', '.join(shapes)} for each level of tags"
        ) from error
    wrong = [a for level in arrays for name, a in level.items() if a.shape != shapes[name]]
    if (
        wrong
        or len(arrays) != levels
        or not all(numpy.isfinite(array).all() for level in arrays for array in level.values())
    ):
        raise ExportedModelError(
            f"{directory}/{TRANSITIONS} does not fit the model; expected finite numbers for "
            f"{levels} levels of {tags} tags"
        )
    return [
        Crf(
            numpy.where(tables.no_transition, -numpy.inf, level["transitions"]),
            numpy.where(tables.no_start, -numpy.inf, level["start"]),
            numpy.where(tables.no_end, -numpy.inf, level["end"]),
            tables.joins,
        )
        for level in arrays
    ]
