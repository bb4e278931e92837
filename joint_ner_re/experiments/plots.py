"""The figures of experiments: means with standard deviations, and each run as a dot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from joint_ner_re.experiments.allocation import DEPTHS, describe
from joint_ner_re.experiments.summary import AVERAGES, spread
from joint_ner_re.figures import COLOURS, new_figure
from joint_ner_re.metrics.score import TASKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Group = tuple[str, Mapping[str, Sequence[float]]]
LEGEND = "dots: the runs; bars: their mean, with whiskers of one standard deviation"


def plot_groups(
    axes: Axes, groups: Sequence[Group], series: Sequence[str], colours: Sequence[str] = COLOURS
) -> None:
    """Plot all values, their mean and standard deviation, for each group and series.

    # Parameters

    axes : `Axes`
    groups : `Sequence[tuple[str, Mapping[str, Sequence[float]]]]`
        The name of each group and its values in each series, from 0 to 1.
    series : `Sequence[str]`
        The names of the series, in order.
    colours : `Sequence[str]`, optional
        A colour for each series.
    """
    width = 0.8 / len(series)
    for place, name in enumerate(series):
        colour = colours[place]
        for group, (_, values) in enumerate(groups):
            numbers = [100 * value for value in values.get(name, ())]
            if numbers:
                centre = group + (place - (len(series) - 1) / 2) * width
                _plot_values(axes, centre, width, numbers, colour)
        axes.plot([], [], "s", color=colour, label=name)
    axes.set_xticks(range(len(groups)), [name for name, _ in groups], fontsize=9)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylabel("F1 in percent")
    # Leave space for the numbers above the highest values.
    axes.margins(y=0.15)
    if len(series) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series), fontsize=8, frameon=False
        )


def _plot_values(
    axes: Axes, centre: float, width: float, numbers: Sequence[float], colour: str
) -> None:
    values = spread(numbers)
    mean, deviation = values["mean"], values["standard_deviation"] or 0.0
    axes.hlines(mean, centre - 0.4 * width, centre + 0.4 * width, color=colour, linewidth=2.5)
    if deviation:
        axes.errorbar(centre, mean, yerr=deviation, color=colour, capsize=4, linewidth=1)
    steps = [
        centre + 0.6 * width * ((number + 0.5) / len(numbers) - 0.5)
        for number in range(len(numbers))
    ]
    axes.plot(
        steps, numbers, "o", color=colour, markersize=4, markeredgecolor="white",
        markeredgewidth=0.5,
    )  # fmt: skip
    axes.annotate(
        f"{mean:.1f}",
        (centre, max(mean + deviation, *numbers, mean)),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def plot_summary(title: str, summary: Mapping[str, Any], part: str) -> Figure:
    """F1 of the averages, and of each type.

    # Parameters

    title : `str`
        Names the experiment and the data.
    summary : `Mapping[str, Any]`
        The result of `joint_ner_re.experiments.summary.summarise`.
    part : `str`
        The scored part: `"test"` or `"validation"`.
    """
    runs = list(summary["runs"].values())
    series = [f"{part}, strict", f"{part}, boundaries"]
    validated = part == "test" and any(run["training"]["best"] for run in runs)
    if validated:
        series.append("validation, best epoch, strict")
    averages: list[Group] = [
        (
            name,
            {
                series[0]: [run["scores"]["strict"][f"{prefix}_f1"] for run in runs],
                series[1]: [run["scores"]["boundaries"][f"{prefix}_f1"] for run in runs],
                series[-1] if validated else "": [
                    run["training"]["best"][f"{prefix}_f1"]
                    for run in runs
                    if f"{prefix}_f1" in run["training"]["best"]
                ],
            },
        )
        for name, prefix in AVERAGES.items()
    ]
    types: list[Group] = [
        (
            f"{name}\n({task})",
            {
                series[0]: [
                    run["scores"]["strict"]["per_type"][task][name]["f1"]
                    for run in runs
                    if name in run["scores"]["strict"]["per_type"][task]
                ]
            },
        )
        for task in TASKS
        for name in summary["per_type"]["strict"][task]
    ]
    figure, axes = new_figure(
        f"{title}\n{LEGEND}", rows=2, size=(max(8.0, 1.0 + 1.1 * len(types)), 7.5)
    )
    plot_groups(axes[0, 0], averages, series)
    plot_groups(axes[1, 0], types, series[:1])
    axes[1, 0].set_title(f"per type, {series[0]}", fontsize=10)
    return figure


MAX_TRIALS_IN_PLOT = 40


def plot_study(study: Mapping[str, Any]) -> Figure:
    """The scores of the trials: a map if the space is the three depths, otherwise sorted dots.

    # Parameters

    study : `Mapping[str, Any]`
        The content of `study.json`. At least one trial must have a score.
    """
    scored = [trial for trial in study["trials"] if trial["score"] is not None]
    if set(study["space"]) == set(DEPTHS.values()):
        return _plot_depths(study, scored)
    return _plot_sorted(study, scored)


def _plot_depths(study: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.patches import Rectangle

    keys = list(DEPTHS.values())
    depths = [sorted({trial["params"][key] for trial in trials}) for key in keys]
    shared, ner, relation = (range(values[0], values[-1] + 1) for values in depths)
    figure, axes = new_figure(
        f"{study['title']}: {study['metric']} on {study['data']}, {len(trials)} trials\n"
        "box: the best; in brackets: pruned or running\ngrey: not tried",
        columns=len(shared),
        size=(max(6.5, 1.8 + len(shared) * (0.9 + 0.62 * len(ner))), 2.3 + 0.62 * len(relation)),
    )
    complete = [trial["score"] for trial in trials if trial["state"] == "COMPLETE"]
    panels = numpy.atleast_2d(axes)[0]
    for panel, depth in zip(panels, shared):
        grid = numpy.full((len(relation), len(ner)), numpy.nan)
        panel.set_facecolor("#dddddd")
        panel.grid(False)
        for trial in trials:
            s, n, r = (trial["params"][key] for key in keys)
            if s != depth:
                continue
            done = trial["state"] == "COMPLETE"
            x, y = n - ner[0], r - relation[0]
            grid[y, x] = trial["score"]
            text = f"{trial['score']:.3f}" if done else f"({trial['score']:.3f})"
            dark = trial["score"] < (min(complete) + max(complete)) / 2
            panel.text(
                x, y, text, ha="center", va="center", fontsize=8,
                color="white" if dark else "black",
            )  # fmt: skip
            if done and trial["score"] == max(complete):
                panel.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="#d55e00", lw=2.5)
                )
        image = panel.imshow(
            grid, origin="lower", cmap="viridis", vmin=min(complete), vmax=max(complete)
        )
        panel.set_xticks(range(len(ner)), list(ner))
        panel.set_yticks(range(len(relation)), list(relation))
        panel.set_title(f"{depth} shared", fontsize=10)
        panel.set_xlabel("NER layers")
    panels[0].set_ylabel("RE layers")
    figure.colorbar(image, ax=list(panels), label=str(study["metric"]), shrink=0.9)
    return figure


def _plot_sorted(study: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Figure:
    best = sorted(trials, key=lambda trial: -trial["score"])[:MAX_TRIALS_IN_PLOT]
    of = f"the best {len(best)} of {len(trials)}" if len(best) < len(trials) else len(best)
    figure, axes = new_figure(
        f"{study['title']}: {study['metric']} on {study['data']}, {of} trials",
        size=(9.0, 1.6 + 0.26 * len(best)),
    )
    for colour, done, label in (
        (COLOURS[0], True, "complete"),
        (COLOURS[1], False, "pruned or running: the best so far"),
    ):
        points = [
            (trial["score"], place)
            for place, trial in enumerate(best)
            if (trial["state"] == "COMPLETE") == done
        ]
        if points:
            axes.plot(*zip(*points), "o", color=colour, label=label)
    axes.set_yticks(
        range(len(best)),
        [f"{trial['number']}: {describe(trial['params'])}" for trial in best],
        fontsize=7,
    )
    axes.invert_yaxis()
    axes.grid(axis="x", color="#dddddd")
    axes.set_xlabel(str(study["metric"]))
    axes.set_ylabel("trial: its parameters")
    axes.legend(fontsize=8)
    return figure


def plot_ablation(study: Mapping[str, Any]) -> Figure:
    """F1 of each variant: entities above, relations below.

    # Parameters

    study : `Mapping[str, Any]`
        The content of `ablation.json`.
    """
    variants = list(study["variants"].values())
    folds = f", folds {', '.join(map(str, study['folds']))}" if study["folds"] else ""
    figure, axes = new_figure(
        f"{study['title']}: strict micro F1 on {', '.join(study['data'])}\n"
        f"seeds {', '.join(map(str, study['seeds']))}{folds}; {LEGEND}",
        rows=2,
        size=(max(7.5, 1.7 * len(variants)), 7.5),
    )
    for place, (panel, task) in enumerate(zip(axes[:, 0], TASKS)):
        groups: list[Group] = []
        for variant in variants:
            comparison = variant.get("comparison")
            layers = " + ".join(str(depth) for depth in variant["depths"].values())
            lines = [
                variant["title"],
                f"layers {layers}",
                f"{variant['parameters']['trainable']['mean'] / 1e6:.2f} M parameters",
                _p_value(comparison[task]["p_value"]) if comparison else "",
            ]
            scores = [run["scores"]["strict"][f"{task}_f1"] for run in variant["runs"].values()]
            groups.append(("\n".join(lines), {task: scores}))
        plot_groups(panel, groups, [task], COLOURS[place:])
        panel.set_title(
            ("entities" if task == "entity" else "relations")
            + " (layers: shared + NER + RE; p against the full variant)",
            fontsize=10,
        )
    return figure


def _p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def plot_thresholds(result: Mapping[str, Any]) -> Figure:
    """Precision, recall and F1 by threshold.

    # Parameters

    result : `Mapping[str, Any]`
        The content of `threshold.json`.
    """
    figure, axes = new_figure(
        f"Relations of {result['data']} ({result['sentences']} sentences), strict micro scores\n"
        "by the threshold, the same for all types"
    )
    limits = [point["threshold"] for point in result["curve"]]
    for kind, label in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        values = [100 * point[kind] for point in result["curve"]]
        axes.plot(limits, values, label=label, linewidth=2.5 if kind == "f1" else 1.2)
    marks = [("single", "o", "chosen: one for all")]
    if result["per_type"] is not None:
        marks = [
            ("single", "o", "best for all types"),
            ("per_type", "_", "F1 with one for each type"),
        ]
    for key, style, label in marks:
        f1 = 100 * result["figures"][key]["f1"]
        if isinstance(result[key], dict):
            axes.axhline(f1, color=COLOURS[7], linestyle=":", label=f"{label}: {f1:.1f}")
        else:
            axes.plot(
                [result[key]], [f1], style, color=COLOURS[7],
                label=f"{label}: {result[key]:g}, F1 {f1:.1f}",
            )  # fmt: skip
    if not isinstance(result["before"], dict):
        f1 = 100 * result["figures"]["before"]["f1"]
        axes.axvline(
            result["before"],
            color="#888888",
            linestyle="--",
            label=f"before: {result['before']:g}, F1 {f1:.1f}",
        )
    axes.set_xlabel("threshold")
    axes.set_ylabel("percent")
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8)
    return figure


def plot_natural_mix(result: Mapping[str, Any]) -> Figure:
    """Precision and recall at the natural mix, and sentences with a false relation, by threshold.

    # Parameters

    result : `Mapping[str, Any]`
        As in `natural_mix.json`.
    """
    figure, axes = new_figure(_mix(result))
    limits = [point["threshold"] for point in result["curve"]]
    for key, label in (
        ("mix_precision", "precision at this mix"),
        ("recall", "recall"),
        ("mix_f1", "F1 at this mix"),
        ("false_sentences", "negative sentences with a relation"),
    ):
        axes.plot(limits, [100 * point[key] for point in result["curve"]], label=label)
    for key, style in (("before", "--"), ("chosen", ":")):
        if not isinstance(result[key], dict):
            axes.axvline(
                result[key], color="#888888", linestyle=style, label=f"{key}: {result[key]:g}"
            )
    axes.set_xlabel("threshold")
    axes.set_ylabel("percent")
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8)
    return figure


def _mix(result: Mapping[str, Any]) -> str:
    return (
        f"Relations of {result['positives']['data']}, with {result['negatives_for_each']:.2f} "
        f"sentences of {result['negatives']['data']} for each"
    )


def plot_natural_mixes(results: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Several models at one natural mix: by threshold, and precision against recall.

    # Parameters

    results : `Mapping[str, Mapping[str, Any]]`
        What `natural_mix.json` holds for each model, by the name to show; all of the same data.
    """
    figure, axes = new_figure(_mix(next(iter(results.values()))), columns=2, size=(11.0, 4.8))
    by_threshold, against_recall = axes[0]
    for place, (name, result) in enumerate(results.items()):
        style = {"color": COLOURS[place % len(COLOURS)]}
        # Where nothing is found, precision says nothing.
        curve = [point for point in result["curve"] if point["recall"]]
        limits, recall, precision = (
            [factor * point[key] for point in curve]
            for key, factor in (("threshold", 1), ("recall", 100), ("mix_precision", 100))
        )
        by_threshold.plot(limits, precision, **style)
        by_threshold.plot(limits, recall, "--", **style)
        against_recall.plot(recall, precision, label=name, **style)
        chosen = result["figures"]["chosen"]
        against_recall.plot([100 * chosen["recall"]], [100 * chosen["mix_precision"]], "o", **style)
    by_threshold.plot([], [], "-", color="#888888", label="precision at this mix")
    by_threshold.plot([], [], "--", color="#888888", label="recall")
    by_threshold.set_xlabel("threshold")
    by_threshold.set_ylabel("percent")
    by_threshold.set_xlim(0, 1)
    against_recall.plot([], [], "o", color="#888888", label="the chosen threshold")
    against_recall.set_xlabel("recall in percent")
    against_recall.set_ylabel("precision at this mix in percent")
    for panel in axes[0]:
        panel.set_ylim(0, 100)
        panel.legend(fontsize=8, loc="lower left")
    return figure
