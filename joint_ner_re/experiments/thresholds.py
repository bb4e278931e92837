"""Chooses the least probability of predicted relations, on development data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from allennlp.common.checks import ConfigurationError

from joint_ner_re import archives
from joint_ner_re.experiments.plots import plot_thresholds
from joint_ner_re.experiments.progress import quiet, say
from joint_ner_re.experiments.reports import markdown_page, percent, write_report
from joint_ner_re.experiments.runs import data_name, device, predict
from joint_ner_re.metrics.pairing import in_order_of_gold
from joint_ner_re.metrics.score import Scores
from joint_ner_re.models import Thresholds
from joint_ner_re.sentence import Sentence
from joint_ner_re.tables import markdown_table

FOLDS = 5
NAMES = {"before": "before", "single": "one for all types", "per_type": "one for each type"}


@dataclass(frozen=True)
class Candidates:
    """Candidate relations: all pairs of predicted entities with all relation types.

    # Parameters

    sentences : `numpy.ndarray`
        The sentence of each candidate, from 0.
    types : `numpy.ndarray`
        The relation type of each candidate, as an index of `names`.
    scores : `numpy.ndarray`
        The probability of each candidate.
    correct : `numpy.ndarray`
        Whether each candidate is strictly correct.
    gold : `numpy.ndarray`
        The number of gold relations of each sentence.
    names : `Sequence[str]`
        The relation types.
    """

    sentences: numpy.ndarray
    types: numpy.ndarray
    scores: numpy.ndarray
    correct: numpy.ndarray
    gold: numpy.ndarray
    names: Sequence[str]

    def of(self, chosen: numpy.ndarray) -> "Candidates":
        """The candidates of the sentences where `chosen` is true."""
        kept = chosen[self.sentences]
        return Candidates(
            self.sentences[kept],
            self.types[kept],
            self.scores[kept],
            self.correct[kept],
            numpy.where(chosen, self.gold, 0),
            self.names,
        )

    def counts(self, thresholds: Thresholds) -> tuple[int, int, int]:
        """The numbers of correct, predicted and gold relations."""
        predicted = self._predicted(thresholds)
        return int(self.correct[predicted].sum()), int(predicted.sum()), int(self.gold.sum())

    def sentences_of(self, thresholds: Thresholds) -> numpy.ndarray:
        """The sentence of each predicted relation."""
        return self.sentences[self._predicted(thresholds)]

    def _predicted(self, thresholds: Thresholds) -> numpy.ndarray:
        if isinstance(thresholds, dict):
            limits = numpy.array([thresholds[name] for name in self.names])[self.types]
        else:
            limits = numpy.full(len(self.scores), thresholds)
        return self.scores >= limits


def candidates_of(
    gold: Sequence[Sentence], predicted: Sequence[Sentence], names: Sequence[str]
) -> Candidates:
    """The candidates in predictions with a threshold of 0."""
    numbers = {name: number for number, name in enumerate(names)}
    rows: list[tuple[int, int, float, bool]] = []
    for place, (right, guess) in enumerate(in_order_of_gold(gold, predicted)):
        wanted = set(map(right.relation_key, right.relations))
        rows += [
            (place, numbers[r.type], float(r.score or 0.0), guess.relation_key(r) in wanted)
            for r in guess.relations
        ]
    sentences, types, scores, correct = zip(*rows) if rows else ((), (), (), ())
    return Candidates(
        numpy.array(sentences, dtype=int),
        numpy.array(types, dtype=int),
        numpy.array(scores, dtype=float),
        numpy.array(correct, dtype=bool),
        numpy.array([len(set(map(s.relation_key, s.relations))) for s in gold], dtype=int),
        list(names),
    )


class Plateau(NamedTuple):
    """A range of thresholds that predict the same: more than `low`, up to `high`."""

    low: float
    high: float
    f1: float

    @property
    def middle(self) -> float:
        """The middle of the range, rounded to as few digits as possible inside the range."""
        exact = (self.low + self.high) / 2
        for digits in range(2, 9):
            rounded = round(exact, digits)
            if self.low < rounded <= self.high:
                return rounded
        return exact


def best_plateau(
    scores: numpy.ndarray, correct: numpy.ndarray, gold: int, others: tuple[int, int] = (0, 0)
) -> Plateau:
    """The widest range of thresholds with the highest F1.

    # Parameters

    scores, correct : `numpy.ndarray`
        Scores and correctness of the candidates.
    gold : `int`
        The number of gold relations.
    others : `tuple[int, int]`, optional (default = `(0, 0)`)
        The numbers of correct and predicted relations that do not depend on the threshold.
    """
    order = numpy.argsort(-scores, kind="stable")
    ranked = scores[order]
    # Candidates with the same score are predicted together, so cut where the score changes.
    ends = numpy.flatnonzero(numpy.diff(ranked, append=-1.0) < 0) + 1
    predicted = numpy.concatenate([[0], ends])
    right = numpy.concatenate([[0], numpy.cumsum(correct[order])])[predicted]
    f1 = 2 * (right + others[0]) / numpy.maximum(predicted + others[1] + gold, 1)
    # Cut k stands for the thresholds from lows[k] (exclusive) to highs[k].
    highs = numpy.concatenate([[1.0], ranked[ends - 1]])
    lows = numpy.concatenate([ranked[ends - 1], [0.0]])
    best = f1 >= f1.max() - 1e-12
    plateaus: list[Plateau] = []
    for cut in numpy.flatnonzero(best):
        if plateaus and cut > 0 and best[cut - 1]:
            plateaus[-1] = plateaus[-1]._replace(low=float(lows[cut]))
        else:
            plateaus.append(Plateau(float(lows[cut]), float(highs[cut]), float(f1.max())))
    return max(plateaus, key=lambda plateau: plateau.high - plateau.low)


def choose_single(candidates: Candidates) -> float:
    """The threshold with the highest strict micro F1, the same for all types."""
    plateau = best_plateau(candidates.scores, candidates.correct, int(candidates.gold.sum()))
    return plateau.middle


def choose_per_type(candidates: Candidates, single: float, rounds: int = 10) -> dict[str, float]:
    """A threshold for each type, for the highest strict micro F1 over all types.

    One threshold is changed at a time, until none changes. Types without a correct candidate keep
    the single threshold.
    """
    chosen = dict.fromkeys(candidates.names, single)
    gold = int(candidates.gold.sum())
    for _ in range(rounds):
        before = dict(chosen)
        for number, name in enumerate(candidates.names):
            own = candidates.types == number
            if not candidates.correct[own].any():
                continue
            # A threshold above 1 predicts nothing of this type, so these are the other types'
            # counts.
            right, predicted, _ = candidates.counts({**chosen, name: 2.0})
            plateau = best_plateau(
                candidates.scores[own], candidates.correct[own], gold, (right, predicted)
            )
            chosen[name] = plateau.middle
        if chosen == before:
            break
    return chosen


def cross_validated(candidates: Candidates, folds: int = FOLDS, seed: int = 0) -> dict[str, float]:
    """Strict micro F1 of both choices on sentences that were held out from them.

    # Returns

    `dict[str, float]`
        The F1 of `single` and of `per_type`, from the sums of the folds' counts.
    """
    count = len(candidates.gold)
    fold_of = numpy.random.default_rng(seed).permutation(count) % min(folds, count)
    totals = {"single": numpy.zeros(3, dtype=int), "per_type": numpy.zeros(3, dtype=int)}
    for fold in range(min(folds, count)):
        known, held_out = candidates.of(fold_of != fold), candidates.of(fold_of == fold)
        single = choose_single(known)
        totals["single"] += held_out.counts(single)
        totals["per_type"] += held_out.counts(choose_per_type(known, single))
    return {name: Scores.of(*map(int, counts)).f1 for name, counts in totals.items()}


class AllPairs(NamedTuple):
    """Sentences, what is predicted for them with a threshold of 0, and the candidates in that."""

    gold: list[Sentence]
    predicted: list[Sentence]
    candidates: Candidates


def predict_all_pairs(archive: str, *data: str) -> tuple[dict[str, Any], list[AllPairs]]:
    """A trained model's configuration, and its predictions for each of some data.

    # Raises

    `ConfigurationError`
        If the archive, or the data, cannot be used.
    """
    found = []
    with archives.extracted(archive) as extracted:
        config = archives.read_config(extracted)
        with quiet():
            loaded = archives.load_archive(
                str(extracted),
                cuda_device=device(config),
                overrides={"model.relation_threshold": 0.0},
            )
        for path in data:
            say(f"predicting all pairs of {data_name(path)}")
            with quiet():
                gold, predicted = predict(loaded.model, loaded.validation_dataset_reader, path)
            names = loaded.model.relation_types  # type: ignore[union-attr]
            candidates = candidates_of(gold, predicted, names)  # type: ignore[arg-type]
            found.append(AllPairs(gold, predicted, candidates))
    return config, found


def tune_threshold(
    archive: str,
    data: str,
    output_archive: str | None = None,
    directory: Path | None = None,
    per_type: str = "auto",
) -> Thresholds:
    """Choose the threshold of a trained model, and write it into a copy of its archive.

    # Parameters

    archive : `str`
        A `model.tar.gz`.
    data : `str`
        Development data.
    output_archive : `str`, optional (default = `None`)
        The archive with the chosen threshold.
    directory : `Path`, optional (default = `None`)
        The directory for `threshold.json`, `.md` and `.png`.
    per_type : `str`, optional (default = `"auto"`)
        `"auto"`: choose one threshold per relation type if that is better on held-out sentences.
        `"never"`: choose one for all types.

    # Raises

    `ConfigurationError`
        If the archive or the data cannot be used.
    """
    config, (pairs,) = predict_all_pairs(archive, data)
    gold, candidates = pairs.gold, pairs.candidates
    if not candidates.gold.sum():
        raise ConfigurationError(
            f"{data} has no relations; expected some, to choose the threshold on"
        )
    result = _choose(candidates, config["model"].get("relation_threshold", 0.5), per_type)
    result = {"data": data_name(data), "sentences": len(gold), **result}
    for line in _lines(result):
        say(line)
    chosen: Thresholds = result["chosen"]
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        figure = plot_thresholds(result)
        say(f"all scores: {write_report(directory, 'threshold', result, _page(result), figure)}")
    if output_archive is None:
        say("no archive is written; give --output-archive to get one")
    else:
        config["model"]["relation_threshold"] = chosen
        archives.write_with_config(archive, config, output_archive)
        say(f"the archive with this threshold: {output_archive}")
    return chosen


def _choose(candidates: Candidates, before: Thresholds, per_type: str) -> dict[str, Any]:
    single = choose_single(candidates)
    result: dict[str, Any] = {
        "before": before,
        "single": single,
        "per_type": None,
        "held_out_f1": None,
        "chosen": single,
    }
    if per_type == "auto" and len(candidates.names) > 1 and len(candidates.gold) > 1:
        result["per_type"] = choose_per_type(candidates, single)
        # The old threshold was not chosen on this data, so all sentences are held out from it.
        before_f1 = Scores.of(*candidates.counts(before)).f1
        result["held_out_f1"] = {"before": before_f1, **cross_validated(candidates)}
        if result["held_out_f1"]["per_type"] > result["held_out_f1"]["single"]:
            result["chosen"] = result["per_type"]
    result["figures"] = {
        name: vars(Scores.of(*candidates.counts(result[name])))
        for name in ("before", "single", "per_type", "chosen")
        if result[name] is not None
    }
    result["curve"] = [
        {"threshold": limit, **vars(Scores.of(*candidates.counts(limit)))}
        for limit in (number / 100 for number in range(1, 101))
    ]
    return result


def _lines(result: Mapping[str, Any]) -> list[str]:
    scores = result["figures"]
    lines = [
        f"{name}: F1 {percent(scores[key]['f1'])}, precision "
        f"{percent(scores[key]['precision'])}, recall {percent(scores[key]['recall'])} with "
        f"{describe_thresholds(result[key])}"
        for key, name in NAMES.items()
        if key in scores
    ]
    held_out = result["held_out_f1"]
    if held_out:
        kept = "per_type" if isinstance(result["chosen"], dict) else "single"
        f1 = ", ".join(f"{name} {percent(held_out[key])}" for key, name in NAMES.items())
        lines.append(f"F1 on held-out sentences ({FOLDS} folds): {f1}; chosen: {NAMES[kept]}")
    return lines


def describe_thresholds(thresholds: Thresholds) -> str:
    """As in `0.5`, or `Causes 0.42, Has_Dose 0.4`."""
    if isinstance(thresholds, dict):
        return ", ".join(f"{name} {value:g}" for name, value in thresholds.items())
    return f"{thresholds:g}"


def _page(result: Mapping[str, Any]) -> str:
    held_out = result["held_out_f1"] or {}
    rows = []
    for key, name in NAMES.items():
        if key in result["figures"]:
            scores = [percent(result["figures"][key][k]) for k in ("precision", "recall", "f1")]
            held = percent(held_out[key]) if key in held_out else ""
            rows.append([name, describe_thresholds(result[key]), *scores, held])
    paragraph = (
        f"Chosen on the {result['sentences']} sentences of `{result['data']}` by strict micro F1 "
        f"(percent): {describe_thresholds(result['chosen'])}."
    )
    if held_out:
        paragraph += (
            f" F1 on held-out sentences comes from {FOLDS} folds, each scored with the thresholds "
            "chosen on the others. Only this score can tell whether the choice helps, and whether "
            "several thresholds are better than one."
        )
    header = ["threshold", "value", "precision", "recall", "F1", "F1, held out"]
    return markdown_page("# The threshold of relations", paragraph, markdown_table(header, rows))
