"""How precise is a model on text in which most sentences hold no relation?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from allennlp.common.checks import ConfigurationError

from joint_ner_re import archives
from joint_ner_re.experiments.plots import plot_natural_mix, plot_natural_mixes
from joint_ner_re.experiments.progress import say
from joint_ner_re.experiments.reports import markdown_page, percent, write_report
from joint_ner_re.experiments.runs import data_name, read_result
from joint_ner_re.experiments.thresholds import (
    AllPairs,
    Candidates,
    Thresholds,
    describe_thresholds,
    predict_all_pairs,
)
from joint_ner_re.tables import markdown_table

# In steps of a hundredth, and of a thousandth where a model that is sure of itself needs it.
THRESHOLDS = [number / 100 for number in range(1, 99)] + [n / 1000 for n in range(980, 1000)]
COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_sentences": "negative sentences with a relation",
    "false_entities": "entities in 1,000 of them",
    "false_relations": "relations in 1,000 of them",
    "mix_precision": "precision at the mix",
    "mix_f1": "F1 at the mix",
}
_IN_A_THOUSAND = {"false_entities", "false_relations"}
NAME = "natural_mix"
# What a comparison needs of another model's result.
_KEYS = {
    "positives", "negatives", "negatives_for_each", "false_entities", "before", "chosen", "figures",
    "curve",
}  # fmt: skip


def figures_at(
    positives: Candidates, negatives: Candidates, negatives_for_each: float, thresholds: Thresholds
) -> dict[str, float]:
    """Scores of relations when each positive sentence comes with so many negative ones.

    # Parameters

    positives : `Candidates`
        Of sentences with relations.
    negatives : `Candidates`
        Of sentences without: whatever is predicted there is wrong. Their number may be another;
        what is wrong in them is counted in proportion.
    negatives_for_each : `float`
        How many sentences without relations there are for each one with.
    thresholds : `Thresholds`
        From which probability on a relation is predicted.

    # Returns

    `dict[str, float]`
        `precision`, `recall` and `f1` of the positive sentences alone; `false_sentences`, the share
        of negative sentences with a relation; `false_relations`, how many relations 1,000 negative
        sentences have; `mix_precision` and `mix_f1`, of both kinds together.
    """
    correct, predicted, gold = positives.counts(thresholds)
    wrong = negatives.sentences_of(thresholds)
    count = max(1, len(negatives.gold))
    # So many are wrong in the negative sentences that come with the positive ones.
    false = len(wrong) / count * negatives_for_each * len(positives.gold)
    return {
        "precision": correct / max(1, predicted),
        "recall": correct / max(1, gold),
        "f1": 2 * correct / max(1, predicted + gold),
        "false_sentences": len(numpy.unique(wrong)) / count,
        "false_relations": 1000 * len(wrong) / count,
        "mix_precision": correct / max(1.0, predicted + false),
        "mix_f1": 2 * correct / max(1.0, predicted + false + gold),
    }


def natural_mix(
    archive: str,
    positives: str,
    negatives: str,
    negatives_for_each: float | None = None,
    max_false: float | None = None,
    output_archive: str | None = None,
    directory: Path | None = None,
    relation_probability: str | None = None,
    beside: Sequence[Path] = (),
) -> dict[str, Any]:
    """Score a trained model on sentences with relations and on sentences without any.

    # Parameters

    archive : `str`
        A `model.tar.gz`.
    positives, negatives : `str`
        Sentences of which each has a relation, and of which none has. To choose a threshold they
        are development data.
    negatives_for_each : `float`, optional (default = `None`)
        How many sentences without relations there are for each one with, where the model is used.
        Default: as many as in the data.
    max_false : `float`, optional (default = `None`)
        The threshold is chosen so that at most this share of the negative sentences has a relation.
    output_archive : `str`, optional (default = `None`)
        The archive with the threshold that has the highest F1 at the mix.
    directory : `Path`, optional (default = `None`)
        Where `natural_mix.json`, `.md` and `.png` go.
    relation_probability : `str`, optional (default = `None`)
        The value of the model's option, here and in the new archive. Default: the model's own.
    beside : `Sequence[Path]`, optional (default = `()`)
        The directories of other models' results on the same data, for one table and one figure of
        all, which name each by its directory.

    # Returns

    `dict[str, Any]`
        What `natural_mix.json` holds.

    # Raises

    `ConfigurationError`
        If the archive, the data or a number cannot be used, or a result in `beside` is of other
        data.
    """
    for name, value in (("negatives_for_each", negatives_for_each), ("max_false", max_false)):
        if value is not None and not value >= 0:
            raise ConfigurationError(f"{name} is {value}; expected 0 or more")
    others = {str(path): _read(path / f"{NAME}.json") for path in beside}
    config, (with_relations, without) = predict_all_pairs(
        archive, positives, negatives, relation_probability=relation_probability
    )
    _check(positives, with_relations, negatives, without)
    if negatives_for_each is None:
        negatives_for_each = len(without.gold) / len(with_relations.gold)
    pairs = (with_relations.candidates, without.candidates)
    curve = [
        {"threshold": limit, **figures_at(*pairs, negatives_for_each, limit)}
        for limit in THRESHOLDS
    ]
    before = config["model"].get("relation_threshold", 0.5)
    chosen = _choose(curve, max_false)
    result = {
        "positives": {"data": data_name(positives), "sentences": len(with_relations.gold)},
        "negatives": {"data": data_name(negatives), "sentences": len(without.gold)},
        "negatives_for_each": negatives_for_each,
        "false_entities": 1000
        * sum(len(s.entities) for s in without.predicted)
        / len(without.gold),
        "relation_probability": config["model"].get("relation_probability", "pair"),
        "before": before,
        "chosen": chosen,
        "figures": {
            "before": figures_at(*pairs, negatives_for_each, before),
            "chosen": figures_at(*pairs, negatives_for_each, chosen),
        },
        "curve": curve,
    }
    for name, other in others.items():
        _check_same_data(name, other, result)
    _report(result, directory, others)
    if output_archive is not None:
        config["model"]["relation_threshold"] = chosen
        archives.write_with_config(archive, config, output_archive)
        say(f"the archive with the threshold {chosen:g}: {output_archive}")
    return result


def _check(positives: str, with_relations: AllPairs, negatives: str, without: AllPairs) -> None:
    if not with_relations.candidates.gold.sum():
        raise ConfigurationError(f"{positives} has no relations; expected sentences with some")
    if not without.gold:
        raise ConfigurationError(f"{negatives} has no sentences; expected some without relations")
    related = int((without.candidates.gold > 0).sum())
    if related:
        raise ConfigurationError(
            f"{negatives} has {related} sentences with relations; expected sentences without any"
        )


def _choose(curve: list[dict[str, float]], max_false: float | None) -> float:
    """The threshold with the highest F1 at the mix, of those that find few enough."""
    possible = [
        point for point in curve if max_false is None or point["false_sentences"] <= max_false
    ]
    # Where none finds so few, the one that finds the fewest.
    return max(possible or curve[-1:], key=lambda point: point["mix_f1"])["threshold"]


def _read(path: Path) -> dict[str, Any]:
    """What `natural_mix.json` of another model holds."""
    found = read_result(path)
    if not isinstance(found, dict) or not found.keys() >= _KEYS:
        raise ConfigurationError(
            f"{path} is missing or no result of natural-mix; expected what `allennlp natural-mix "
            f"... -s {path.parent}` writes"
        )
    return found


def _check_same_data(name: str, other: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    for key in ("positives", "negatives", "negatives_for_each"):
        if other[key] != result[key]:
            raise ConfigurationError(
                f"{name} has {other[key]!r} as {key}; expected {result[key]!r}, as here. Score "
                "that model again with these data"
            )


def _report(
    result: Mapping[str, Any], directory: Path | None, others: Mapping[str, Mapping[str, Any]]
) -> None:
    own = "this model" if directory is None else str(directory)
    results = {**others, own: result}
    header, rows = _rows(results)
    for row in rows:
        say(", ".join(f"{name} {value}" for name, value in zip(header, row)))
    if directory is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    paragraph = (
        f"{result['positives']['sentences']} sentences of `{result['positives']['data']}` and "
        f"{result['negatives']['sentences']} of `{result['negatives']['data']}`, which have no "
        f"relation; the mix has {result['negatives_for_each']:.2f} of these for each of the "
        "others. Strict micro scores in percent."
    )
    page = markdown_page("# The natural mix", paragraph, markdown_table(header, rows))
    figure = plot_natural_mixes(results) if others else plot_natural_mix(result)
    say(f"all figures: {write_report(directory, NAME, result, page, figure)}")


def _rows(results: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for model, result in results.items():
        for name, figures in result["figures"].items():
            values = {**figures, "false_entities": result["false_entities"]}
            cells = [
                f"{values[key]:.0f}" if key in _IN_A_THOUSAND else percent(values[key])
                for key in COLUMNS
            ]
            rows.append([model, name, describe_thresholds(result[name]), *cells])
    return ["model", "threshold", "value", *COLUMNS.values()], rows
