import pytest

from joint_ner_re.metrics.pairing import MatchingError, in_order_of_gold, match
from joint_ner_re.sentence import Entity, Sentence


def named(*names, mark=None):
    """Sentences whose one token is their id's first letter."""
    entities = [Entity(mark, 0, 1)] if mark else []
    return [Sentence([name[:1]], entities, id=name, source=f"file:{n}") for n, name in
            enumerate(names, start=1)]  # fmt: skip


def test_sentences_belong_together_by_id():
    pairs = list(match(named("a", "b", "c"), named("c", "a", "b", mark="X")))
    assert [(p.id, g.id) for p, g in pairs] == [("a", "a"), ("b", "b"), ("c", "c")]
    assert all(gold.entities and not predicted.entities for predicted, gold in pairs)


def test_of_an_id_that_repeats_the_first_belongs_to_the_first():
    predicted = [Sentence(["x"], id="a"), Sentence(["y"], id="a"), Sentence(["z"], id="b")]
    gold = [predicted[2], predicted[0], predicted[1]]
    assert [g.tokens for _, g in match(predicted, gold)] == [("x",), ("y",), ("z",)]


@pytest.mark.parametrize("ids", [("", ""), ("g1", "g2"), ("g1", "")])
def test_without_ids_sentences_belong_together_by_position(ids):
    predicted = [Sentence(["x"]), Sentence(["y"])]
    gold = [Sentence(["x"], id=ids[0]), Sentence(["y"], id=ids[1])]
    assert [g.id for _, g in match(predicted, gold)] == list(ids)


def test_no_sentences_at_all():
    assert list(match([], [])) == []


@pytest.mark.parametrize(
    "predicted, gold, message",
    [
        (named("a", "z"), named("a", "b"), r"predicted sentence 'z' \(file:2\) has no gold.*an id"),
        (named("a", ""), named("a"), r"predicted sentence \(file:2\) has no gold.*1 sentences"),
        (
            named("a"),
            named("a", "b", "c"),
            r"gold sentence 'b' \(file:2\) has no prediction \(2 of",
        ),
        ([], named("a"), "gold sentence 'a'"),
        (
            [Sentence(["x", "y"], id="a")],
            [Sentence(["x", "q"], id="a", source="g:3")],
            r"'a' has other tokens.*'a' \(g:3\): at position 1 found 'y', expected 'q'",
        ),
        ([Sentence(["x"])], [Sentence(["x", "q"])], "position 1 found its end, expected 'q'"),
        ([Sentence(["x", "y"])], [Sentence(["x"])], "found 'y', expected its end"),
    ],
)
def test_what_does_not_match_is_named(predicted, gold, message):
    with pytest.raises(MatchingError, match=message) as error:
        list(match(predicted, gold))
    assert "--use-dataset-reader" in str(error.value)


def test_pairs_may_come_in_the_order_of_gold():
    gold, predicted = named("c", "a", "b", mark="X"), named("a", "b", "c")
    pairs = in_order_of_gold(gold, predicted)
    assert [(g.id, p.id) for g, p in pairs] == [("c", "c"), ("a", "a"), ("b", "b")]
    assert all(g.entities and not p.entities for g, p in pairs)
    twice = [gold[0], gold[0]]
    guesses = [predicted[2], gold[0]]
    assert [p for _, p in in_order_of_gold(twice, guesses)] == guesses
