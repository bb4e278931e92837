from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re.metrics import score
from joint_ner_re.review.alignment import KINDS, align
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = ["a", "b", "c", "d", "e", "f"]


def sentence(entities, relations=()):
    return Sentence(TOKENS, [Entity(*e) for e in entities], [Relation(*r) for r in relations])


def entity_kinds(predicted, gold):
    """`(kind, predicted key, gold key)` of every pair."""
    return [
        (pair.kind, pair.predicted and pair.predicted.key, pair.gold and pair.gold.key)
        for pair in align(sentence(predicted), sentence(gold)).entities
    ]


def relation_kinds(predicted, gold):
    return [
        (pair.kind, *pair.item[2:], pair.head, pair.tail)
        for pair in align(sentence(*predicted), sentence(*gold)).relations
    ]


@pytest.mark.parametrize(
    "predicted, gold, expected",
    [
        ([("X", 0, 2)], [("X", 0, 2)], [("correct", ("X", 0, 2), ("X", 0, 2))]),
        ([("X", 0, 2)], [("Y", 0, 2)], [("mistyped", ("X", 0, 2), ("Y", 0, 2))]),
        ([("X", 0, 2)], [("X", 1, 3)], [("boundaries", ("X", 0, 2), ("X", 1, 3))]),
        ([("X", 0, 2)], [("Y", 1, 3)], [("boundaries", ("X", 0, 2), ("Y", 1, 3))]),
        (
            [("X", 0, 2)],
            [("X", 2, 3)],
            [("spurious", ("X", 0, 2), None), ("missed", None, ("X", 2, 3))],
        ),
        ([], [], []),
    ],
)
def test_what_may_become_of_an_entity(predicted, gold, expected):
    assert entity_kinds(predicted, gold) == expected


def test_what_is_equal_is_paired_before_what_is_similar():
    found = entity_kinds([("X", 0, 2), ("Y", 0, 2)], [("Z", 0, 2), ("X", 0, 2)])
    assert found == [
        ("correct", ("X", 0, 2), ("X", 0, 2)),
        ("mistyped", ("Y", 0, 2), ("Z", 0, 2)),
    ]


def test_of_overlapping_ones_the_same_type_goes_first_then_the_most_tokens():
    assert entity_kinds([("X", 0, 4)], [("Y", 0, 3), ("X", 3, 5)]) == [
        ("missed", None, ("Y", 0, 3)),
        ("boundaries", ("X", 0, 4), ("X", 3, 5)),
    ]
    found = entity_kinds([("X", 1, 5)], [("X", 0, 2), ("X", 2, 5)])
    assert ("boundaries", ("X", 1, 5), ("X", 2, 5)) in found
    assert ("missed", None, ("X", 0, 2)) in found


def test_each_is_in_one_pair_only():
    found = entity_kinds([("X", 0, 1), ("X", 2, 3)], [("X", 0, 3)])
    assert found == [
        ("boundaries", ("X", 0, 1), ("X", 0, 3)),
        ("spurious", ("X", 2, 3), None),
    ]


def test_of_duplicates_the_first_counts():
    predicted = Sentence(TOKENS, [Entity("X", 0, 1, 0.75), Entity("X", 0, 1, 0.5)])
    (pair,) = align(predicted, sentence([("X", 0, 1)])).entities
    assert (pair.kind, pair.predicted.score) == ("correct", 0.75)


A, B, C = ("X", 0, 1), ("Y", 2, 3), ("X", 4, 5)


@pytest.mark.parametrize(
    "predicted, gold, expected",
    [
        (([A, B], [("R", 0, 1)]), ([A, B], [("R", 0, 1)]), [("correct", "R", "R", 0, 1)]),
        # The order in which the entities are listed plays no part.
        (([A, B], [("R", 0, 1)]), ([B, A], [("R", 1, 0)]), [("correct", "R", "R", 0, 1)]),
        (([A, B], [("R", 0, 1)]), ([A, B], [("S", 0, 1)]), [("mistyped", "R", "S", 0, 1)]),
        (([A, B], [("R", 0, 1)]), ([A, B], [("R", 1, 0)]), [("reversed", "R", "R", 0, 1)]),
        # One argument has the right span, but another type.
        (
            ([("Z", 0, 1), B], [("R", 0, 1)]),
            ([A, B], [("R", 0, 1)]),
            [("argument", "R", "R", 0, 1)],
        ),
        # Type and direction: nothing of it is right.
        (
            ([A, B], [("R", 0, 1)]),
            ([A, B], [("S", 1, 0)]),
            [("spurious", "R", "", 0, 1), ("missed", "", "S", 1, 0)],
        ),
        # An argument with wrong boundaries is not right by boundaries, either.
        (
            ([("X", 0, 2), B], [("R", 0, 1)]),
            ([A, B], [("R", 0, 1)]),
            [("missed", "", "R", 0, 1), ("spurious", "R", "", 0, 1)],
        ),
        (([A, B], [("R", 0, 1)]), ([A, B], []), [("spurious", "R", "", 0, 1)]),
        (([], []), ([A, B], [("R", 1, 0)]), [("missed", "", "R", 1, 0)]),
    ],
)
def test_what_may_become_of_a_relation(predicted, gold, expected):
    assert sorted(relation_kinds(predicted, gold)) == sorted(expected)


def test_a_relation_is_paired_with_the_one_that_differs_least():
    # R from A to B: gold has S between the same, and R the other way round.
    found = relation_kinds(([A, B], [("R", 0, 1)]), ([A, B], [("R", 1, 0), ("S", 0, 1)]))
    assert found == [("mistyped", "R", "S", 0, 1), ("missed", "", "R", 1, 0)]


def test_ends_of_relations_are_places_in_the_order_of_the_text():
    alignment = align(sentence([C, A], [("R", 0, 1)]), sentence([A, B, C], [("S", 1, 0)]))
    assert [pair.annotation.key for pair in alignment.entities] == [A, B, C]
    assert [(pair.kind, pair.head, pair.tail) for pair in alignment.relations] == [
        ("missed", 1, 0),
        ("spurious", 2, 0),
    ]


def test_without_gold_nothing_is_judged():
    alignment = align(sentence([B, A, A], [("R", 0, 1)]))
    assert [item[:] for item in alignment.items()] == [
        ("entity", "unchecked", "X", ""),
        ("entity", "unchecked", "Y", ""),
        ("relation", "unchecked", "R", ""),
    ]


def test_labels_name_both_types_where_they_differ():
    pairs = align(sentence([A, ("Q", 2, 3)]), sentence([A, B, C])).entities
    assert [pair.item.label for pair in pairs] == ["✓ X", "≠ Q (gold: Y)", "? X"]


@st.composite
def sentences(draw):
    """Few tokens and few types, so that much collides."""
    spans = st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda s: (s[0], min(6, sum(s))))
    entities = draw(st.lists(st.tuples(st.sampled_from("XY"), spans), max_size=5))
    relations = []
    if len(entities) > 1:
        ends = st.lists(st.integers(0, len(entities) - 1), min_size=2, max_size=2, unique=True)
        relations = draw(st.lists(st.tuples(st.sampled_from("RS"), ends), max_size=5))
    return sentence(
        [(name, *span) for name, span in entities], [(name, *ends) for name, ends in relations]
    )


@given(st.lists(st.tuples(sentences(), sentences()), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_the_counts_are_those_of_the_scorer(pairs):
    counts = Counter()
    for predicted, gold in pairs:
        counts.update(align(predicted, gold).items())
    figures = score([gold for _, gold in pairs], [predicted for predicted, _ in pairs])
    for task in ("entity", "relation"):
        per_type = figures["per_type"][task]
        names = {name for i in counts if i.task == task for name in (i.predicted, i.gold) if name}
        assert names == set(per_type)
        for name, expected in per_type.items():
            of_task = [(item, count) for item, count in counts.items() if item.task == task]
            gold = sum(count for item, count in of_task if item.gold == name)
            predicted = sum(count for item, count in of_task if item.predicted == name)
            correct = sum(c for item, c in of_task if (item.kind, item.gold) == ("correct", name))
            assert gold == expected["support"]
            assert expected["precision"] == (correct / predicted if predicted else 0)
            assert expected["recall"] == (correct / gold if gold else 0)
        for item in counts:
            if item.task == task:
                assert task in KINDS[item.kind].tasks
                assert bool(item.predicted) == (item.kind != "missed")
                assert bool(item.gold) == (item.kind != "spurious")


@given(sentences(), sentences())
@settings(max_examples=100, deadline=None)
def test_wrong_arguments_are_what_the_boundaries_criterion_forgives(predicted, gold):
    alignment = align(predicted, gold)
    for pair in alignment.relations:
        if pair.kind in ("correct", "argument"):
            # Alone, each such pair is right by boundaries.
            one = [
                Sentence(TOKENS, side.entities, [relation])
                for side, relation in ((gold, pair.gold), (predicted, pair.predicted))
            ]
            assert score(one[:1], one[1:], "boundaries")["relation_f1"] == 1
            assert (score(one[:1], one[1:])["relation_f1"] == 1) == (pair.kind == "correct")
