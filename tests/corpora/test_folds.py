from __future__ import annotations

import random
import subprocess
import sys

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.folds import k_folds, read_folds, split_dev


def test_the_fixture_covers_the_corpus_once(corpora):
    folds = read_folds(corpora / "ade_folds.json")
    assert folds == [["3", "0"], ["7", "1", "10"], ["5", "2"], ["6", "4"], ["9", "8"]]
    assert sorted(int(name) for fold in folds for name in fold) == list(range(11))


def test_strings_are_ids_too(put):
    assert read_folds(put('[["a", 1], ["b"]]')) == [["a", "1"], ["b"]]


@pytest.mark.parametrize(
    "content, reason",
    [
        ("{}", "expected a list of lists"),
        ("[]", "expected a list of lists"),
        ("[[1], []]", "fold 1 is []; expected a list of ids"),
        ("[[1], 2]", "fold 1 is 2; expected a list of ids"),
        ("[[1], [2, 1]]", "the id '1' of fold 1 is already in fold 0"),
        ('[[1, "1"]]', "the id '1' of fold 0 is already in fold 0"),
        ("[[1.5]]", "fold 0 holds 1.5; expected numbers or strings"),
        ("[[true]]", "fold 0 holds True"),
        ("[[null]]", "fold 0 holds None"),
        ("[[1, 2", "ends too early"),
        ("[[1]] x", "found 'x' after the list of folds"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_other_files_are_refused(put, content, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        read_folds(path)
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_k_folds_are_a_balanced_partition():
    ids = [str(i) for i in range(23)]
    folds = k_folds(ids, 5, seed=1)
    assert sorted(len(fold) for fold in folds) == [4, 4, 5, 5, 5]
    assert sorted(name for fold in folds for name in fold) == sorted(ids)


def test_k_folds_depend_on_the_ids_and_the_seed_only():
    ids = [f"s{i}" for i in range(40)]
    shuffled = list(ids)
    random.Random(3).shuffle(shuffled)
    assert shuffled != ids
    assert k_folds(shuffled, 4, 7) == k_folds(ids, 4, 7)
    assert k_folds(ids, 4, 8) != k_folds(ids, 4, 7)
    assert k_folds(ids, 4, 7) != [ids[start::4] for start in range(4)]


def test_k_folds_do_not_depend_on_the_hash_seed():
    # Set order depends on PYTHONHASHSEED; the folds of a set must not.
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from joint_ner_re.corpora.folds import k_folds\n"
        "print(k_folds({str(i) for i in range(30)}, 3, 5))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{k_folds([str(i) for i in range(30)], 3, 5)}\n".encode()}


@pytest.mark.parametrize("k", [0, 1, 4, -2, 2.0, True, "2"])
def test_impossible_numbers_of_folds(k):
    with pytest.raises(ValueError, match="folds of 3 ids; expected 2 to 3"):
        k_folds(["a", "b", "c"], k, 0)


def test_k_folds_refuse_an_id_given_twice():
    with pytest.raises(ValueError, match="the id 'a' is given more than once"):
        k_folds(["a", "b", "a"], 2, 0)


def test_the_development_part_is_the_first_of_the_training_part():
    train, dev = split_dev([str(i) for i in range(20)], 0.15)
    assert dev == ["0", "1", "2"]
    assert train == [str(i) for i in range(3, 20)]


@pytest.mark.parametrize(
    "count, fraction, size", [(10, 0.15, 1), (100, 0.29, 29), (3845, 0.15, 576), (2, 0.5, 1)]
)
def test_sizes_are_rounded_down_as_people_calculate(count, fraction, size):
    train, dev = split_dev(range(count), fraction)
    assert (len(train), len(dev)) == (count - size, size)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_impossible_fractions(fraction):
    with pytest.raises(ValueError, match="expected more than 0 and less than 1"):
        split_dev([1, 2, 3], fraction)


@pytest.mark.parametrize("items", [[], [1], [1, 2, 3]])
def test_both_parts_must_have_members(items):
    with pytest.raises(ValueError, match="expected both parts non-empty"):
        split_dev(items, 0.3)


def test_what_stands_after_the_folds_is_shown_with_its_line(put):
    with pytest.raises(CorpusFormatError, match="found 'x' after the list of folds") as caught:
        read_folds(put("[[1],\n[2]]\n\n x"))
    assert caught.value.line == 4
