"""Thresholds against trying them all."""

import itertools
import json
import random
import tarfile

import numpy
import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from joint_ner_re import archives
from joint_ner_re.corpora import read_corpus
from joint_ner_re.experiments import runs, thresholds
from joint_ner_re.experiments.thresholds import (
    Candidates,
    best_plateau,
    candidates_of,
    choose_per_type,
    choose_single,
    cross_validated,
    tune_threshold,
)
from joint_ner_re.metrics import score
from joint_ner_re.sentence import Entity, Relation, Sentence


def some(seed, count=40, types=3, sentences=10):
    numbers = random.Random(seed)
    scores = [numbers.choice([0.1, 0.2, 0.35, 0.5, 0.8, numbers.random()]) for _ in range(count)]
    own = [numbers.randrange(types) for _ in range(count)]
    correct = [numbers.random() < s ** (t + 1) for s, t in zip(scores, own)]
    return Candidates(
        numpy.array([numbers.randrange(sentences) for _ in range(count)]),
        numpy.array(own),
        numpy.array(scores),
        numpy.array(correct),
        numpy.array([3] * sentences),
        [f"t{number}" for number in range(types)],
    )


def inside(scores):
    low, high = thresholds.BOUNDS
    return [low, high, *(score for score in scores if low < score < high)]


def f1(candidates, chosen):
    correct, predicted, gold = candidates.counts(chosen)
    return 2 * correct / (predicted + gold)


@pytest.mark.parametrize("seed", range(8))
def test_no_single_threshold_is_better(seed):
    candidates = some(seed)
    best = max(f1(candidates, limit) for limit in inside(candidates.scores))
    assert f1(candidates, choose_single(candidates)) == pytest.approx(best)


@pytest.fixture
def no_support(monkeypatch):
    """These candidates are few."""
    monkeypatch.setattr(thresholds, "MIN_CORRECT", 1)


@pytest.mark.parametrize("seed", range(8))
def test_no_threshold_of_one_type_makes_it_better(seed, no_support):
    candidates = some(seed)
    single = choose_single(candidates)
    chosen = choose_per_type(candidates, single)
    best = f1(candidates, chosen)
    assert best >= f1(candidates, single)
    for name, limit in itertools.product(candidates.names, inside(candidates.scores)):
        assert f1(candidates, {**chosen, name: limit}) <= best + 1e-12


def test_the_threshold_is_the_middle_of_the_widest_best_plateau():
    scores = numpy.array([0.9, 0.8, 0.3, 0.1])
    correct = numpy.array([True, False, True, False])
    # By the number predicted, F1 is 0, 2/3, 1/2, 4/5, 2/3: the best is from 0.1 up to 0.3.
    plateau = best_plateau(scores, correct, 2)
    assert plateau == (0.1, 0.3, pytest.approx(0.8))
    assert plateau.middle == 0.2


def test_neighbouring_cuts_with_one_f1_are_one_plateau():
    # F1 with others: (0 + 1) / ... predicted 1 right of 1, then 2 right of 3: 2/3 and 2 * 2 / 6.
    plateau = best_plateau(numpy.array([0.8, 0.6, 0.6]), numpy.array([1, 1, 0]), 3)
    assert (plateau.low, plateau.high) == (0.0, 0.6)
    with_ties = best_plateau(numpy.array([0.5, 0.4]), numpy.array([0, 0]), 4)
    assert (with_ties.low, with_ties.high, with_ties.f1) == (0.0, 1.0, 0.0)


def test_a_narrow_plateau_gets_the_digits_it_needs():
    plateau = thresholds.Plateau(0.70001, 0.70003, 1.0)
    assert plateau.middle == 0.70002


def test_a_type_with_few_right_candidates_keeps_the_single_threshold():
    candidates = some(1)
    candidates.correct[candidates.types == 2] = False
    candidates.correct[numpy.flatnonzero(candidates.types == 2)[:9]] = True
    assert choose_per_type(candidates, 0.4321)["t2"] == 0.4321


def test_held_out_scores_are_of_choices_that_did_not_see_them(monkeypatch):
    candidates = some(3, count=200, sentences=20)
    seen = []
    single = thresholds.choose_single

    def spy(known):
        seen.append(set(known.sentences.tolist()))
        return single(known)

    monkeypatch.setattr(thresholds, "choose_single", spy)
    found = cross_validated(candidates, folds=4)
    everything = set(range(20))
    held_out = [everything - known for known in seen]
    assert [len(part) for part in held_out] == [5] * 4
    assert set.union(*held_out) == everything
    # Added up by hand.
    totals = numpy.zeros(3)
    for known, held in zip(seen, held_out):
        limit = single(candidates.of(numpy.isin(range(20), sorted(known))))
        totals += candidates.of(numpy.isin(range(20), sorted(held))).counts(limit)
    assert found["single"].sum(axis=0).tolist() == totals.tolist()
    assert found["single"].shape == (20, 3)


def test_a_threshold_lies_inside_the_bounds():
    # Everything is right: the best would be anything up to 0.0001.
    candidates = Candidates(
        numpy.arange(40), numpy.zeros(40, int), numpy.full(40, 1e-4), numpy.ones(40, bool),
        numpy.ones(40, int), ["t0"],
    )  # fmt: skip
    low, high = thresholds.BOUNDS
    assert low <= choose_single(candidates) <= high
    assert low <= choose_per_type(candidates, 0.5)["t0"] <= high
    # Nothing is right: the best is above all scores.
    wrong = Candidates(*vars(candidates).values())
    wrong.scores[:], wrong.correct[:] = 0.99, False
    assert low <= choose_single(wrong) <= high


def clear_case(sentences):
    """A right candidate of 0.4 in each sentence, and a wrong one of 0.2."""
    numbers = numpy.repeat(numpy.arange(sentences), 2)
    right = numpy.tile([True, False], sentences)
    return Candidates(
        numbers, numpy.zeros(2 * sentences, int), numpy.where(right, 0.4, 0.2), right,
        numpy.ones(sentences, int), ["t0"],
    )  # fmt: skip


def test_a_gain_that_can_be_shown_is_taken():
    result = thresholds._choose(clear_case(40), 0.5, "auto")
    # With 0.5 nothing is predicted; from 0.2 to 0.4 everything is right.
    assert result["held_out_f1"] == {"before": 0.0, "single": 1.0}
    assert result["chosen"] == result["single"] == 0.3
    assert result["why"] == (
        "chosen: one for all types, which gains 100.0 to 100.0 points on held-out sentences "
        "(95 %, bootstrap)"
    )


def test_few_relations_do_not_change_the_threshold():
    result = thresholds._choose(clear_case(29), 0.5, "auto")
    assert result["chosen"] == 0.5
    assert result["why"] == (
        "29 gold relations are too few to choose a threshold on; expected at least 30: the "
        "threshold stays as it was"
    )
    assert thresholds._choose(clear_case(29), 0.5, "auto", True)["chosen"] == 0.3


def test_where_no_gain_can_be_shown_the_threshold_stays():
    # Right and wrong candidates have the same scores: any choice fits noise.
    numbers = numpy.random.default_rng(0)
    noise = Candidates(
        numpy.arange(60), numpy.zeros(60, int), numbers.random(60), numbers.random(60) < 0.5,
        numpy.ones(60, int), ["t0"],
    )  # fmt: skip
    best = choose_single(noise)
    result = thresholds._choose(noise, best, "auto")
    assert result["chosen"] == best and result["gain"]["single"]["low"] <= 0
    assert result["why"].startswith("no gain can be shown (one for all types: ")
    assert result["why"].endswith(": the threshold stays as it was")


def test_candidates_are_counted_as_the_score_counts():
    gold = [
        Sentence(["a", "b", "c"], [Entity("A", 0, 1), Entity("B", 1, 2)], [Relation("r", 0, 1)]),
        Sentence(["a", "b"], [Entity("A", 0, 1), Entity("A", 1, 2)], [Relation("s", 1, 0)]),
    ]
    predicted = [
        Sentence(
            ["a", "b", "c"],
            [Entity("B", 1, 2), Entity("A", 0, 1)],
            [Relation("r", 1, 0, 0.9), Relation("s", 1, 0, 0.4), Relation("r", 0, 1, 0.6)],
        ),
        Sentence(["a", "b"], [Entity("A", 0, 1), Entity("B", 1, 2)], [Relation("s", 1, 0, 0.7)]),
    ]
    candidates = candidates_of(gold, predicted, ["r", "s"])
    assert candidates.correct.tolist() == [True, False, False, False]
    for limit in (0.0, 0.5, 0.65, 0.8, 0.95):
        kept = [
            Sentence(s.tokens, s.entities, [r for r in s.relations if r.score >= limit])
            for s in predicted
        ]
        expected = score(gold, kept)["relation_f1"]
        assert f1(candidates, limit) == pytest.approx(expected)
    assert candidates_of(gold[:1], [gold[0].without([0])], ["r"]).counts(0.0) == (0, 0, 1)


# The whole


def relation_f1(archive, data):
    with runs.quiet():
        loaded = load_archive(str(archive))
        gold, predicted = runs.predict(loaded.model, loaded.validation_dataset_reader, str(data))
    return score(gold, predicted)["relation_f1"]


def members(archive):
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def test_the_archive_predicts_with_the_threshold_that_was_chosen(
    learned, fixtures, in_root, is_png, tmp_path
):
    data, target = fixtures / "conll04_spert.json", tmp_path / "tuned.tar.gz"
    chosen = tune_threshold(str(learned), str(data), str(target), tmp_path / "out", "never", True)
    found = json.loads((tmp_path / "out" / "threshold.json").read_text())
    assert found["chosen"] == found["single"] == chosen
    assert relation_f1(target, data) == pytest.approx(found["figures"]["single"]["f1"])
    assert relation_f1(learned, data) == pytest.approx(found["figures"]["before"]["f1"])
    assert found["figures"]["single"]["f1"] >= found["figures"]["before"]["f1"]
    assert is_png(tmp_path / "out" / "threshold.png")
    before, after = members(learned), members(target)
    config = json.loads(after.pop("config.json"))
    old = json.loads(before.pop("config.json"))
    assert config["model"].pop("relation_threshold") == chosen
    assert old["model"].pop("relation_threshold") == 0.5
    assert (before, config) == (after, old)


def fixed(right):
    """Replaces `cross_validated`: of 100 sentences with a relation each, so many are right."""
    return lambda *_: {
        name: numpy.array([[1, 1, 1]] * count + [[0, 1, 1]] * (100 - count))
        for name, count in right.items()
    }


def test_one_for_each_type_is_kept_when_it_is_better_on_held_out_sentences(
    learned, fixtures, in_root, monkeypatch, is_png, tmp_path, capsys
):
    from joint_ner_re.experiments.progress import progress_on_stdout

    monkeypatch.setattr(thresholds, "cross_validated", fixed({"single": 50, "per_type": 60}))
    none_right = numpy.array([[0, 1, 1]] * 100)
    monkeypatch.setattr(Candidates, "counts_by_sentence", lambda *_: none_right)
    monkeypatch.setattr(thresholds, "MIN_RELATIONS", 1)
    data, target = fixtures / "conll04_spert.json", tmp_path / "tuned.tar.gz"
    with progress_on_stdout():
        chosen = tune_threshold(str(learned), str(data), str(target), tmp_path)
    types = {r.type for s in read_corpus(data) for r in s.relations}
    assert set(chosen) == types
    figures = json.loads((tmp_path / "threshold.json").read_text())["figures"]
    assert relation_f1(target, data) == pytest.approx(figures["per_type"]["f1"])
    out = capsys.readouterr().out
    assert "before 0.0, one for all types 50.0, one for each type 60.0\n" in out
    assert "chosen: one for each type, which gains " in out
    assert is_png(tmp_path / "threshold.png")
    # The other way round: from several to one, and in place.
    monkeypatch.setattr(thresholds, "cross_validated", fixed({"single": 60, "per_type": 60}))
    assert isinstance(tune_threshold(str(target), str(data), str(target), tmp_path), float)
    assert "one for each type | " in (tmp_path / "threshold.md").read_text()


def test_only_relations_that_the_model_may_predict_are_candidates(
    learned, fixtures, in_root, tmp_path
):
    data = str(fixtures / "conll04_spert.json")
    archive, target = str(tmp_path / "seen.tar.gz"), str(tmp_path / "tuned.tar.gz")
    with archives.extracted(str(learned)) as extracted:
        config = archives.read_config(extracted)
    config["model"]["relation_arguments"] = "seen"
    archives.write_with_config(str(learned), config, archive)
    # What natural-mix and tune-threshold choose from: each type connects one pair of types here.
    possible = {("Kill", "Peop", "Peop"), ("Live_In", "Peop", "Loc"), ("Located_In", "Loc", "Loc"),
                ("OrgBased_In", "Org", "Loc"), ("Work_For", "Peop", "Org")}  # fmt: skip
    _, (pairs,) = thresholds.predict_all_pairs(archive, data)
    for sentence in pairs.predicted:
        types = [entity.type for entity in sentence.entities]
        assert {(r.type, r.head, r.tail) for r in sentence.relations} == {
            (name, head, tail)
            for head, tail in itertools.permutations(range(len(types)), 2)
            for name, *ends in possible
            if ends == [types[head], types[tail]]
        }
    assert len(pairs.candidates.scores) > 18
    chosen = tune_threshold(archive, data, target, None, "never", True, "whole")
    with archives.extracted(target) as extracted:
        model = archives.read_config(extracted)["model"]
    assert (model["relation_arguments"], model["relation_threshold"]) == ("seen", chosen)
    assert model["relation_probability"] == "whole"


def test_without_an_output_nothing_is_written(learned, fixtures, in_root):
    before = learned.read_bytes()
    tune_threshold(str(learned), str(fixtures / "conll04_spert.json"), per_type="never")
    assert learned.read_bytes() == before


def test_data_without_relations_are_an_error(learned, tmp_path, in_root):
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["Kesh"]}\n')
    with pytest.raises(ConfigurationError, match="has no relations; expected some, to choose"):
        tune_threshold(str(learned), str(path))
