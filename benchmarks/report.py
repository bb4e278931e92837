"""Results as JSON, as Markdown tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limit import ENTITIES_ONLY, JOINT, seconds_at_least
from measure import Measured, Spread
from prepared import Setting
from systems import CRF_TAGGER, LIMIT, LIMIT_LOW, SHIPPED, SHIPPED_LOW, SHIPPED_ONE, SPACY, STOCK

from joint_ner_re.figures import COLOURS, new_figure, save_figure
from joint_ner_re.tables import markdown_table
from joint_ner_re.writing import write_json, write_text

HEADER = (
    "system",
    "batch size",
    "sentences/s",
    "quartiles",
    "tokens/s",
    "ratio to stock",
    "part of the limit reached",
    "peak memory, MB",
)
# By system, the row of the product that has its precision, and which multiply-adds count.
LIMITS = {
    SHIPPED: (LIMIT, JOINT),
    SHIPPED_LOW: (LIMIT_LOW, JOINT),
    SHIPPED_ONE: (LIMIT_LOW, JOINT),
    STOCK: (LIMIT, JOINT),
    CRF_TAGGER: (LIMIT, ENTITIES_ONLY),
}
DRAWN = (SHIPPED, SHIPPED_LOW, STOCK, CRF_TAGGER, SPACY)
NONE = "–"


@dataclass(frozen=True)
class Row:
    """One system at one batch size. Rates are medians, `low` and `high` quartiles, all per second.

    `ratio` is the rate divided by the stock assembly's, `part` the limit's time divided by the
    row's; `None` where there is nothing to divide by. `facts` is what else is known.
    """

    system: str
    batch_size: int
    sentences: float
    low: float
    high: float
    tokens: float
    ratio: float | None
    part: float | None
    megabytes: float
    gpu_megabytes: float | None
    repetitions: int
    facts: dict[str, Any]


@dataclass
class Group:
    """What is compared: one task, cell and use of the encoder, at several batch sizes."""

    name: str
    rows: list[Row]


@dataclass(frozen=True)
class Table:
    """Another measurement. Cells are numbers or texts; the note says what they mean."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


def group_name(setting: Setting) -> str:
    return f"{setting.task}, {setting.cell.upper()}, {setting.vectors}"


def rows_of(setting: Setting, measured: dict[str, Measured]) -> list[Row]:
    """The rows of a comparison. Those of the limit have the rate that nothing can pass."""
    stock = measured[STOCK].seconds.median if STOCK in measured else None
    rows = []
    for system, found in measured.items():
        seconds = found.seconds
        if system in (LIMIT, LIMIT_LOW):
            least = seconds_at_least(found)
            seconds = Spread(least, least, least, seconds.repetitions, least)
        sentences, tokens = found.facts["sentences"], found.facts["tokens"]
        limit, what = LIMITS.get(system, ("", ""))
        rows.append(
            Row(
                system,
                setting.batch_size,
                sentences / seconds.median,
                sentences / seconds.high,
                sentences / seconds.low,
                tokens / seconds.median,
                None if stock is None else stock / seconds.median,
                seconds_at_least(measured[limit], what) / seconds.median
                if limit in measured
                else None,
                *found.memory,
                seconds.repetitions,
                found.facts,
            )
        )
    return rows


def milliseconds(seconds: Spread) -> str:
    """The median and, in brackets, the quartiles."""
    median, low, high = (1000 * value for value in seconds[:3])
    return f"{median:,.1f} ({low:,.1f} to {high:,.1f})"


def write_results(
    folder: Path, machine: dict[str, Any], groups: Sequence[Group], tables: Sequence[Table]
) -> None:
    """Writes results.json, results.md and results.png."""
    found = {
        "machine": machine,
        "groups": [{"name": g.name, "rows": [vars(row) for row in g.rows]} for g in groups],
        "tables": [vars(table) for table in tables],
    }
    write_json(folder / "results.json", found)
    write_text(folder / "results.md", as_markdown(machine, groups, tables))
    draw(folder / "results.png", groups)


def as_markdown(machine: dict[str, Any], groups: Sequence[Group], tables: Sequence[Table]) -> str:
    facts = [f"- {name}: {value}" for name, value in machine.items()]
    parts = ["# Benchmark", "\n".join(facts)]
    for group in groups:
        parts += [f"## {_capital(group.name)}", _group_table(group)]
        parts += [_predicted(group)] if _predicted(group) else []
    for table in tables:
        cells = [[_text(cell) for cell in row] for row in table.rows]
        parts += [f"## {table.title}", table.note, markdown_table(table.header, cells, True)]
    return "\n\n".join(parts) + "\n"


def _group_table(group: Group) -> str:
    # Only where a GPU is used.
    gpu = any(row.gpu_megabytes is not None for row in group.rows)
    lines = [
        [
            row.system,
            row.batch_size,
            _text(row.sentences),
            f"{_text(row.low)} to {_text(row.high)}",
            _text(row.tokens),
            NONE if row.ratio is None else f"{row.ratio:.2f}",
            NONE if row.part is None else f"{100 * row.part:.0f} %",
            _text(row.megabytes),
            *([_text(row.gpu_megabytes)] if gpu else []),
        ]
        for row in group.rows
    ]
    header = [*HEADER, "peak GPU memory, MB"] if gpu else HEADER
    return markdown_table(header, lines, numbers=True)


def _predicted(group: Group) -> str:
    """What the systems found, which the time depends on."""
    found: dict[str, str] = {}
    for row in group.rows:
        counts = [
            f"{row.facts[name]:.2f} {what}"
            for name, what in (
                ("entities_per_sentence", "entities"),
                ("relations_per_sentence", "relations"),
            )
            if name in row.facts
        ]
        if counts:
            found[row.system] = f"{row.system} {' and '.join(counts)}"
    return f"Predicted per sentence: {'; '.join(found.values())}." if found else ""


def _text(value: Any) -> str:
    if value is None:
        return NONE
    if not isinstance(value, float):
        return str(value)
    # Three digits say more than the spread allows already.
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def draw(path: Path, groups: Sequence[Group]) -> None:
    """Bars of sentences a second with the quartiles; a black line is the limit."""
    columns = min(2, max(1, len(groups)))
    rows = max(1, -(-len(groups) // columns))
    figure, axes = new_figure(
        "Sentences a second: medians, quartiles, and the limit of the arithmetic",
        rows,
        columns,
        (7.5 * columns, 0.6 + 3.4 * rows),
    )
    places = list(axes.flat) if rows * columns > 1 else [axes]
    for group, place in zip(groups, places):
        _draw_group(place, group)
    for place in places[len(groups) :]:
        place.set_axis_off()
    # Every system stands in the key once, whichever panels it is in.
    key = {}
    for place in places:
        key.update({name: mark for mark, name in zip(*place.get_legend_handles_labels())})
    if key:
        figure.legend(key.values(), key.keys(), loc="outside lower center", ncols=len(key))
    save_figure(figure, path)


def _draw_group(axes: Any, group: Group) -> None:
    sizes = sorted({row.batch_size for row in group.rows})
    systems = [name for name in DRAWN if any(row.system == name for row in group.rows)]
    width = 0.84 / max(1, len(systems))
    for number, system in enumerate(systems):
        rows = [row for row in group.rows if row.system == system]
        middle = number - (len(systems) - 1) / 2
        places = [sizes.index(row.batch_size) + width * middle for row in rows]
        rates = [row.sentences for row in rows]
        whiskers = [
            [row.sentences - row.low for row in rows],
            [row.high - row.sentences for row in rows],
        ]
        colour = COLOURS[DRAWN.index(system)]
        axes.bar(places, rates, 0.92 * width, color=colour, label=system)
        axes.errorbar(places, rates, whiskers, fmt="none", ecolor="#333333", capsize=2, lw=1)
        for place, row in zip(places, rows):
            axes.annotate(
                _text(row.sentences),
                (place, row.high),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    limits = [row for row in group.rows if row.system == LIMIT]
    for number, row in enumerate(limits):
        place = sizes.index(row.batch_size)
        label = "limit of the joint model, 32 bits" if number == 0 else None
        axes.hlines(row.sentences, place - 0.45, place + 0.45, color="black", lw=1.4, label=label)
    axes.set_title(_capital(group.name), fontsize=10)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_xlabel("batch size")
    axes.set_ylabel("sentences/s")
