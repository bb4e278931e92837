"""Plots of the scores of predictions and of the progress of a training."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
)

from tqdm import tqdm

from joint_ner_re.figures import COLOURS, new_figure, save_figure
from joint_ner_re.metrics.score import TASKS, Scorer, Scores
from joint_ner_re.review.alignment import BOUNDARIES, CORRECT, EntityPair, RelationPair, align
from joint_ner_re.sentence import Sentence
from joint_ner_re.writing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NONE = ""
_MEASURES = ("precision", "recall", "f1")
_PLURALS = {"entity": "entities", "relation": "relations"}
# The length of a type's name at an axis, in characters.
_MAX_NAME = 24
_EPOCH_FILE = re.compile(r"metrics_epoch_(\d+)\.json$")


@dataclass
class Evidence:
    """The data of the plots, collected sentence by sentence.

    # Parameters

    scorer : `Scorer`
        The strict counts.
    confusion : `Counter[tuple[str, str]]`
        How many gold entities of the first type were predicted as the second type. An empty name
        means that there is no entity with exactly this span.
    scored : `dict[str, list[tuple[float, bool]]]`
        For each task, the score of each prediction that has one, and whether it is correct.
    """

    scorer: Scorer = field(default_factory=Scorer)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    scored: dict[str, list[tuple[float, bool]]] = field(
        default_factory=lambda: {task: [] for task in TASKS}
    )

    def add(self, predicted: Sentence, gold: Sentence) -> None:
        """Add a sentence."""
        self.scorer.add(gold, predicted)
        alignment = align(predicted, gold)
        for pair in alignment.entities:
            if pair.kind == BOUNDARIES:
                # Neither span is right, so it counts as one missed and one spurious entity.
                self.confusion[(pair.item.gold, NONE)] += 1
                self.confusion[(NONE, pair.item.predicted)] += 1
            else:
                self.confusion[(pair.item.gold or NONE, pair.item.predicted or NONE)] += 1
        pairs: list[EntityPair | RelationPair] = [*alignment.entities, *alignment.relations]
        for each in pairs:
            if each.predicted is not None and each.predicted.score is not None:
                self.scored[each.item.task].append((each.predicted.score, each.kind == CORRECT))


def draw_scores(
    directory: PathLike, title: str, pairs: Iterable[tuple[Sentence, Sentence]]
) -> list[Path]:
    """Write `scores.png`, `confusion.png` and, if predictions have scores, `precision_recall.png`.

    # Parameters

    directory : `str`
        The directory of the files, which is created if it is missing.
    title : `str`
        The names of the predictions and the gold annotations.
    pairs : `Iterable[tuple[Sentence, Sentence]]`
        Predicted sentences with their gold sentences.

    # Returns

    `list[Path]`
        The files.
    """
    evidence = Evidence()
    for predicted, gold in tqdm(pairs, desc="comparing", unit=" sentences", disable=None):
        evidence.add(predicted, gold)
    figures = {
        "scores": score_bars(evidence.scorer.report(), title),
        "confusion": confusion_matrix(evidence.confusion, title),
    }
    if any(evidence.scored.values()):
        support = {task: sum(evidence.scorer.counts[task].gold.values()) for task in TASKS}
        figures["precision_recall"] = precision_recall(evidence.scored, support, title)
    Path(directory).mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(Path(directory) / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def score_bars(report: Mapping[str, Any], title: str) -> Figure:
    """A bar chart of precision, recall and F1 of each type, from the result of `score`."""
    sizes = [len(report["per_type"][task]) + 1 for task in TASKS]
    figure, axes = new_figure(
        f"Strict scores by type\n{_plain(title)}",
        1,
        2,
        size=(10.5, max(3.2, 1.6 + 0.5 * max(sizes))),
    )
    for one, task in zip(axes[0], TASKS):
        types = report["per_type"][task]
        rows = [("all (micro)", {name: report[f"{task}_{name}"] for name in _MEASURES})]
        rows[0][1]["support"] = sum(scores["support"] for scores in types.values())
        rows += sorted(types.items(), key=lambda row: (-row[1]["support"], row[0]))
        _bars(one, rows)
        one.set_title(_PLURALS[task].capitalize(), fontsize=10)
        # Bars of the same thickness in both plots, however many there are.
        one.set_ylim(max(sizes) - 0.4, -0.6)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _bars(axes: Axes, rows: Sequence[tuple[str, Mapping[str, float]]]) -> None:
    thickness = 0.27
    for number, name in enumerate(_MEASURES):
        places = [row + (number - 1) * thickness for row in range(len(rows))]
        values = [100 * scores[name] for _, scores in rows]
        label = "F1" if name == "f1" else name
        axes.barh(places, values, thickness * 0.92, color=COLOURS[number], label=label)
        if name == "f1":
            for place, value in zip(places, values):
                axes.text(value + 1, place, f"{value:.1f}", va="center", fontsize=7)
    axes.set_yticks(
        range(len(rows)),
        [f"{_short(name)} ({int(scores['support']):,})" for name, scores in rows],
        fontsize=8,
    )
    axes.set_xlim(0, 107)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("percent (in brackets: how many are gold)", fontsize=8)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.grid(visible=False, axis="y")


def confusion_matrix(confusion: Mapping[tuple[str, str], int], title: str) -> Figure:
    """The confusion matrix of entity types, coloured by share of the row; no entity comes last."""
    types = sorted({name for pair in confusion for name in pair} - {NONE})
    names = [*types, NONE]
    side = max(4.6, 2.6 + 0.4 * len(names))
    figure, axes = new_figure(
        f"Confusion of entity types\n{_plain(title)}", size=(side + 0.6, side)
    )
    totals = {gold: sum(confusion.get((gold, guess), 0) for guess in names) for gold in names}
    shares = [
        [confusion.get((gold, guess), 0) / max(1, totals[gold]) for guess in names]
        for gold in names
    ]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 9 if len(names) <= 12 else 7
    for row, gold in enumerate(names):
        for column, guess in enumerate(names):
            count = confusion.get((gold, guess), 0)
            if count:
                colour = "white" if shares[row][column] > 0.55 else "black"
                axes.text(
                    column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=size
                )
    axes.set_xticks(
        range(len(names)), [*map(_short, types), "none\n(missed)"], rotation=45, ha="right",
        rotation_mode="anchor", fontsize=size,
    )  # fmt: skip
    axes.set_yticks(range(len(names)), [*map(_short, types), "none\n(spurious)"], fontsize=size)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("gold", fontsize=9)
    axes.set_title("wrong boundaries: one missed, one spurious", fontsize=8, color="#555555")
    axes.grid(visible=False)
    for line in (axes.axhline, axes.axvline):
        line(len(types) - 0.5, color="#888888", linewidth=1)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, label="share of the row")
    bar.ax.tick_params(labelsize=7)
    return figure


class Point(NamedTuple):
    """The scores if only predictions with at least this probability are kept."""

    threshold: float
    scores: Scores


def curve(scored: Iterable[tuple[float, bool]], support: int) -> list[Point]:
    """A `Point` for each distinct probability, the highest first."""
    points: list[Point] = []
    correct = 0
    for kept, (score, right) in enumerate(sorted(scored, reverse=True), start=1):
        correct += right
        point = Point(score, Scores.of(correct, kept, support))
        if points and points[-1].threshold == score:
            points[-1] = point
        else:
            points.append(point)
    return points


def precision_recall(
    scored: Mapping[str, Sequence[tuple[float, bool]]], support: Mapping[str, int], title: str
) -> Figure:
    """Precision-recall curves, and precision, recall and F1 by threshold.

    # Parameters

    scored : `Mapping[str, Sequence[tuple[float, bool]]]`
        For each task, the probability of each prediction, and whether it is correct.
    support : `Mapping[str, int]`
        For each task, the number of gold annotations.
    title : `str`
        The names of the predictions and the gold annotations.
    """
    figure, axes = new_figure(
        f"Precision and recall by threshold, strict\n{_plain(title)}",
        len(TASKS),
        2,
        size=(9.5, 7.6),
    )
    for row, task in zip(axes, TASKS):
        points = curve(scored[task], support[task])
        name = _PLURALS[task]
        if not points:
            for one in row:
                one.set_axis_off()
            row[0].text(0.5, 0.5, f"The {name} have no scores", ha="center", fontsize=9)
            continue
        best = max(points, key=lambda point: (point.scores.f1, point.threshold))
        _curve(row[0], points, best)
        row[0].set_title(f"{name.capitalize()}, {support[task]:,} gold", fontsize=10)
        _by_threshold(row[1], points, best)
        if task == "relation" and points[-1].threshold > 0.01:
            # The predictions were not made with threshold 0.
            row[1].set_title("The file has only what is above the model's threshold", fontsize=9)
        for one in row:
            one.set_ylim(0, 103)
            one.legend(fontsize=8, frameon=False, loc="lower left")
    return figure


def _curve(axes: Axes, points: Sequence[Point], best: Point) -> None:
    """Precision against recall."""
    recalls = [100 * point.scores.recall for point in points]
    precisions = [100 * point.scores.precision for point in points]
    axes.plot(recalls, precisions, color=COLOURS[0], drawstyle="steps-post")
    axes.plot(
        100 * best.scores.recall, 100 * best.scores.precision, "o", color=COLOURS[5],
        label=f"best F1: {100 * best.scores.f1:.1f} at {best.threshold:.2f}",
    )  # fmt: skip
    axes.set_xlim(0, 101)
    axes.set_xlabel("recall, percent", fontsize=9)
    axes.set_ylabel("precision, percent", fontsize=9)


def _by_threshold(axes: Axes, points: Sequence[Point], best: Point) -> None:
    """Precision, recall and F1 by threshold."""
    thresholds = [point.threshold for point in points]
    for number, measure in enumerate(_MEASURES):
        values = [100 * getattr(point.scores, measure) for point in points]
        label = "F1" if measure == "f1" else measure
        axes.plot(thresholds, values, color=COLOURS[number], label=label, linewidth=1.5)
    axes.axvline(best.threshold, color=COLOURS[5], linewidth=1, linestyle=":")
    lowest = points[-1].threshold
    axes.axvspan(0, lowest, color="#eeeeee")
    axes.set_xlim(0, 1)
    axes.set_ylabel("percent", fontsize=9)
    axes.set_xlabel(
        f"threshold (grey: below {lowest:.2f}, the lowest score of the file)", fontsize=9
    )


class TrainingError(ValueError):
    """A directory without the metrics of a training; the message says what was expected."""


def read_epochs(directory: PathLike) -> list[dict[str, Any]]:
    """The metrics that AllenNLP wrote for each epoch of a training, in order.

    # Raises

    `TrainingError`
        If the directory has no `metrics_epoch_*.json`, or one is not JSON.
    """
    found = {}
    for path in Path(directory).glob("metrics_epoch_*.json"):
        name = _EPOCH_FILE.search(path.name)
        if name:
            found[int(name[1])] = path
    if not found:
        raise TrainingError(
            f"{directory} has no metrics_epoch_0.json; expected the directory given to "
            "allennlp train by -s, after at least one epoch"
        )
    epochs = []
    for number in sorted(found):
        try:
            metrics = json.loads(found[number].read_text(encoding="utf-8"))
        except ValueError as error:
            raise TrainingError(f"{found[number]} is not JSON: {error}") from error
        epochs.append({**metrics, "epoch": number})
    return epochs


def learning_curves(epochs: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Losses and F1 by epoch; a line marks the best epoch.

    # Parameters

    epochs : `Sequence[Mapping[str, Any]]`
        The metrics of each epoch, from `read_epochs`.
    title : `str`
        The name of the training.
    """
    figure, axes = new_figure(f"Learning curves\n{_plain(title)}", 1, 2, size=(10.5, 4.4))
    losses, scores = axes[0]
    marker = "." if len(epochs) <= 60 else ""
    for number, (metric, name) in enumerate(
        [("ner_loss", "entities"), ("relation_loss", "relations"), ("loss", "sum")]
    ):
        for prefix, style in (("training", "-"), ("validation", "--")):
            _line(
                losses, epochs, f"{prefix}_{metric}", 1, color=COLOURS[number], linestyle=style,
                marker=marker, label=f"{name}, {prefix}",
            )  # fmt: skip
    for number, (metric, name) in enumerate(
        [("entity_f1", "entities"), ("relation_f1", "relations"), ("mean_f1", "mean")]
    ):
        _line(
            scores, epochs, f"validation_{metric}", 100, color=COLOURS[number], marker=marker,
            label=name, linestyle="-",
        )  # fmt: skip
    # The first loss can be a hundred times the last one, and a loss can be 0.
    losses.set_yscale("symlog", linthresh=1)
    losses.yaxis.set_major_formatter("{x:g}")
    losses.set_ylim(bottom=0)
    losses.set_title("Loss, logarithmic above 1", fontsize=10)
    scores.set_title("Strict F1 on the development part, percent", fontsize=10)
    scores.set_ylim(0, 100)
    best = epochs[-1].get("best_epoch")
    for one in (losses, scores):
        if best is not None:
            one.axvline(
                best, color="#777777", linewidth=1, linestyle=":", label=f"best epoch: {best}"
            )
        one.set_xlabel("epoch", fontsize=9)
        one.xaxis.get_major_locator().set_params(integer=True)
        if one.get_legend_handles_labels()[0]:
            one.legend(fontsize=8, frameon=False, loc="upper right" if one is losses else "best")
    return figure


def _line(
    axes: Axes, epochs: Sequence[Mapping[str, Any]], key: str, scale: float, **style: Any
) -> None:
    points = [(one["epoch"], scale * one[key]) for one in epochs if key in one]
    if points:
        axes.plot(*zip(*points), **style)


def _short(name: str) -> str:
    """The beginning and the end of a long name: types often differ at the end."""
    half = _MAX_NAME // 2
    short = name if len(name) <= _MAX_NAME else f"{name[: half - 1]}…{name[-half:]}"
    return _plain(short)


def _plain(name: str) -> str:
    # matplotlib takes a dollar sign for the start of a formula.
    return name.replace("$", r"\$")
