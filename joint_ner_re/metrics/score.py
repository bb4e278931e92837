"""The scoring rules: predicted against gold `Sentence`s, as sets. No tensors here.

The criteria and averages are those of Taillé et al. (2020), "Let's Stop Incorrect Comparisons in
End-to-end Relation Extraction!": see docs/evaluation.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from joint_ner_re.sentence import Sentence

CRITERIA = ("strict", "boundaries")
TASKS = ("entity", "relation")
ANY_TYPE = "*"

Items = set[tuple[str, Hashable]]


@dataclass(frozen=True)
class Figures:
    """Precision, recall and F1 of one type or average, each 0 where it would be 0/0."""

    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, correct: int, predicted: int, gold: int) -> Figures:
        precision = correct / predicted if predicted else 0.0
        recall = correct / gold if gold else 0.0
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0)


@dataclass
class Counts:
    """How many items of each type were predicted, are gold, and are both."""

    correct: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)

    def add(self, predicted: Items, gold: Items) -> None:
        self.correct.update(name for name, _ in predicted & gold)
        self.predicted.update(name for name, _ in predicted)
        self.gold.update(name for name, _ in gold)

    def per_type(self) -> dict[str, Figures]:
        """Every type that is gold or was predicted."""
        names = sorted({*self.gold, *self.predicted})
        return {
            name: Figures.of(self.correct[name], self.predicted[name], self.gold[name])
            for name in names
            if self.gold[name] or self.predicted[name]
        }

    def micro(self) -> Figures:
        return Figures.of(
            sum(self.correct.values()), sum(self.predicted.values()), sum(self.gold.values())
        )

    def macro(self) -> Figures:
        """Plain means over the types; the F1 is the mean of F1s, not the F1 of the means."""
        figures = list(self.per_type().values())
        if not figures:
            return Figures(0.0, 0.0, 0.0)
        return Figures(
            sum(f.precision for f in figures) / len(figures),
            sum(f.recall for f in figures) / len(figures),
            sum(f.f1 for f in figures) / len(figures),
        )


class Scorer:
    """Collects sentences one by one and reports at any time.

    # Parameters

    criterion : `str`, optional (default = `"strict"`)
        `"strict"`: an entity is right when its span and type are; a relation when both spans,
        both entity types, the relation type and the direction are. `"boundaries"`: entity types
        do not matter, neither for entities nor for the arguments of a relation.

    # Raises

    `ValueError`
        If the criterion is unknown.
    """

    def __init__(self, criterion: str = "strict") -> None:
        if criterion not in CRITERIA:
            raise ValueError(f"unknown criterion {criterion!r}; expected {' or '.join(CRITERIA)}")
        self.criterion = criterion
        self.counts: dict[str, Counts] = {task: Counts() for task in TASKS}

    def add(self, gold: Sentence, predicted: Sentence) -> None:
        """Count one sentence.

        # Raises

        `ValueError`
            If the two have different numbers of tokens: then their positions mean nothing.
        """
        if len(gold.tokens) != len(predicted.tokens):
            raise ValueError(
                f"the gold sentence {gold.id!r} has {len(gold.tokens)} tokens, the predicted one "
                f"{predicted.id!r} has {len(predicted.tokens)}; expected the same tokens"
            )
        self.counts["entity"].add(self._entities(predicted), self._entities(gold))
        self.counts["relation"].add(self._relations(predicted), self._relations(gold))

    def _entities(self, sentence: Sentence) -> Items:
        if self.criterion == "boundaries":
            return {(ANY_TYPE, (e.start, e.end)) for e in sentence.entities}
        return {(e.type, (e.start, e.end)) for e in sentence.entities}

    def _relations(self, sentence: Sentence) -> Items:
        strict = self.criterion == "strict"
        arguments = [e.key if strict else (e.start, e.end) for e in sentence.entities]
        return {(r.type, (arguments[r.head], arguments[r.tail])) for r in sentence.relations}

    def report(self) -> dict[str, Any]:
        """The figures under the names that `score` documents."""
        return report(self.counts)


def report(counts: Mapping[str, Counts]) -> dict[str, Any]:
    """The figures of `score` from the counts of the two tasks."""
    figures: dict[str, Any] = {}
    per_type: dict[str, dict[str, dict[str, float]]] = {}
    for task in TASKS:
        for prefix, average in (
            (task, counts[task].micro()),
            (f"{task}_macro", counts[task].macro()),
        ):
            figures[f"{prefix}_precision"] = average.precision
            figures[f"{prefix}_recall"] = average.recall
            figures[f"{prefix}_f1"] = average.f1
        per_type[task] = {
            name: {**vars(value), "support": counts[task].gold[name]}
            for name, value in counts[task].per_type().items()
        }
    figures["mean_f1"] = (figures["entity_f1"] + figures["relation_f1"]) / 2
    figures["per_type"] = per_type
    return figures


def score(
    gold: Iterable[Sentence], predicted: Iterable[Sentence], criterion: str = "strict"
) -> dict[str, Any]:
    """Score predictions against gold annotations.

    # Parameters

    gold : `Iterable[Sentence]`
        The annotated sentences.
    predicted : `Iterable[Sentence]`
        As many sentences, in the same order, with the same tokens.
    criterion : `str`, optional (default = `"strict"`)
        `"strict"` or `"boundaries"`: see `Scorer`.

    # Returns

    `dict[str, Any]`
        `entity_precision`, `entity_recall`, `entity_f1` (micro averages), `entity_macro_precision`,
        `entity_macro_recall`, `entity_macro_f1`, the same six for `relation_`, and `mean_f1`, the
        mean of the two micro F1. Under `per_type`: `{"entity": {type: {"precision", "recall",
        "f1", "support"}}, "relation": ...}`. Macro averages run over the types that are gold or
        predicted. Under `"boundaries"` entities have no types: all are filed under `"*"`.

    # Raises

    `ValueError`
        If the two differ in length or in a sentence's number of tokens, or the criterion is
        unknown.
    """
    scorer = Scorer(criterion)
    missing = object()
    for number, (right, guess) in enumerate(zip_longest(gold, predicted, fillvalue=missing)):
        if right is missing or guess is missing:
            shorter = "gold" if right is missing else "predicted"
            raise ValueError(
                f"there are only {number} {shorter} sentences; expected as many gold as predicted"
            )
        scorer.add(right, guess)  # type: ignore[arg-type]
    return scorer.report()
