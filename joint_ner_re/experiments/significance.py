"""Tests whether one system is significantly better than another on the same sentences.

The strict micro F1 of two systems is compared by paired approximate randomisation over sentences
(Yeh 2000, "More accurate tests for the statistical significance of result differences") and by a
paired bootstrap.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy

from joint_ner_re.metrics.pairing import in_order_of_gold
from joint_ner_re.metrics.score import TASKS, Scorer
from joint_ner_re.sentence import Sentence

SAMPLES = 10_000
# Bounds the memory.
MAX_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """A comparison of two systems.

    # Parameters

    first, second : `float`
        Their micro F1.
    difference : `float`
        `second - first`.
    low, high : `float`
        The bounds of the difference's 95 % bootstrap interval.
    p_value : `float`
        The probability of a difference at least as large, in either direction, if the systems are
        equally good.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float


def sentence_counts(
    gold: Sequence[Sentence], predicted: Sequence[Sentence]
) -> dict[str, numpy.ndarray]:
    """For each task, the strictly correct, predicted and gold annotations of each sentence.

    Each array has the shape (sentences, 3), in the order of the gold sentences.

    # Raises

    `MatchingError`
        If the two have different sentences.
    """
    rows: dict[str, list] = {task: [] for task in TASKS}
    for right, guess in in_order_of_gold(gold, predicted):
        scorer = Scorer()
        scorer.add(right, guess)
        for task in TASKS:
            counts = scorer.counts[task]
            tables = (counts.correct, counts.predicted, counts.gold)
            rows[task].append([sum(table.values()) for table in tables])
    return {task: numpy.array(rows[task], dtype=numpy.int64).reshape(-1, 3) for task in TASKS}


def compare(
    first: numpy.ndarray, second: numpy.ndarray, samples: int = SAMPLES, seed: int = 0
) -> Comparison:
    """Compare two systems by their counts for each sentence.

    # Parameters

    first, second : `numpy.ndarray`
        The `sentence_counts` of each system. Shape: (sentences, 3). If a system has several runs,
        the sums over the runs: all runs of a sentence are then swapped, or drawn, together, because
        they are not independent.
    samples : `int`, optional (default = `10000`)
        The number of randomisations and of bootstrap samples.
    seed : `int`, optional (default = `0`)

    # Raises

    `ValueError`
        If the systems do not have the same number of sentences, or have none.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(
            f"there are {len(first)} and {len(second)} sentences; expected the same, one or more"
        )
    numbers = numpy.random.default_rng(seed)
    f1 = micro_f1(numpy.stack([first.sum(axis=0), second.sum(axis=0)]))
    observed = f1[1] - f1[0]
    total = first.sum(axis=0) + second.sum(axis=0)
    count = len(first)

    def shuffled(size: int) -> numpy.ndarray:
        swaps = numbers.integers(0, 2, (size, count))
        one = first.sum(axis=0) + swaps @ (second - first)
        return micro_f1(total - one) - micro_f1(one)

    def drawn(size: int) -> numpy.ndarray:
        # Shape: (size, sentences), how often each sentence is drawn.
        draws = numbers.multinomial(count, numpy.full(count, 1 / count), size)
        return micro_f1(draws @ second) - micro_f1(draws @ first)

    # The tolerance keeps rounding from making an equal difference smaller.
    extreme = sum(
        int((numpy.abs(values) >= abs(observed) - 1e-12).sum())
        for values in _chunks(shuffled, samples, count)
    )
    differences = numpy.concatenate(list(_chunks(drawn, samples, count)))
    low, high = numpy.quantile(differences, [0.025, 0.975])
    return Comparison(
        float(f1[0]),
        float(f1[1]),
        float(observed),
        float(low),
        float(high),
        # The observed arrangement counts as one of the randomisations.
        (extreme + 1) / (samples + 1),
    )


def compare_runs(
    first: Iterable[tuple[Sequence[Sentence], Sequence[Sentence]]],
    second: Iterable[tuple[Sequence[Sentence], Sequence[Sentence]]],
    **options: Any,
) -> dict[str, dict[str, float]]:
    """For each task, compares two systems that have several runs each.

    # Parameters

    first, second : `Iterable[tuple[Sequence[Sentence], Sequence[Sentence]]]`
        The gold sentences and the predictions of each run. All runs have the same sentences.
    options : `Any`
        As for `compare`.

    # Raises

    `ValueError`
        If two runs have different gold sentences, or these in another order.
    """
    first, second = list(first), list(second)
    golds = [gold for gold, _ in [*first, *second]]
    for gold in golds[1:]:
        for number, (one_gold, other_gold) in enumerate(zip(golds[0], gold), start=1):
            if one_gold.tokens != other_gold.tokens or one_gold.id != other_gold.id:
                raise ValueError(
                    f"sentence {number} is {one_gold.id!r} in one run and {other_gold.id!r} in "
                    "another; expected the same sentences in the same order in all runs"
                )
    one, other = ([sentence_counts(*run) for run in system] for system in (first, second))

    def added(system: Sequence[dict[str, numpy.ndarray]], task: str) -> numpy.ndarray:
        return numpy.sum([run[task] for run in system], axis=0)

    return {
        task: asdict(compare(added(one, task), added(other, task), **options)) for task in TASKS
    }


def micro_f1(counts: numpy.ndarray) -> numpy.ndarray:
    """F1 from (correct, predicted, gold) in the last dimension; 0 if all are 0."""
    both = counts[..., 1] + counts[..., 2]
    return 2 * counts[..., 0] / numpy.maximum(both, 1)


def _chunks(
    draw: Callable[[int], numpy.ndarray], samples: int, sentences: int
) -> Iterator[numpy.ndarray]:
    size = max(1, MAX_NUMBERS_AT_ONCE // sentences)
    for start in range(0, samples, size):
        yield draw(min(size, samples - start))
