"""Scores predicted against gold sentences. Entities and relations are compared as sets.

The criteria and averages are those of Taillé et al. (2020), "Let's Stop Incorrect Comparisons in
End-to-end Relation Extraction!": see docs/evaluation.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joint_ner_re.metrics.pairing import check_tokens, match
from joint_ner_re.sentence import Sentence

CRITERIA = ("strict", "boundaries")
TASKS = ("entity", "relation")
ANY_TYPE = "*"

HEADLINES = tuple(f"{task}_{what}" for task in TASKS for what in ("precision", "recall", "f1"))
"""The micro averages that say most, by the names that the model gives them."""

BEST_EPOCH = "best_validation_"
"""What AllenNLP puts before the names of the best epoch's scores."""

AnnotationKeys = set[tuple[str, Hashable]]


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1 of a type or an average. Each is 0 instead of 0/0."""

    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, correct: int, predicted: int, gold: int) -> Scores:
        precision = correct / predicted if predicted else 0.0
        recall = correct / gold if gold else 0.0
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0)


@dataclass
class Counts:
    """The numbers of correct, predicted and gold annotations of each type."""

    correct: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)

    def add(self, predicted: AnnotationKeys, gold: AnnotationKeys) -> None:
        self.correct.update(name for name, _ in predicted & gold)
        self.predicted.update(name for name, _ in predicted)
        self.gold.update(name for name, _ in gold)

    def per_type(self) -> dict[str, Scores]:
        """The scores of each type that is in gold or was predicted."""
        names = sorted({*self.gold, *self.predicted})
        return {
            name: Scores.of(self.correct[name], self.predicted[name], self.gold[name])
            for name in names
            if self.gold[name] or self.predicted[name]
        }

    def micro(self) -> Scores:
        return Scores.of(
            sum(self.correct.values()), sum(self.predicted.values()), sum(self.gold.values())
        )

    def macro(self) -> Scores:
        """Means over the types. The F1 is the mean of the F1s, not the F1 of the means."""
        scores = list(self.per_type().values())
        if not scores:
            return Scores(0.0, 0.0, 0.0)
        return Scores(
            sum(f.precision for f in scores) / len(scores),
            sum(f.recall for f in scores) / len(scores),
            sum(f.f1 for f in scores) / len(scores),
        )


class Scorer:
    """Counts sentences one by one and computes scores from the counts.

    # Parameters

    criterion : `str`, optional (default = `"strict"`)
        `"strict"`: an entity is correct if its span and type are; a relation is correct if both
        spans, both entity types, the relation type and the direction are. `"boundaries"`: the same,
        but entity types do not matter.
    symmetric : `Iterable[str]`, optional (default = `()`)
        Relation types whose direction does not matter. Two relations that differ in it alone count
        once.

    # Raises

    `ValueError`
        If the criterion is unknown.
    """

    def __init__(self, criterion: str = "strict", symmetric: Iterable[str] = ()) -> None:
        if criterion not in CRITERIA:
            raise ValueError(f"unknown criterion {criterion!r}; expected {' or '.join(CRITERIA)}")
        self.criterion = criterion
        self.symmetric = frozenset(symmetric)
        self.counts: dict[str, Counts] = {task: Counts() for task in TASKS}

    def add(self, gold: Sentence, predicted: Sentence) -> None:
        """Count a sentence.

        # Raises

        `ValueError`
            If the two have different tokens, since positions are not comparable then.
        """
        check_tokens(predicted, gold)
        self.counts["entity"].add(self._entities(predicted), self._entities(gold))
        self.counts["relation"].add(self._relations(predicted), self._relations(gold))

    def _entities(self, sentence: Sentence) -> AnnotationKeys:
        if self.criterion == "boundaries":
            return {(ANY_TYPE, (e.start, e.end)) for e in sentence.entities}
        return {(e.type, (e.start, e.end)) for e in sentence.entities}

    def _relations(self, sentence: Sentence) -> AnnotationKeys:
        strict = self.criterion == "strict"
        arguments = [e.key if strict else (e.start, e.end) for e in sentence.entities]
        return {
            (r.type, (arguments[r.head], arguments[r.tail]))
            for r in sentence.in_one_order(self.symmetric).relations
        }

    def report(self) -> dict[str, Any]:
        """The scores, as `score` returns them."""
        return report(self.counts)


def report(counts: Mapping[str, Counts]) -> dict[str, Any]:
    """The scores, as `score` returns them, from the counts of the two tasks."""
    scores: dict[str, Any] = {}
    per_type: dict[str, dict[str, dict[str, float]]] = {}
    for task in TASKS:
        for prefix, average in (
            (task, counts[task].micro()),
            (f"{task}_macro", counts[task].macro()),
        ):
            scores[f"{prefix}_precision"] = average.precision
            scores[f"{prefix}_recall"] = average.recall
            scores[f"{prefix}_f1"] = average.f1
        per_type[task] = {
            name: {**vars(value), "support": counts[task].gold[name]}
            for name, value in counts[task].per_type().items()
        }
    scores["mean_f1"] = (scores["entity_f1"] + scores["relation_f1"]) / 2
    scores["per_type"] = per_type
    return scores


def score(
    gold: Iterable[Sentence],
    predicted: Iterable[Sentence],
    criterion: str = "strict",
    symmetric: Iterable[str] = (),
) -> dict[str, Any]:
    """Score predictions against gold annotations.

    # Parameters

    gold : `Iterable[Sentence]`
        The annotated sentences.
    predicted : `Iterable[Sentence]`
        The predicted sentences, with the same tokens. If all sentences have ids, they belong
        together by id, otherwise by their order.
    criterion : `str`, optional (default = `"strict"`)
        `"strict"` or `"boundaries"`: see `Scorer`.
    symmetric : `Iterable[str]`, optional (default = `()`)
        Relation types whose direction does not matter.

    # Returns

    `dict[str, Any]`
        `entity_precision`, `entity_recall`, `entity_f1` (micro averages), `entity_macro_precision`,
        `entity_macro_recall`, `entity_macro_f1`, the same six for `relation_`, and `mean_f1`, the
        mean of the two micro F1. `per_type` is `{"entity": {type: {"precision", "recall", "f1",
        "support"}}, "relation": ...}`. Macro averages are over the types that are in gold or were
        predicted. With `"boundaries"` all entities have the type `"*"`.

    # Raises

    `ValueError`
        If a sentence has no partner, or one with other tokens; the first one is named. Also if the
        criterion is unknown.
    """
    scorer = Scorer(criterion, symmetric)
    for guess, right in match(predicted, gold):
        scorer.add(right, guess)
    return scorer.report()
