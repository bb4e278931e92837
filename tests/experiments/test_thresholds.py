"""Thresholds against trying them all."""

import itertools
import json
import random
import tarfile

import numpy
import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

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


def f1(candidates, chosen):
    correct, predicted, gold = candidates.counts(chosen)
    return 2 * correct / (predicted + gold)


@pytest.mark.parametrize("seed", range(8))
def test_no_single_threshold_is_better(seed):
    candidates = some(seed)
    best = max(f1(candidates, limit) for limit in [*candidates.scores, 0.0, 1.1])
    assert f1(candidates, choose_single(candidates)) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(8))
def test_no_threshold_of_one_type_makes_it_better(seed):
    candidates = some(seed)
    single = choose_single(candidates)
    chosen = choose_per_type(candidates, single)
    best = f1(candidates, chosen)
    assert best >= f1(candidates, single)
    for name, limit in itertools.product(candidates.names, [*candidates.scores, 0.0, 1.1]):
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


def test_a_type_without_a_right_candidate_keeps_the_single_threshold():
    candidates = some(1)
    candidates.correct[candidates.types == 2] = False
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
    assert found["single"] == pytest.approx(2 * totals[0] / (totals[1] + totals[2]))


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
    chosen = tune_threshold(str(learned), str(data), str(target), tmp_path / "out", "never")
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


def test_one_for_each_type_is_kept_when_it_is_better_on_held_out_sentences(
    learned, fixtures, in_root, monkeypatch, is_png, tmp_path, capsys
):
    from joint_ner_re.experiments.progress import progress_on_stdout

    monkeypatch.setattr(thresholds, "cross_validated", lambda *_: {"single": 0.5, "per_type": 0.6})
    data, target = fixtures / "conll04_spert.json", tmp_path / "tuned.tar.gz"
    with progress_on_stdout():
        chosen = tune_threshold(str(learned), str(data), str(target), tmp_path)
    types = {r.type for s in read_corpus(data) for r in s.relations}
    assert set(chosen) == types
    figures = json.loads((tmp_path / "threshold.json").read_text())["figures"]
    assert relation_f1(target, data) == pytest.approx(figures["per_type"]["f1"])
    assert (
        "one for all types 50.0, one for each type 60.0; chosen: one for each"
        in capsys.readouterr().out
    )
    assert is_png(tmp_path / "threshold.png")
    # The other way round: from several to one, and in place.
    monkeypatch.setattr(thresholds, "cross_validated", lambda *_: {"single": 0.6, "per_type": 0.6})
    assert isinstance(tune_threshold(str(target), str(data), str(target), tmp_path), float)
    assert "one for each type | " in (tmp_path / "threshold.md").read_text()


def test_without_an_output_nothing_is_written(learned, fixtures, in_root):
    before = learned.read_bytes()
    tune_threshold(str(learned), str(fixtures / "conll04_spert.json"), per_type="never")
    assert learned.read_bytes() == before


def test_data_without_relations_are_an_error(learned, tmp_path, in_root):
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["Kesh"]}\n')
    with pytest.raises(ConfigurationError, match="has no relations; expected some, to choose"):
        tune_threshold(str(learned), str(path))
