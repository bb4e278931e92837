"""Chooses the least probability of predicted relations, on development data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from allennlp.common.checks import ConfigurationError

from joint_ner_re import archives
from joint_ner_re.experiments.plots import plot_thresholds
from joint_ner_re.experiments.progress import quiet, say
from joint_ner_re.experiments.reports import markdown_page, percent, write_report
from joint_ner_re.experiments.runs import data_name, device, predict
from joint_ner_re.experiments.significance import compare
from joint_ner_re.metrics.pairing import in_order_of_gold
from joint_ner_re.metrics.score import Scores
from joint_ner_re.models import Thresholds
from joint_ner_re.sentence import Sentence
from joint_ner_re.tables import markdown_table

FOLDS = 5
# Fewer gold relations tell nothing about a threshold.
MIN_RELATIONS = 30
# Fewer correct candidates tell nothing about the threshold of a type.
MIN_CORRECT = 10
# What lies outside fits the development data, not the probability of a relation.
BOUNDS = (0.05, 0.95)
_BOOTSTRAP_SAMPLES = 2000
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

    def counts_by_sentence(self, thresholds: Thresholds) -> numpy.ndarray:
        """The numbers of correct, predicted and gold relations of each sentence.

        Shape: (sentences, 3).
        """
        predicted = self._predicted(thresholds)
        count = len(self.gold)
        right = numpy.bincount(self.sentences[predicted & self.correct], minlength=count)
        return numpy.stack(
            [right, numpy.bincount(self.sentences[predicted], minlength=count), self.gold], axis=1
        )

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
    scores: numpy.ndarray,
    correct: numpy.ndarray,
    gold: int,
    others: tuple[int, int] = (0, 0),
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Plateau:
    """The widest range of thresholds with the highest F1.

    # Parameters

    scores, correct : `numpy.ndarray`
        Scores and correctness of the candidates.
    gold : `int`
        The number of gold relations.
    others : `tuple[int, int]`, optional (default = `(0, 0)`)
        The numbers of correct and predicted relations that do not depend on the threshold.
    bounds : `tuple[float, float]`, optional (default = `(0.0, 1.0)`)
        The least and the greatest threshold.
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
    allowed = (highs >= bounds[0]) & (lows < bounds[1])
    lows, highs = numpy.maximum(lows, bounds[0]), numpy.minimum(highs, bounds[1])
    top = f1[allowed].max()
    best = (f1 >= top - 1e-12) & allowed
    plateaus: list[Plateau] = []
    for cut in numpy.flatnonzero(best):
        if plateaus and cut > 0 and best[cut - 1]:
            plateaus[-1] = plateaus[-1]._replace(low=float(lows[cut]))
        else:
            plateaus.append(Plateau(float(lows[cut]), float(highs[cut]), float(top)))
    return max(plateaus, key=lambda plateau: plateau.high - plateau.low)


def choose_single(candidates: Candidates) -> float:
    """The threshold inside `BOUNDS` with the highest strict micro F1, the same for all types."""
    plateau = best_plateau(
        candidates.scores, candidates.correct, int(candidates.gold.sum()), bounds=BOUNDS
    )
    return plateau.middle


def choose_per_type(candidates: Candidates, single: float, rounds: int = 10) -> dict[str, float]:
    """A threshold for each type inside `BOUNDS`, for the highest strict micro F1 over all types.

    One threshold is changed at a time, until none changes. Types with fewer than `MIN_CORRECT`
    correct candidates keep the single threshold.
    """
    chosen = dict.fromkeys(candidates.names, single)
    gold = int(candidates.gold.sum())
    for _ in range(rounds):
        before = dict(chosen)
        for number, name in enumerate(candidates.names):
            own = candidates.types == number
            if candidates.correct[own].sum() < MIN_CORRECT:
                continue
            # A threshold above 1 predicts nothing of this type, so these are the other types'
            # counts.
            right, predicted, _ = candidates.counts({**chosen, name: 2.0})
            plateau = best_plateau(
                candidates.scores[own], candidates.correct[own], gold, (right, predicted), BOUNDS
            )
            chosen[name] = plateau.middle
        if chosen == before:
            break
    return chosen


def cross_validated(
    candidates: Candidates, folds: int = FOLDS, seed: int = 0
) -> dict[str, numpy.ndarray]:
    """The counts of both choices on sentences that were held out from them.

    # Returns

    `dict[str, numpy.ndarray]`
        For `single` and for `per_type`, the `counts_by_sentence` of each sentence with the
        threshold that was chosen on the folds without it.
    """
    count = len(candidates.gold)
    fold_of = numpy.random.default_rng(seed).permutation(count) % min(folds, count)
    totals = {name: numpy.zeros((count, 3), dtype=int) for name in ("single", "per_type")}
    for fold in range(min(folds, count)):
        known, held_out = candidates.of(fold_of != fold), candidates.of(fold_of == fold)
        single = choose_single(known)
        totals["single"] += held_out.counts_by_sentence(single)
        totals["per_type"] += held_out.counts_by_sentence(choose_per_type(known, single))
    return totals


class AllPairs(NamedTuple):
    """Sentences, what is predicted for them with a threshold of 0, and the candidates in that."""

    gold: list[Sentence]
    predicted: list[Sentence]
    candidates: Candidates


def predict_all_pairs(
    archive: str, *data: str, relation_probability: str | None = None
) -> tuple[dict[str, Any], list[AllPairs]]:
    """A trained model's configuration, and its predictions for each of some data.

    With a `relation_probability`, the model and its configuration get this value of the option.

    # Raises

    `ConfigurationError`
        If the archive, or the data, cannot be used.
    """
    found = []
    with archives.extracted(archive) as extracted:
        config = archives.read_config(extracted)
        overrides: dict[str, Any] = {"model.relation_threshold": 0.0}
        if relation_probability is not None:
            overrides["model.relation_probability"] = relation_probability
            config["model"]["relation_probability"] = relation_probability
        with quiet():
            loaded = archives.load_archive(
                str(extracted),
                cuda_device=device(config),
                overrides=overrides,
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
    without_proof: bool = False,
    relation_probability: str | None = None,
) -> Thresholds:
    """Choose the threshold of a trained model, and write it into a copy of its archive.

    The threshold stays as it was if the data has fewer than `MIN_RELATIONS` relations, or no gain
    over it can be shown: a bootstrap over the sentences compares the scores that it reaches with
    those of choices that did not see these sentences.

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
    without_proof : `bool`, optional (default = `False`)
        Whether to choose the best threshold even where no gain can be shown.
    relation_probability : `str`, optional (default = `None`)
        The value of the model's option in the new archive. The threshold before is compared with
        this probability, too. Default: the model's own.

    # Raises

    `ConfigurationError`
        If the archive or the data cannot be used.
    """
    config, (pairs,) = predict_all_pairs(archive, data, relation_probability=relation_probability)
    gold, candidates = pairs.gold, pairs.candidates
    if not candidates.gold.sum():
        raise ConfigurationError(
            f"{data} has no relations; expected some, to choose the threshold on"
        )
    result = _choose(
        candidates, config["model"].get("relation_threshold", 0.5), per_type, without_proof
    )
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


def _choose(
    candidates: Candidates, before: Thresholds, per_type: str, without_proof: bool = False
) -> dict[str, Any]:
    """The thresholds, their scores, which one is chosen, and why."""
    result: dict[str, Any] = {"before": before, "single": choose_single(candidates)}
    result.update({"per_type": None, "held_out_f1": None, "gain": None})
    names = ["single"]
    if per_type == "auto" and len(candidates.names) > 1:
        result["per_type"] = choose_per_type(candidates, result["single"])
        names.append("per_type")
    relations = int(candidates.gold.sum())
    if len(candidates.gold) > 1:
        # The old threshold was not chosen on this data, so all sentences are held out from it.
        counts = {"before": candidates.counts_by_sentence(before), **cross_validated(candidates)}
        held_out = {name: Scores.of(*map(int, counts[name].sum(axis=0))).f1 for name in counts}
        result["held_out_f1"] = {name: held_out[name] for name in ("before", *names)}
        result["gain"] = {
            name: asdict(compare(counts["before"], counts[name], samples=_BOOTSTRAP_SAMPLES))
            for name in names
        }
    result.update(_decision(result, names, relations, without_proof))
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


def _decision(
    result: Mapping[str, Any], names: Sequence[str], relations: int, without_proof: bool
) -> dict[str, Any]:
    """What is chosen, and the reason as a sentence."""
    held_out, gain = result["held_out_f1"] or {}, result["gain"] or {}
    # The simpler choice first where both are as good.
    ranked = sorted(names, key=lambda name: -held_out.get(name, 0.0))
    if without_proof:
        return {"chosen": result[ranked[0]], "why": f"chosen: {NAMES[ranked[0]]}, without a proof"}
    if relations < MIN_RELATIONS:
        reason = (
            f"{relations} gold relations are too few to choose a threshold on; expected at least "
            f"{MIN_RELATIONS}"
        )
        return {"chosen": result["before"], "why": f"{reason}: the threshold stays as it was"}
    for name in ranked:
        if name in gain and gain[name]["low"] > 0:
            interval = f"{percent(gain[name]['low'])} to {percent(gain[name]['high'])}"
            return {
                "chosen": result[name],
                "why": f"chosen: {NAMES[name]}, which gains {interval} points on held-out "
                "sentences (95 %, bootstrap)",
            }
    best = gain.get(ranked[0])
    shown = ""
    if best is not None:
        interval = f"{percent(best['low'])} to {percent(best['high'])}"
        shown = f" ({NAMES[ranked[0]]}: {interval} points on held-out sentences, 95 %, bootstrap)"
    return {
        "chosen": result["before"],
        "why": f"no gain can be shown{shown}: the threshold stays as it was",
    }


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
        f1 = ", ".join(
            f"{name} {percent(held_out[key])}" for key, name in NAMES.items() if key in held_out
        )
        lines.append(f"F1 on held-out sentences ({FOLDS} folds): {f1}")
    return [*lines, result["why"]]


def describe_thresholds(thresholds: Thresholds) -> str:
    """As in `0.5`, or `Causes 0.42, Has_Dose 0.4`."""
    if isinstance(thresholds, dict):
        return ", ".join(f"{name} {value:g}" for name, value in thresholds.items())
    return f"{thresholds:g}"


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


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
        f"(percent): {describe_thresholds(result['chosen'])}. {_as_sentence(result['why'])}"
    )
    if held_out:
        paragraph += (
            f" F1 on held-out sentences comes from {FOLDS} folds, each scored with the thresholds "
            "chosen on the others. Only this score can tell whether the choice helps, and whether "
            "several thresholds are better than one."
        )
    header = ["threshold", "value", "precision", "recall", "F1", "F1, held out"]
    return markdown_page("# The threshold of relations", paragraph, markdown_table(header, rows))
