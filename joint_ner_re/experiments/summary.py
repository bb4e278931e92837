"""Sums up many runs: means, standard deviations and pooled scores, as JSON and as Markdown."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from joint_ner_re.experiments.reports import markdown_page, percent, percents
from joint_ner_re.metrics import score
from joint_ner_re.metrics.score import CRITERIA, TASKS
from joint_ner_re.sentence import Sentence
from joint_ner_re.tables import markdown_table

KINDS = ("precision", "recall", "f1")
# The names of averages in tables, and their prefixes in `score`.
AVERAGES = {
    "entities, micro": "entity",
    "entities, macro": "entity_macro",
    "relations, micro": "relation",
    "relations, macro": "relation_macro",
}
SCORES = [f"{prefix}_{kind}" for prefix in AVERAGES.values() for kind in KINDS] + ["mean_f1"]

Spread = dict[str, Any]
Results = Mapping[str, Mapping[str, Any]]


def spread(values: Iterable[float]) -> Spread:
    """`mean`, `standard_deviation` (with n - 1; `None` for one value) and `runs` (their number)."""
    numbers = list(values)
    return {
        "mean": statistics.fmean(numbers),
        "standard_deviation": statistics.stdev(numbers) if len(numbers) > 1 else None,
        "runs": len(numbers),
    }


def summarise(
    results: Results, pooled: Sequence[tuple[list[Sentence], list[Sentence]]] | None = None
) -> dict[str, Any]:
    """Sums up several finished runs.

    # Parameters

    results : `Mapping[str, Mapping[str, Any]]`
        The `joint_ner_re.experiments.runs.result` of each run, by name.
    pooled : `Sequence[tuple[list[Sentence], list[Sentence]]]`, optional (default = `None`)
        The gold sentences and the predictions of each run, to be scored together.

    # Returns

    `dict[str, Any]`
        `scores`: for each criterion and score of `joint_ner_re.metrics.score` its `spread`;
        `per_type`: for each criterion, task, type and score the `spread` over the runs that have
        the type, and the sum of `support`; `by_seed`, if there are runs of several seeds and folds:
        for each seed the strict scores' spreads over its folds; `validation`: the spreads of the
        best and the last epoch; `pooled`: for each criterion the `score` of all runs together;
        `parameters` and `seconds`; and the `runs` themselves.
    """
    scores = [one["scores"] for one in results.values()]
    trainings = [one["training"] for one in results.values()]
    summary: dict[str, Any] = {
        "data": sorted({one["data"] for one in scores}),
        "scores": {c: _spreads([one[c] for one in scores]) for c in CRITERIA},
        "per_type": {
            c: {task: _per_type([one[c]["per_type"][task] for one in scores]) for task in TASKS}
            for c in CRITERIA
        },
        "validation": {
            epoch: {
                c: _spreads([_of_criterion(training[epoch], c) for training in trainings])
                for c in CRITERIA
            }
            for epoch in ("best", "last")
        },
    }
    by_seed = _by_seed(results)
    if by_seed:
        summary["by_seed"] = by_seed
    if pooled is not None:
        gold = [sentence for sentences, _ in pooled for sentence in sentences]
        predicted = [sentence for _, sentences in pooled for sentence in sentences]
        summary["pooled"] = {c: score(gold, predicted, c) for c in CRITERIA}
    for name in ("trainable", "total"):
        counts = [training["parameters"][name] for training in trainings]
        summary.setdefault("parameters", {})[name] = spread(counts)
    summary["seconds"] = spread(training["seconds"] for training in trainings)
    summary["runs"] = {name: dict(one) for name, one in results.items()}
    return summary


def _spreads(reports: Sequence[Mapping[str, Any]]) -> dict[str, Spread]:
    return {
        name: spread(report[name] for report in reports)
        for name in SCORES
        if all(name in report for report in reports)
    }


def _by_seed(results: Results) -> dict[str, dict[str, Spread]]:
    """The strict scores over the folds of each seed; empty where one of both does not vary."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for one in results.values():
        if "fold" in one and "seed" in one:
            found.setdefault(one["seed"], []).append(one["scores"]["strict"])
    if len(found) < 2 or max(map(len, found.values())) < 2:
        return {}
    return {str(seed): _spreads(found[seed]) for seed in sorted(found)}


def _of_criterion(metrics: Mapping[str, Any], criterion: str) -> dict[str, Any]:
    prefix = "" if criterion == "strict" else f"{criterion}_"
    return {name: metrics[prefix + name] for name in SCORES if prefix + name in metrics}


def _per_type(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = sorted({name for report in reports for name in report})
    return {
        name: {
            **{
                kind: spread(report[name][kind] for report in reports if name in report)
                for kind in KINDS
            },
            "support": sum(report[name]["support"] for report in reports if name in report),
        }
        for name in names
    }


def summary_page(title: str, note: str, summary: Mapping[str, Any], part: str) -> str:
    """The summary as a Markdown page: averages, types, validation, runs.

    # Parameters

    title : `str`
    note : `str`
        The paragraph under the title.
    summary : `Mapping[str, Any]`
        The result of `summarise`.
    part : `str`
        The scored part: `"test"` or `"validation"`.
    """
    count = len(summary["runs"])
    of = f"mean ± standard deviation of {count} runs" if count > 1 else "one run"
    parameters = summary["parameters"]
    sections = [
        f"# {title}",
        note,
        f"Data: {', '.join(f'`{name}`' for name in summary['data'])}. Scores are in percent, "
        f"{of}. {parameters['trainable']['mean']:,.0f} trainable parameters of "
        f"{parameters['total']['mean']:,.0f}; {summary['seconds']['mean']:.0f} s of training each.",
        f"## On the {part} data",
    ]
    for criterion in CRITERIA:
        header = [criterion, "precision", "recall", "F1"]
        pooled = summary.get("pooled", {}).get(criterion)
        if pooled:
            header.append("F1, pooled")
        rows = []
        for name, prefix in AVERAGES.items():
            row = [name, *(percents(summary["scores"][criterion][f"{prefix}_{k}"]) for k in KINDS)]
            rows.append(row + ([percent(pooled[f"{prefix}_f1"])] if pooled else []))
        sections.append(markdown_table(header, rows))
    sections += [
        "Per type, strict:",
        markdown_table(
            ["type", "precision", "recall", "F1", "support"],
            [
                [name, *(percents(values[kind]) for kind in KINDS), values["support"]]
                for task in TASKS
                for name, values in summary["per_type"]["strict"][task].items()
            ],
        ),
        *_of_seeds(summary.get("by_seed", {})),
        *_of_validation(summary["validation"]),
        f"## The runs (F1 on the {part} data, strict; epochs count from 0)",
        markdown_table(
            ["run", *AVERAGES, "best epoch", "epochs", "seconds"],
            [
                [
                    name,
                    *(percent(one["scores"]["strict"][f"{p}_f1"]) for p in AVERAGES.values()),
                    *(one["training"][key] for key in ("best_epoch", "epochs", "seconds")),
                ]
                for name, one in summary["runs"].items()
            ],
        ),
    ]
    return markdown_page(*sections)


def _of_seeds(by_seed: Mapping[str, Mapping[str, Spread]]) -> list[str]:
    """The section on the seeds, if several were trained on several folds."""
    if not by_seed:
        return []
    rows = [
        [seed, spreads["entity_f1"]["runs"]]
        + [percents(spreads[f"{prefix}_f1"]) for prefix in AVERAGES.values()]
        for seed, spreads in by_seed.items()
    ]
    means = [
        spread(spreads[f"{prefix}_f1"]["mean"] for spreads in by_seed.values())
        for prefix in AVERAGES.values()
    ]
    return [
        "## F1 by seed, over its folds (strict), and mean ± standard deviation of the seeds' means",
        markdown_table(["seed", "folds", *AVERAGES], [*rows, ["all", "", *map(percents, means)]]),
    ]


def _of_validation(validation: Mapping[str, Any]) -> list[str]:
    """The section on the validation data, if there were any."""
    columns = {f"{epoch} epoch": validation[epoch]["strict"] for epoch in ("best", "last")}
    if not any(columns.values()):
        return ["No validation data: the last epoch was scored."]
    return [
        "## F1 on the validation data, which chose the best epoch (strict)",
        markdown_table(
            ["", *columns],
            [
                [
                    name,
                    *(
                        percents(scores[f"{prefix}_f1"]) if f"{prefix}_f1" in scores else "-"
                        for scores in columns.values()
                    ),
                ]
                for name, prefix in AVERAGES.items()
            ],
        ),
    ]
