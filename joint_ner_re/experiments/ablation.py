"""Ablation of layers: what do the layers that belong to one task contribute?"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides

from joint_ner_re.experiments.allocation import DEPTHS, STACKS, depths_of
from joint_ner_re.experiments.plots import plot_ablation
from joint_ner_re.experiments.progress import say
from joint_ner_re.experiments.repetition import (
    Source,
    fold_runs,
    seed_runs,
    with_each_seed,
    without_fold,
    without_seeds,
)
from joint_ner_re.experiments.reports import (
    command_line,
    markdown_page,
    percents,
    report_lock,
    write_report,
)
from joint_ner_re.experiments.runs import Run, claim, perform, predictions, result
from joint_ner_re.experiments.significance import SAMPLES, compare_runs
from joint_ner_re.experiments.summary import KINDS, summarise
from joint_ner_re.metrics.score import TASKS
from joint_ner_re.tables import markdown_table

FULL = "full"


def variants_of(config: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The depths of each variant, by the variant's name, without duplicates.

    # Raises

    `ConfigurationError`
        If the configuration has no layers that belong to one task.
    """
    full = depths_of(config)
    if not full["ner"] + full["relation"]:
        raise ConfigurationError(
            "the configuration has no layer that belongs to one task (model.encoder.ner.num_layers "
            "and model.encoder.relation.num_layers are 0); expected at least one, to leave out"
        )
    everything = {
        FULL: full,
        "no_ner_layers": {**full, "ner": 0},
        "no_relation_layers": {**full, "relation": 0},
        "no_specific_layers": {**full, "ner": 0, "relation": 0},
        "all_shared": {"shared": sum(full.values()), "ner": 0, "relation": 0},
    }
    variants: dict[str, dict[str, int]] = {}
    for name, depths in everything.items():
        if depths not in variants.values():
            variants[name] = depths
    return variants


TITLES = {
    FULL: "full",
    "no_ner_layers": "without NER's own",
    "no_relation_layers": "without RE's own",
    "no_specific_layers": "without both",
    "all_shared": "all shared",
}


def ablation_runs(
    config: Mapping[str, Any],
    variant: str,
    depths: Mapping[str, int],
    seeds: Sequence[int],
    folds: Sequence[int] | None = None,
) -> list[Run]:
    """The runs of one variant: one for each seed, or for each fold and each seed.

    # Parameters

    config : `Mapping[str, Any]`
    variant : `str`
    depths : `Mapping[str, int]`
        The depth of each stack.
    seeds : `Sequence[int]`
    folds : `Sequence[int]`, optional (default = `None`)
        Score the test parts of these folds. Default: score the validation data.
    """
    overrides = {DEPTHS[stack]: depths[stack] for stack in STACKS}
    own = with_overrides(deepcopy(dict(config)), overrides)
    runs = seed_runs(own, seeds) if folds is None else with_each_seed(fold_runs(own, folds), seeds)
    return [replace(run, name=f"{variant}/{run.name}") for run in runs]


def ablate(
    config: Mapping[str, Any],
    directory: Path,
    source: Source,
    seeds: Sequence[int],
    folds: Sequence[int] | None = None,
    keep_checkpoints: bool = False,
    samples: int = SAMPLES,
) -> None:
    """Train and score every variant; `ablation.json`, `.md` and `.png` compare them.

    # Parameters

    config : `Mapping[str, Any]`
        The full variant.
    directory : `Path`
        Holds a directory for each variant. Finished runs are not repeated.
    source : `Source`
    seeds : `Sequence[int]`
    folds : `Sequence[int]`, optional (default = `None`)
        See `ablation_runs`.
    keep_checkpoints : `bool`, optional (default = `False`)
    samples : `int`, optional (default = `10000`)
        For `joint_ner_re.experiments.significance.compare`.
    """
    variants = variants_of(config)
    runs = {
        name: ablation_runs(config, name, depths, seeds, folds) for name, depths in variants.items()
    }
    common = without_seeds(config if folds is None else without_fold(config))
    claim(directory, "ablate", common, {runs[FULL][0].part: runs[FULL][0].data})
    # All variants of one seed before the next seed, so that they can be compared early.
    ordered = [run for group in zip(*runs.values()) for run in group]
    perform(ordered, directory, keep_checkpoints)
    with report_lock(directory):
        _write(directory, source, variants, runs, samples)


def _write(
    directory: Path,
    source: Source,
    variants: Mapping[str, Mapping[str, int]],
    runs: Mapping[str, Sequence[Run]],
    samples: int,
) -> None:
    done = {
        name: [run for run in own if result(directory, run) is not None]
        for name, own in runs.items()
    }
    expected, finished = (sum(map(len, some.values())) for some in (runs, done))
    if not done[FULL]:
        say("no run of the full variant is finished yet, so there is nothing to compare with")
        return
    records: dict[str, Any] = {}
    for name, depths in variants.items():
        if not done[name]:
            continue
        results = {run.name.split("/")[1]: result(directory, run) or {} for run in done[name]}
        records[name] = {"title": TITLES[name], "depths": dict(depths), **summarise(results)}
        if name != FULL:
            records[name]["comparison"] = _compare(directory, done[FULL], done[name], samples)
    first = runs[FULL][0]
    abouts = [run.about for run in runs[FULL]]
    study = {
        "title": f"Ablation of {source.name}",
        "config": source.name,
        "part": first.part,
        "data": records[FULL]["data"],
        "seeds": sorted({about["seed"] for about in abouts}),
        "folds": sorted({about["fold"] for about in abouts if "fold" in about}),
        "expected": expected,
        "finished": finished,
        "variants": records,
    }
    page = _page(study, samples, _rest(directory, source, study))
    written = write_report(directory, "ablation", study, page, plot_ablation(study))
    for name, record in records.items():
        scores = record["scores"]["strict"]
        say(
            f"{name}: strict F1 on the {first.part} data: entities "
            f"{percents(scores['entity_f1'])}, relations {percents(scores['relation_f1'])}"
        )
    say(f"{finished} of {expected} runs; all scores: {written}")


def _compare(
    directory: Path, full: Sequence[Run], other: Sequence[Run], samples: int
) -> dict[str, Any] | None:
    """Compare two variants on the folds and seeds that both have.

    The sentences of the folds are concatenated. A sentence counts with the runs of all seeds.
    """
    by_key = {_key(run): run for run in full}
    pairs = [(by_key[_key(run)], run) for run in other if _key(run) in by_key]
    if not pairs:
        return None
    groups: dict[Any, list[tuple[Run, Run]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].about["seed"], []).append(pair)
    # The counts of a sentence are added over seeds, so every seed must have the same folds.
    folds = set.intersection(*({_fold(a) for a, _ in group} for group in groups.values()))
    if not folds:
        return None
    systems = [
        [
            _joined(directory, [pair[side] for pair in group if _fold(pair[0]) in folds])
            for group in groups.values()
        ]
        for side in (0, 1)
    ]
    return compare_runs(*systems, samples=samples)


def _key(run: Run) -> tuple[Any, int]:
    return (_fold(run), run.about["seed"])


def _fold(run: Run) -> Any:
    return run.about.get("fold", -1)


def _joined(directory: Path, runs: Sequence[Run]) -> tuple[list[Any], list[Any]]:
    """The gold sentences and the predictions of the folds, in the folds' order."""
    folds = [predictions(directory, run) for run in sorted(runs, key=_fold)]
    return [s for gold, _ in folds for s in gold], [s for _, guess in folds for s in guess]


def _rest(directory: Path, source: Source, study: Mapping[str, Any]) -> str:
    """The command that does the missing runs."""
    options = [*source.options, "--seeds", ",".join(map(str, study["seeds"]))]
    if study["folds"]:
        options += ["--folds", ",".join(map(str, study["folds"]))]
    return command_line("ablate", source.path, "-s", directory, *options)


def _page(study: Mapping[str, Any], samples: int, rest: str) -> str:
    missing = study["expected"] - study["finished"]
    scope = f"seeds {', '.join(map(str, study['seeds']))}"
    if study["folds"]:
        scope += f"; folds {', '.join(map(str, study['folds']))}"
    notes = [f"Scored on the {study['part']} data `{', '.join(study['data'])}`; {scope}."]
    if missing:
        notes.append(f"**{study['finished']} of {study['expected']} runs.** The rest: `{rest}`")
    records = study["variants"].values()
    return markdown_page(
        f"# {study['title']}",
        *notes,
        "Strict micro F1 in percent, mean ± standard deviation over the runs. The difference to "
        "the full variant has its 95 % bootstrap interval. p is that of a paired approximate "
        f"randomisation over sentences with {samples:,} samples, where all runs of a sentence stay "
        "together; it is not corrected for the number of comparisons.",
        markdown_table(_COLUMNS, [_row(record) for record in records]),
        "## More scores",
        markdown_table(
            ["variant", "task", "precision", "recall", "macro F1", "F1, boundaries"],
            [_details(record, task) for task in TASKS for record in records],
        ),
    )


_COLUMNS = [
    "variant",
    "layers: shared + NER + RE",
    "trainable parameters",
    "entities F1",
    "difference",
    "p",
    "relations F1",
    "difference",
    "p",
    "runs",
    "seconds a run",
]


def _row(record: Mapping[str, Any]) -> list[Any]:
    comparison = record.get("comparison")
    row = [
        record["title"],
        " + ".join(str(record["depths"][stack]) for stack in STACKS),
        f"{record['parameters']['trainable']['mean']:,.0f}",
    ]
    for task in TASKS:
        row.append(percents(record["scores"]["strict"][f"{task}_f1"]))
        row += _against(comparison[task]) if comparison else ["", ""]
    return [*row, len(record["runs"]), f"{record['seconds']['mean']:.0f}"]


# Criterion, average and kind of score.
_DETAILS = [
    ("strict", "", KINDS[0]),
    ("strict", "", KINDS[1]),
    ("strict", "_macro", KINDS[2]),
    ("boundaries", "", KINDS[2]),
]


def _details(record: Mapping[str, Any], task: str) -> list[str]:
    scores = record["scores"]
    return [
        record["title"],
        task,
        *(percents(scores[c][f"{task}{average}_{kind}"]) for c, average, kind in _DETAILS),
    ]


def _against(comparison: Mapping[str, float]) -> list[str]:
    """The difference with its interval, and p."""
    difference, low, high = (
        f"{100 * comparison[key]:+.1f}" for key in ("difference", "low", "high")
    )
    return [f"{difference} [{low}, {high}]", f"{comparison['p_value']:.4f}"]
