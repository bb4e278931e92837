"""The scores as an AllenNLP metric, which is also correct in distributed training."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from allennlp.common.util import is_distributed
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.metrics import Metric
from overrides import overrides

from joint_ner_re.metrics.pairing import in_order_of_gold
from joint_ner_re.metrics.score import ANY_TYPE, CRITERIA, TASKS, Counts, Scorer, report
from joint_ner_re.sentence import Sentence


class Totals(NamedTuple):
    """How many entities or relations, of all types, were predicted and are in gold."""

    predicted: int
    gold: int


@Metric.register("joint_score")
class JointScore(Metric):
    """Entity and relation scores under every criterion, from gold and predicted sentences.

    All processes must use the same types in the same order, since they add up their counts.

    # Parameters

    entity_types : `Sequence[str]`
        All entity types that can occur.
    relation_types : `Sequence[str]`
        All relation types that can occur.
    """

    supports_distributed = True

    def __init__(self, entity_types: Sequence[str], relation_types: Sequence[str]) -> None:
        self._types: dict[str, list[str]] = {
            "entity": [*entity_types, ANY_TYPE],
            "relation": list(relation_types),
        }
        # What `totals` returns.
        self._totals: dict[str, Totals] = {}
        self.reset()

    @overrides(check_signature=False)
    def __call__(self, gold: Iterable[Sentence], predicted: Iterable[Sentence]) -> None:
        """Count the sentences of a batch.

        # Parameters

        gold : `Iterable[Sentence]`
            The gold sentences.
        predicted : `Iterable[Sentence]`
            Their predictions; see `joint_ner_re.metrics.pairing`.
        """
        for right, guess in in_order_of_gold(gold, predicted):
            for scorer in self._scorers.values():
                scorer.add(right, guess)

    @overrides
    def reset(self) -> None:
        self._scorers = {criterion: Scorer(criterion) for criterion in CRITERIA}

    @overrides
    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """The scores over all processes.

        # Returns

        `dict[str, float]`
            The strict scores with the names of `joint_ner_re.metrics.score`, such as
            `relation_f1`, and per type as `relation_f1/Work_For` and `relation_support/Work_For`;
            the averages of the boundaries criterion with `boundaries_` before the name.
        """
        metrics: dict[str, float] = {}
        # Once: the processes must agree on the names, also on those that only one of them has met.
        self._names = {task: [*self._types[task], *self._others(task)] for task in TASKS}
        for criterion in CRITERIA:
            counts = self._over_all_processes(criterion)
            if criterion == "strict" and reset:
                self._totals = {
                    task: Totals(
                        sum(counts[task].predicted.values()), sum(counts[task].gold.values())
                    )
                    for task in TASKS
                }
            scores = report(counts)
            per_type = scores.pop("per_type")
            prefix = "" if criterion == "strict" else f"{criterion}_"
            metrics.update({prefix + name: value for name, value in scores.items()})
            if criterion == "strict":
                for task, types in per_type.items():
                    for name, values in types.items():
                        for measure, value in values.items():
                            metrics[f"{task}_{measure}/{name}"] = value
        if reset:
            self.reset()
        return metrics

    def totals(self) -> dict[str, Totals]:
        """The numbers behind the last scores that ended with a reset, over all processes, by task.

        Empty before the first ones. A precision of 0 does not tell nothing from nothing right.
        """
        return dict(self._totals)

    def unknown(self) -> dict[str, Counter[str]]:
        """How much gold of each type that the model does not know this process has counted."""
        counts = self._scorers["strict"].counts
        return {
            task: Counter(
                {n: c for n, c in counts[task].gold.items() if n not in self._types[task]}
            )
            for task in TASKS
        }

    def _others(self, task: str) -> list[str]:
        """The types of gold that are none of the model's, in any process."""
        mine = sorted(self.unknown()[task])
        if not is_distributed():
            return mine
        found: list[list[str]] = [[] for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather_object(found, mine)
        return sorted({name for names in found for name in names})

    def _over_all_processes(self, criterion: str) -> dict[str, Counts]:
        counts = self._scorers[criterion].counts
        local = [
            table[name]
            for task in TASKS
            for table in _tables(counts[task])
            for name in self._names[task]
        ]
        # Shape: (number of tasks, tables and types,)
        total = iter(dist_reduce_sum(torch.tensor(local, dtype=torch.long)).tolist())
        reduced: dict[str, Counts] = {}
        for task in TASKS:
            correct, predicted, gold = (
                Counter({name: next(total) for name in self._names[task]}) for _ in range(3)
            )
            reduced[task] = Counts(correct, predicted, gold)
        return reduced


def _tables(counts: Counts) -> "tuple[Counter[str], Counter[str], Counter[str]]":
    return counts.correct, counts.predicted, counts.gold
