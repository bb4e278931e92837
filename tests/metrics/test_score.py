import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re.metrics import Scorer, score
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = tuple("abcdefgh")
ENTITY_TYPES, RELATION_TYPES = ["Loc", "Org", "Peop"], ["Kill", "Live_In"]
AVERAGES = [
    f"{task}_{average}{figure}"
    for task in ("entity", "relation")
    for average in ("", "macro_")
    for figure in ("precision", "recall", "f1")
]
each_criterion = pytest.mark.parametrize("criterion", ["strict", "boundaries"])
quick = settings(deadline=None, max_examples=80)


def sentence(entities=(), relations=(), tokens=TOKENS):
    return Sentence(tokens, [Entity(*e) for e in entities], [Relation(*r) for r in relations])


def figures(gold, predicted, criterion="strict"):
    return score([gold], [predicted], criterion)


@st.composite
def pairs(draw):
    """Gold and predicted sentences over the same few tokens, so that they often agree."""

    def annotated():
        entities = draw(
            st.lists(
                st.builds(
                    lambda name, start, width: (name, start, min(start + width, 4)),
                    st.sampled_from(ENTITY_TYPES), st.integers(0, 3), st.integers(1, 2),
                ),
                max_size=5,
            )
        )  # fmt: skip
        relations = []
        if len(entities) > 1:
            for _ in range(draw(st.integers(0, 4))):
                head, tail = draw(st.permutations(range(len(entities))))[:2]
                relations.append((draw(st.sampled_from(RELATION_TYPES)), head, tail))
        return sentence(entities, relations, tokens="abcd")

    count = draw(st.integers(1, 3))
    return [annotated() for _ in range(count)], [annotated() for _ in range(count)]


# Items by definition, for oracles: (type for the average, what must be equal)


def entity_items(s, criterion):
    strict = criterion == "strict"
    return [(e.type if strict else "*", e.start, e.end) for e in s.entities]


def relation_items(s, criterion):
    items = []
    for r in s.relations:
        head, tail = s.entities[r.head], s.entities[r.tail]
        item = [r.type, head.start, head.end, tail.start, tail.end]
        items.append(tuple(item + [head.type, tail.type] if criterion == "strict" else item))
    return items


ITEMS = {"entity": entity_items, "relation": relation_items}


def recount(gold, predicted, task, criterion):
    """Correct, predicted and gold numbers by walking two sorted lists."""
    correct = total_predicted = total_gold = 0
    for right, guess in zip(gold, predicted):
        expected, found = ITEMS[task](right, criterion), ITEMS[task](guess, criterion)
        expected = sorted(item for i, item in enumerate(expected) if item not in expected[:i])
        found = sorted(item for i, item in enumerate(found) if item not in found[:i])
        total_gold += len(expected)
        total_predicted += len(found)
        i = j = 0
        while i < len(expected) and j < len(found):
            if expected[i] == found[j]:
                correct += 1
            here, there = expected[i], found[j]
            i += here <= there
            j += there <= here
    return correct, total_predicted, total_gold


# By hand

GOLD = sentence(
    [("Peop", 0, 2), ("Org", 3, 5), ("Loc", 6, 7)], [("Work_For", 0, 1), ("Live_In", 0, 2)]
)
# One right entity, one of the wrong type, one right, one spurious of a type that gold has not.
# One relation whose argument has the wrong type, one in the wrong direction.
PREDICTED = sentence(
    [("Peop", 0, 2), ("Loc", 3, 5), ("Loc", 6, 7), ("Other", 7, 8)],
    [("Work_For", 0, 1), ("Live_In", 2, 0)],
)


def test_strict_by_hand():
    result = figures(GOLD, PREDICTED)
    per_type = result.pop("per_type")
    assert result == pytest.approx(
        {
            # 2 right of 4 predicted, of 3 gold
            "entity_precision": 2 / 4,
            "entity_recall": 2 / 3,
            "entity_f1": 4 / 7,
            # over Loc (1/2, 1), Org (0, 0), Other (0, 0), Peop (1, 1)
            "entity_macro_precision": (1 / 2 + 0 + 0 + 1) / 4,
            "entity_macro_recall": (1 + 0 + 0 + 1) / 4,
            "entity_macro_f1": (2 / 3 + 0 + 0 + 1) / 4,
            "relation_precision": 0,
            "relation_recall": 0,
            "relation_f1": 0,
            "relation_macro_precision": 0,
            "relation_macro_recall": 0,
            "relation_macro_f1": 0,
            "mean_f1": 2 / 7,
        }
    )
    nothing = {"precision": 0, "recall": 0, "f1": 0}
    assert per_type == {
        "entity": {
            "Loc": {"precision": 0.5, "recall": 1, "f1": pytest.approx(2 / 3), "support": 1},
            "Org": {**nothing, "support": 1},
            "Other": {**nothing, "support": 0},
            "Peop": {"precision": 1, "recall": 1, "f1": 1, "support": 1},
        },
        "relation": {
            "Live_In": {**nothing, "support": 1},
            "Work_For": {**nothing, "support": 1},
        },
    }


def test_boundaries_by_hand():
    result = figures(GOLD, PREDICTED, "boundaries")
    per_type = result.pop("per_type")
    assert result == pytest.approx(
        {
            # 3 spans right of 4 predicted, of 3 gold; there is one type, "*"
            "entity_precision": 3 / 4,
            "entity_recall": 1,
            "entity_f1": 6 / 7,
            "entity_macro_precision": 3 / 4,
            "entity_macro_recall": 1,
            "entity_macro_f1": 6 / 7,
            # Work_For right, Live_In in the wrong direction
            "relation_precision": 1 / 2,
            "relation_recall": 1 / 2,
            "relation_f1": 1 / 2,
            "relation_macro_precision": 1 / 2,
            "relation_macro_recall": 1 / 2,
            "relation_macro_f1": 1 / 2,
            "mean_f1": (6 / 7 + 1 / 2) / 2,
        }
    )
    assert list(per_type["entity"]) == ["*"]
    assert per_type["entity"]["*"]["support"] == 3
    assert per_type["relation"]["Work_For"] == {"precision": 1, "recall": 1, "f1": 1, "support": 1}


def test_micro_counts_items_and_macro_counts_types():
    """3 of 4 Loc and 0 of 1 Org are found: micro F1 6/8, macro F1 (6/7 + 0) / 2."""
    gold = sentence([("Loc", i, i + 1) for i in range(4)] + [("Org", 5, 6)])
    result = figures(gold, sentence([("Loc", i, i + 1) for i in range(3)]))
    assert result["entity_f1"] == pytest.approx(2 * 1 * (3 / 5) / (1 + 3 / 5))
    assert result["entity_macro_f1"] == pytest.approx((6 / 7 + 0) / 2)
    assert result["entity_macro_recall"] == pytest.approx((3 / 4 + 0) / 2)


def test_the_macro_f1_is_the_mean_of_f1s_not_the_f1_of_means():
    """Loc: P 1, R 1/2; Org: P 1/2, R 1: both F1 are 2/3, the F1 of the means is 3/4."""
    gold = sentence([("Loc", 0, 1), ("Loc", 1, 2), ("Org", 3, 4)])
    predicted = sentence([("Loc", 0, 1), ("Org", 3, 4), ("Org", 5, 6)])
    result = figures(gold, predicted)
    assert result["entity_macro_precision"] == result["entity_macro_recall"] == 0.75
    assert result["entity_macro_f1"] == pytest.approx(2 / 3)


def test_a_span_must_fit_exactly():
    result = figures(sentence([("Loc", 1, 3)]), sentence([("Loc", 1, 4)]), "boundaries")
    assert result["entity_f1"] == 0


def test_the_direction_of_a_relation_counts():
    entities = [("Peop", 0, 1), ("Peop", 2, 3)]
    gold, reverse = sentence(entities, [("Kill", 0, 1)]), sentence(entities, [("Kill", 1, 0)])
    assert figures(gold, gold)["relation_f1"] == 1
    assert figures(gold, reverse)["relation_f1"] == 0
    assert figures(gold, reverse, "boundaries")["relation_f1"] == 0


def test_the_type_of_a_relation_counts_under_both_criteria():
    entities = [("Peop", 0, 1), ("Peop", 2, 3)]
    gold, other = sentence(entities, [("Kill", 0, 1)]), sentence(entities, [("Live_In", 0, 1)])
    assert figures(gold, other)["relation_f1"] == 0
    assert figures(gold, other, "boundaries")["relation_f1"] == 0


@pytest.mark.parametrize("types", [("Org", "Loc"), ("Peop", "Org"), ("Loc", "Peop")])
def test_the_types_of_the_arguments_count_only_when_strict(types):
    gold = sentence([("Peop", 0, 1), ("Loc", 2, 3)], [("Live_In", 0, 1)])
    predicted = sentence([(types[0], 0, 1), (types[1], 2, 3)], [("Live_In", 0, 1)])
    assert figures(gold, predicted)["relation_f1"] == 0
    assert figures(gold, predicted, "boundaries")["relation_f1"] == 1


def test_a_pair_may_have_several_relations():
    entities = [("Peop", 0, 1), ("Loc", 2, 3)]
    gold = sentence(entities, [("Live_In", 0, 1), ("Work_For", 0, 1)])
    result = figures(gold, sentence(entities, [("Live_In", 0, 1)]))
    assert (result["relation_precision"], result["relation_recall"]) == (1, 0.5)


@each_criterion
def test_duplicates_count_once(criterion):
    once = sentence([("Peop", 0, 1), ("Loc", 2, 3)], [("Live_In", 0, 1)])
    twice = sentence(
        [("Peop", 0, 1), ("Loc", 2, 3), ("Peop", 0, 1)],
        [("Live_In", 0, 1), ("Live_In", 0, 1), ("Live_In", 2, 1)],
    )
    for gold, predicted in ((once, twice), (twice, once), (twice, twice)):
        result = figures(gold, predicted, criterion)
        assert all(result[name] == 1 for name in AVERAGES)
        assert sum(t["support"] for t in result["per_type"]["entity"].values()) == 2
        assert result["per_type"]["relation"]["Live_In"]["support"] == 1


def test_without_types_two_entities_on_one_span_are_one():
    gold = sentence([("Peop", 0, 1), ("Org", 0, 1)])
    assert figures(gold, sentence([("Loc", 0, 1)]), "boundaries")["entity_f1"] == 1
    assert figures(gold, sentence([("Org", 0, 1)]))["entity_recall"] == 0.5


def test_equal_spans_in_different_sentences_are_different():
    here, nothing = sentence([("Loc", 0, 1)]), sentence()
    assert score([here, nothing], [nothing, here])["entity_f1"] == 0


def test_a_predicted_type_that_gold_lacks_is_wrong_in_micro_and_a_type_in_macro():
    gold = sentence([("Loc", 0, 1)])
    result = figures(gold, sentence([("Loc", 0, 1), ("Drug", 2, 3)]))
    assert result["entity_precision"] == 0.5
    assert result["entity_macro_f1"] == 0.5
    assert result["per_type"]["entity"]["Drug"]["f1"] == 0


@each_criterion
def test_nothing_over_nothing_is_zero(criterion):
    for gold, predicted in (((), ()), ([sentence()], [sentence()]), ([sentence(tokens=())],) * 2):
        result = score(gold, predicted, criterion)
        assert result.pop("per_type") == {"entity": {}, "relation": {}}
        assert len(result) == 13 and set(result.values()) == {0.0}


@each_criterion
@pytest.mark.parametrize("predicts", [True, False])
def test_only_gold_or_only_predictions_is_zero(criterion, predicts):
    pair = (sentence(), GOLD) if predicts else (GOLD, sentence())
    result = figures(*pair, criterion)
    assert {result[name] for name in AVERAGES} == {0.0}
    assert result["per_type"]["relation"]["Live_In"]["support"] == (0 if predicts else 1)


def test_scores_of_predictions_do_not_matter():
    gold = Sentence("ab", [Entity("A", 0, 1), Entity("B", 1, 2)], [Relation("r", 0, 1)])
    guess = Sentence(
        "ab", [Entity("A", 0, 1, 0.9), Entity("B", 1, 2, 0.1)], [Relation("r", 0, 1, 0.5)]
    )
    assert figures(gold, guess)["mean_f1"] == 1


# What is refused


@pytest.mark.parametrize(
    "golds, guesses, message",
    [
        (2, 3, "the predicted sentence .* has no gold sentence; expected at most the 2 sentences"),
        (1, 0, "the gold sentence .* has no prediction .1 of 1 have none.; expected one for each"),
    ],
)
def test_unequal_numbers_of_sentences(golds, guesses, message):
    with pytest.raises(ValueError, match=message):
        score([GOLD] * golds, (GOLD for _ in range(guesses)))


@pytest.mark.parametrize(
    "tokens, found, expected", [("ab", "its end", "'c'"), ("axc", "'x'", "'b'")]
)
def test_other_tokens_are_named(tokens, found, expected):
    gold, guess = Sentence("abc", id="s7", source="g:1"), Sentence(tokens, id="s7", source="p:1")
    place = 2 if len(tokens) == 2 else 1
    message = rf"'s7' \(p:1\) has other tokens .* 's7' \(g:1\): at position {place} found {found}, "
    with pytest.raises(ValueError, match=message + f"expected {expected}"):
        score([gold], [guess])
    with pytest.raises(ValueError, match=message + f"expected {expected}"):
        Scorer().add(gold, guess)


def test_sentences_belong_together_by_their_ids():
    # Each has one entity that is right, and one of them one that is missed.
    first = Sentence("ab", [Entity("Loc", 0, 1), Entity("Org", 1, 2)], id="1")
    second = Sentence("cd", [Entity("Loc", 1, 2)], id="2")
    guesses = [second, Sentence("ab", [Entity("Loc", 0, 1)], id="1")]
    scores = score([first, second], guesses)
    assert (scores["entity_precision"], scores["entity_recall"]) == (1.0, 2 / 3)
    # Without ids, the order tells, and swapped sentences have other tokens.
    nameless = [Sentence(s.tokens, s.entities) for s in guesses]
    with pytest.raises(ValueError, match="at position 0 found 'c', expected 'a'"):
        score([first, second], nameless)
    # Sentences with nothing in common are no 0.67.
    with pytest.raises(ValueError, match="at position 0 found 'x', expected 'a'"):
        score([Sentence("ab", [Entity("Loc", 0, 1)])], [Sentence("xy", [Entity("Loc", 0, 1)])])


def test_an_unknown_criterion():
    with pytest.raises(ValueError, match="unknown criterion 'relaxed'; expected strict or bound"):
        Scorer("relaxed")
    with pytest.raises(ValueError, match="unknown criterion 'Strict'"):
        score([], [], "Strict")


def test_streams_are_accepted():
    streams = (iter([GOLD, GOLD]), (s for s in [PREDICTED, PREDICTED]))
    assert score(*streams) == score([GOLD] * 2, [PREDICTED] * 2)


def test_a_scorer_reports_at_any_time():
    scorer = Scorer("boundaries")
    scorer.add(GOLD, PREDICTED)
    assert scorer.report() == figures(GOLD, PREDICTED, "boundaries")
    scorer.add(PREDICTED, GOLD)
    assert scorer.report() == score([GOLD, PREDICTED], [PREDICTED, GOLD], "boundaries")


# Against oracles


@each_criterion
@quick
@given(pair=pairs())
def test_micro_is_a_recount_over_sorted_lists(criterion, pair):
    result = score(*pair, criterion)
    for task in ("entity", "relation"):
        correct, predicted, gold = recount(*pair, task, criterion)
        assert result[f"{task}_precision"] == pytest.approx(correct / max(predicted, 1))
        assert result[f"{task}_recall"] == pytest.approx(correct / max(gold, 1))
        assert result[f"{task}_f1"] == pytest.approx(2 * correct / max(predicted + gold, 1))


@each_criterion
@settings(deadline=None, max_examples=25)
@given(pair=pairs())
def test_averages_and_types_are_those_of_scikit_learn(criterion, pair):
    """A row for everything that can have types, a column for each type."""
    metrics = pytest.importorskip("sklearn.metrics")
    result = score(*pair, criterion)
    for task in ("entity", "relation"):
        labelled = [
            {(number, item[1:], item[0]) for number, s in enumerate(side)
             for item in ITEMS[task](s, criterion)}
            for side in pair
        ]  # fmt: skip
        rows = sorted({item[:2] for side in labelled for item in side})
        columns = sorted({item[2] for side in labelled for item in side})
        assert sorted(result["per_type"][task]) == columns
        if not rows:
            continue
        gold, predicted = (
            [[int((*row, column) in side) for column in columns] for row in rows]
            for side in labelled
        )
        if len(columns) == 1:
            # scikit-learn takes one column for binary classes, whose 0 would count as a class
            gold, predicted = ([[*row, 0] for row in side] for side in (gold, predicted))
        labels = list(range(len(columns)))
        for average, name in (("micro", ""), ("macro", "macro_"), (None, None)):
            values = metrics.precision_recall_fscore_support(
                gold, predicted, labels=labels, average=average, zero_division=0
            )
            if average:
                got = [result[f"{task}_{name}{f}"] for f in ("precision", "recall", "f1")]
                assert got == pytest.approx(list(values[:3]))
            else:
                for column, *expected in zip(columns, *values):
                    found = result["per_type"][task][column]
                    got = [found[f] for f in ("precision", "recall", "f1", "support")]
                    assert got == pytest.approx(expected)


@each_criterion
@quick
@given(pair=pairs())
def test_gold_against_itself_is_perfect_where_there_is_gold(criterion, pair):
    gold = pair[0]
    result = score(gold, gold, criterion)
    for task in ("entity", "relation"):
        perfect = float(any(ITEMS[task](s, criterion) for s in gold))
        assert {result[name] for name in AVERAGES if name.startswith(task)} == {perfect}


@each_criterion
@quick
@given(pair=pairs())
def test_swapping_gold_and_predictions_swaps_precision_and_recall(criterion, pair):
    gold, predicted = pair
    result, swapped = score(gold, predicted, criterion), score(predicted, gold, criterion)
    for name in AVERAGES:
        other = name.replace("precision", "*").replace("recall", "precision").replace("*", "recall")
        assert swapped[other] == pytest.approx(result[name])


@each_criterion
@quick
@given(pair=pairs(), data=st.data())
def test_the_order_of_entities_and_sentences_does_not_matter(criterion, pair, data):
    gold, predicted = pair

    def shuffled(s):
        order = data.draw(st.permutations(range(len(s.entities))))
        places = {old: new for new, old in enumerate(order)}
        relations = [Relation(r.type, places[r.head], places[r.tail]) for r in s.relations]
        return Sentence(s.tokens, [s.entities[i] for i in order], relations[::-1])

    again = score(map(shuffled, gold[::-1]), map(shuffled, predicted[::-1]), criterion)
    assert again == score(gold, predicted, criterion)
