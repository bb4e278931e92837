"""The tests against enumeration of everything that could have been."""

import itertools
import random

import numpy
import pytest

from joint_ner_re.experiments import significance
from joint_ner_re.experiments.significance import compare, compare_runs, sentence_counts
from joint_ner_re.metrics import score
from joint_ner_re.sentence import Entity, Relation, Sentence


def counts(rows):
    return numpy.array(rows)


def f1(rows):
    correct, predicted, gold = (sum(row[place] for row in rows) for place in range(3))
    return 2 * correct / (predicted + gold) if predicted + gold else 0.0


FIRST = [(2, 3, 3), (0, 1, 2), (1, 1, 1), (3, 5, 4), (0, 0, 1), (1, 2, 2), (2, 2, 4)]
SECOND = [(3, 3, 3), (1, 2, 2), (1, 1, 1), (3, 4, 4), (1, 1, 1), (1, 1, 2), (2, 3, 4)]


def enumerated_p(first, second):
    """The share of all 2^n swaps with a difference at least as large as the observed one."""
    observed = abs(f1(second) - f1(first))
    extreme = 0
    for swaps in itertools.product([0, 1], repeat=len(first)):
        one = [b if swap else a for a, b, swap in zip(first, second, swaps)]
        other = [a if swap else b for a, b, swap in zip(first, second, swaps)]
        extreme += abs(f1(other) - f1(one)) >= observed - 1e-12
    return extreme / 2 ** len(first)


@pytest.mark.parametrize("systems", [(FIRST, SECOND), (SECOND, FIRST), (FIRST[:4], SECOND[3:])])
def test_p_is_that_of_all_swaps(systems):
    first, second = systems
    found = compare(counts(first), counts(second), samples=40_000)
    assert found.p_value == pytest.approx(enumerated_p(first, second), abs=0.01)
    assert (found.first, found.second) == pytest.approx((f1(first), f1(second)))
    assert found.difference == pytest.approx(f1(second) - f1(first))


def test_equal_systems_differ_by_chance_only():
    found = compare(counts(FIRST), counts(FIRST), samples=100)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_p_is_never_zero():
    # One of 2^60 swaps is as extreme as what was seen.
    found = compare(counts([(0, 1, 1)] * 60), counts([(1, 1, 1)] * 60), samples=99)
    assert found.p_value == 1 / 100


def test_the_interval_is_that_of_all_samples_with_replacement():
    first, second = FIRST[:5], SECOND[:5]
    differences = [
        f1([second[i] for i in draw]) - f1([first[i] for i in draw])
        for draw in itertools.product(range(5), repeat=5)
    ]
    expected = numpy.quantile(differences, [0.025, 0.975])
    found = compare(counts(first), counts(second), samples=40_000)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.02)


def test_the_seed_decides(monkeypatch):
    one, other, again = (
        compare(counts(FIRST), counts(SECOND), samples=500, seed=seed) for seed in (1, 2, 1)
    )
    assert one == again != other
    # In however many pieces it is done.
    monkeypatch.setattr(significance, "MAX_NUMBERS_AT_ONCE", 100)
    pieces = compare(counts(FIRST), counts(SECOND), samples=5000, seed=1)
    assert pieces.p_value == pytest.approx(enumerated_p(FIRST, SECOND), abs=0.03)


@pytest.mark.parametrize("second", [SECOND[:3], []])
def test_different_sentences_are_an_error(second):
    with pytest.raises(ValueError, match=f"7 and {len(second)} sentences"):
        compare(counts(FIRST), counts(second).reshape(-1, 3))
    with pytest.raises(ValueError, match="0 and 0"):
        compare(counts([]).reshape(0, 3), counts([]).reshape(0, 3))


def some_sentences(seed, count=12):
    numbers = random.Random(seed)
    made = []
    for _ in range(count):
        spans = {(numbers.choice("AB"), start, start + 1) for start in numbers.sample(range(5), 3)}
        entities = [Entity(*span) for span in sorted(spans)]
        relations = [Relation(numbers.choice("rs"), 0, 1), Relation("r", 1, 2)]
        made.append(Sentence(list("abcde"), entities, relations))
    return made


def test_counts_add_up_to_the_score():
    gold, predicted = some_sentences(1), some_sentences(2)
    found, expected = sentence_counts(gold, predicted), score(gold, predicted)
    for task in ("entity", "relation"):
        assert expected[f"{task}_f1"] > 0
        assert f1(found[task].tolist()) == pytest.approx(expected[f"{task}_f1"])


def test_the_runs_of_a_sentence_stay_together():
    gold = some_sentences(1)
    first = [(gold, some_sentences(seed)) for seed in (2, 3)]
    second = [(gold, some_sentences(seed)) for seed in (4, 5)]
    found = compare_runs(first, second, samples=30_000)["entity"]
    added = [sum(sentence_counts(*run)["entity"] for run in system) for system in (first, second)]
    expected = enumerated_p(*([tuple(row) for row in rows.tolist()] for rows in added))
    assert found["p_value"] == pytest.approx(expected, abs=0.015)


def test_systems_on_other_sentences_cannot_be_compared():
    one, two = Sentence(["a"], id="1"), Sentence(["b"], id="2")
    runs = [([one, two], [one, two])], [([two, one], [two, one])]
    with pytest.raises(ValueError, match="sentence 1 is '1' in one run and '2' in another"):
        compare_runs(*runs)
