import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joint_ner_re.checking.statistics import Distribution, PartStatistics, distance
from joint_ner_re.sentence import Entity, Relation, Sentence


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_spread_is_that_of_numpy(values):
    spread = Distribution()
    for value in values:
        spread.add(value)
    found = spread.to_json()
    assert found["mean"] == pytest.approx(numpy.mean(values), abs=0.0051)
    assert found["max"] == max(values)
    # The least value with so many values at or below it.
    for name, percent in (("median", 50), ("percentile_95", 95)):
        expected = numpy.sort(values)[max(0, -(-len(values) * percent // 100) - 1)]
        assert found[name] == expected


def test_nothing_has_no_spread():
    assert Distribution().to_json() == {"mean": 0.0, "median": 0, "percentile_95": 0, "max": 0}


def test_counts_of_a_few_sentences():
    counts = PartStatistics()
    entities = [Entity("A", 0, 2), Entity("B", 1, 3), Entity("A", 4, 5)]
    relations = [Relation("R", 0, 2), Relation("S", 0, 2), Relation("R", 2, 0)]
    counts.add(Sentence("abcde", entities, relations))
    counts.add(Sentence("abc", [Entity("A", 0, 1)]))
    counts.add(Sentence(""))
    assert counts.to_json() == {
        "sentences": 3, "tokens": 8, "entities": 4, "relations": 3,
        "sentences_without_entities": 1, "sentences_without_relations": 2,
        "entities_that_overlap_another": 2, "relations_with_the_arguments_of_another": 2,
        "sentence_length": {"mean": 2.67, "median": 3, "percentile_95": 5, "max": 5},
        "entity_length": {"mean": 1.5, "median": 1, "percentile_95": 2, "max": 2},
        "relation_distance": {"mean": 2.0, "median": 2, "percentile_95": 2, "max": 2},
        "entity_types": {"A": 3, "B": 1}, "relation_types": {"R": 2, "S": 1},
        "changes": {},
    }  # fmt: skip


@pytest.mark.parametrize("tail, between", [((2, 3), 0), ((1, 4), 0), ((5, 6), 3), ((0, 1), 0)])
def test_distance_counts_the_tokens_between(tail, between):
    entities = [Entity("A", 0, 2), Entity("A", *tail)]
    for head, other in ((0, 1), (1, 0)):
        sentence = Sentence("abcdef", entities, [Relation("R", head, other)])
        assert distance(sentence, sentence.relations[0]) == between
