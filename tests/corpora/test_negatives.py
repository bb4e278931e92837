import pytest

from joint_ner_re.corpora import ade_neg, ade_rel
from joint_ner_re.corpora.negatives import abstracts_of, divide

# Abstracts a to d have sentences with relations, p to w have none; two sentences of each.
WITH = ["a", "b", "c", "d"]
WITHOUT = ["p", "q", "r", "s", "t", "u", "v", "w"]
NEGATIVES = {f"{name}{number}": name for name in [*WITH, *WITHOUT] for number in (1, 2)}


def test_sentences_follow_their_abstracts():
    parts = divide(NEGATIVES, {"test": {"a", "b"}, "dev": {"b", "c"}}, WITH)
    assert sorted(sum(parts.values(), [])) == sorted(NEGATIVES)
    abstracts = {part: {NEGATIVES[name] for name in names} for part, names in parts.items()}
    assert {part: names & set(WITH) for part, names in abstracts.items()} == {
        "test": {"a", "b"},
        "dev": {"c"},
        "train": {"d"},
    }
    # Half of the abstracts with relations are in the test part, a quarter in each of the others.
    drawn = {part: names & set(WITHOUT) for part, names in abstracts.items()}
    assert {part: len(names) for part, names in drawn.items()} == {"test": 4, "dev": 2, "train": 2}


def test_the_seed_and_not_the_order_decides():
    held_out = {"test": {"a"}, "dev": {"b"}}
    backwards = dict(reversed(NEGATIVES.items()))
    first, again, other = (
        divide(names, held_out, WITH, seed)
        for names, seed in ((NEGATIVES, 1), (backwards, 1), (NEGATIVES, 2))
    )
    assert {part: sorted(names) for part, names in again.items()} == {
        part: sorted(names) for part, names in first.items()
    }
    assert first != other


def test_without_abstracts_with_relations_all_is_trained_on():
    assert divide(NEGATIVES, {"test": set()}, set()) == {"test": [], "train": list(NEGATIVES)}


@pytest.mark.parametrize(
    "module, name, first, last",
    [
        (ade_rel, "ade.rel", ("0", "90000001"), ("10", "90000004")),
        (ade_neg, "ade_neg.txt", ("neg-0", "90000010"), ("neg-8", "90000014")),
    ],
)
def test_each_sentence_has_an_abstract(fixtures, module, name, first, last):
    path = fixtures / name
    found = abstracts_of(path)
    assert list(found) == [sentence.id for sentence in module.read(path)]
    pairs = list(found.items())
    assert (pairs[0], pairs[-1]) == (first, last)
