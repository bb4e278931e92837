"""Matplotlib figures in one style, written as PNG files without a display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joint_ner_re.requirements import require_plots
from joint_ner_re.writing import PathLike, replacing

# Every `allennlp` command imports this module, so matplotlib is imported only for drawing.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour-blind readers can tell these apart (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")


def new_figure(
    title: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (7.0, 4.2)
) -> tuple[Figure, Any]:
    """An empty figure with its axes.

    # Parameters

    title : `str`
        What the figure shows, and of which data.
    rows, columns : `int`, optional (default = `1`)
        The layout of the axes.
    size : `tuple[float, float]`, optional (default = `(7.0, 4.2)`)
        Width and height in inches.

    # Returns

    `tuple[Figure, Any]`
        The figure, and its `Axes` or, if there are several, an array of shape (rows, columns).

    # Raises

    `ModuleNotFoundError`
        If matplotlib is not installed.
    """
    require_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    several = rows * columns > 1
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        _plain(one)
    return figure, axes if several else axes[0, 0]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_prop_cycle(color=COLOURS)


def save_figure(figure: Figure, path: PathLike) -> None:
    """Write the figure as PNG with 120 dots per inch. Equal figures give equal files.

    # Raises

    `OSError`
        If the file cannot be written.
    """
    with replacing(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
