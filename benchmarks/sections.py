"""The sections of the benchmark, each a method, and how much of each is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import costs
import limit
from commands import COMMANDS, PACKAGE, PREDICT, small_archive, starts, streams
from measure import Measured, Spread, facts_from, spread, take_turns
from prepared import (
    EXTRACTION,
    INDEXED,
    KEPT,
    LIVE,
    ROOT,
    TRAINING,
    TUNED,
    Setting,
    Setup,
    train_once,
)
from report import Group, Table, group_name, milliseconds, rows_of
from systems import (
    CRF_TAGGER,
    LIMIT,
    LIMIT_LOW,
    SHIPPED,
    SHIPPED_LOW,
    SHIPPED_ONE,
    SPACY,
    STOCK,
    has_bfloat16,
    has_crf_tagger,
    workload,
)
from tqdm import tqdm

ADE = Path("ade", "DRUG-AE.rel")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    # Parameters

    settings : `Sequence[Setting]`
        What is compared.
    sentences : `int`
        So many sentences are one repetition, or two batches if that is more.
    repetitions : `int`
        So many of each row, at most.
    most_seconds : `float`
        A comparison begins no further round after so long.
    learned, epochs : `int`
        How many sentences the short training sees at most, and how often.
    documents : `Sequence[int]`
        Lengths of single documents, in tokens.
    crowds : `Sequence[int]`
        Numbers of entities in one sentence.
    crowd_tokens : `int`
        The length of that sentence, in tokens.
    processes : `int`
        So many processes of each kind are started.
    streams : `Sequence[int]`
        Numbers of documents that are streamed.
    hidden_size : `int`, optional (default = `None`)
        Width of the BiRNNs, if not the configuration's.
    in_process : `bool`, optional (default = `False`)
        Whether all happens in this process; the peak memory then says nothing.
    side : `int`, optional (default = `None`)
        Rows of the limit's product, if not as many as the device needs.
    """

    settings: Sequence[Setting]
    sentences: int = 64
    repetitions: int = 5
    most_seconds: float = 15.0
    learned: int = 2000
    epochs: int = 3
    documents: Sequence[int] = (500, 1000, 2500, 5000)
    crowds: Sequence[int] = (20, 50, 100, 200)
    crowd_tokens: int = 400
    processes: int = 5
    streams: Sequence[int] = (20_000, 100_000)
    hidden_size: int | None = None
    in_process: bool = False
    side: int | None = None


def full_sizes() -> Sizes:
    sizes = {
        ("lstm", KEPT): (1, 4, 16, 32, 64),
        ("lstm", LIVE): (1, 16, 32, 64),
        ("gru", KEPT): (1, 16, 32, 64),
        ("gru", LIVE): (32,),
    }
    settings = [
        Setting(task, cell, vectors, size)
        for task in (TRAINING, EXTRACTION)
        for (cell, vectors), several in sizes.items()
        for size in several
    ]
    settings += [Setting(TRAINING, cell, TUNED, 16) for cell in ("lstm", "gru")]
    settings.append(Setting(INDEXED, "lstm", KEPT, 32))
    return Sizes(settings)


def quick_sizes() -> Sizes:
    settings = [Setting(TRAINING, "lstm", vectors, 16) for vectors in (KEPT, TUNED)]
    settings += [Setting(EXTRACTION, "lstm", vectors, 32) for vectors in (KEPT, LIVE)]
    settings.append(Setting(TRAINING, "gru", KEPT, 16))
    return Sizes(
        settings,
        sentences=32,
        repetitions=3,
        learned=400,
        epochs=2,
        documents=(500, 2500),
        crowds=(20, 100),
        processes=1,
        streams=(500, 2000),
    )


class Benchmark:
    """A run: each section is a method that adds to the groups and tables.

    # Parameters

    setup : `Setup`
    sizes : `Sizes`
    """

    def __init__(self, setup: Setup, sizes: Sizes) -> None:
        self.setup = setup
        self.sizes = sizes
        self.groups: dict[str, Group] = {}
        self.tables: list[Table] = []

    def prepare(self, sections: Sequence[str]) -> None:
        """Trains the models that the sections need, once for each cell."""
        cells = {s.cell for s in self.sizes.settings if _section(s) in sections}
        if set(sections) & {"shares", "relations", "growth"}:
            cells.add("lstm")
        for cell in sorted(cells):
            self._facts(train_once, self.setup, cell)

    def compare(self, section: str) -> None:
        """The systems against each other."""
        settings = [s for s in self.sizes.settings if _section(s) == section]
        for setting in tqdm(settings, desc=section, leave=False):
            name = group_name(setting)
            measured = self._measure(self._rows(setting))
            group = self.groups.setdefault(name, Group(name, []))
            group.rows += rows_of(setting, measured)

    def _rows(self, setting: Setting) -> dict[str, tuple]:
        """By system, what makes its workload. The limits are those of the shipped model."""
        low = has_bfloat16(self.setup.device)
        systems = [SHIPPED, SHIPPED_LOW, STOCK] if low else [SHIPPED, STOCK]
        if low and (setting.task, setting.cell, setting.vectors) == (EXTRACTION, "lstm", KEPT):
            # To tell what batches side by side gain.
            systems.insert(2, SHIPPED_ONE)
        if setting.task != INDEXED and has_crf_tagger():
            systems.append(CRF_TAGGER)
        if setting.task != INDEXED and (setting.cell, setting.vectors) == ("lstm", KEPT):
            # It has neither the cells nor the encoder: once is enough.
            systems.append(SPACY)
        rows: dict[str, tuple] = {
            system: (workload, system, self.setup, setting) for system in systems
        }
        rows[LIMIT] = (limit.limit, self.setup, setting, False, self.sizes.side)
        if low:
            rows[LIMIT_LOW] = (limit.limit, self.setup, setting, True, self.sizes.side)
        return rows

    def shares(self) -> None:
        """Where the time of a step and of an extraction goes."""
        found: dict[str, dict[str, float]] = {}
        for title, task, size, entities in (
            ("training step, batch 16", TRAINING, 16, None),
            ("extraction, batch 32", EXTRACTION, 32, None),
            ("extraction, 3 entities", EXTRACTION, 32, 3),
            ("extraction, 20 entities", EXTRACTION, 32, 20),
        ):
            setting = Setting(task, "lstm", KEPT, min(size, self.sizes.sentences))
            facts = self._facts(costs.shares, self.setup, setting, self.sizes.repetitions, entities)
            found[title] = facts["shares"]
        parts = list(dict.fromkeys(part for column in found.values() for part in column))
        rows: list[list[Any]] = [
            [part, *(100 * column.get(part, 0.0) for column in found.values())] for part in parts
        ]
        together = [
            100 * (column.get(costs.CRF, 0.0) + column.get(costs.RELATIONS, 0.0))
            for column in found.values()
        ]
        self.tables.append(
            Table(
                "Where the shipped model's time goes, % of a repetition",
                "LSTM layers, kept vectors. A part's time is that of its forward functions and, in "
                "training, of its nodes going backwards. In the last two columns every sentence "
                "has at least 20 tokens and exactly so many entities: the tags' scores, once "
                "computed, are raised at evenly spaced tokens so that these are decoded.",
                ["part", *found],
                [*rows, ["CRF and relation scorer together", *together]],
            )
        )

    def relations(self) -> None:
        """A training step of the joint model against one of CrfTagger and the relations' part."""
        if not has_crf_tagger():
            tqdm.write("relations: allennlp-models is not installed; left out")
            return
        setting = Setting(TRAINING, "lstm", KEPT, 16)
        products, networks = "relation layers: bare products", "relation layers: PyTorch's, packed"
        measured = self._measure(
            {
                SHIPPED: (workload, SHIPPED, self.setup, setting),
                CRF_TAGGER: (workload, CRF_TAGGER, self.setup, setting),
                products: (limit.relation_layers, self.setup, setting),
                networks: (costs.relation_networks, self.setup, setting),
            }
        )
        steps = measured[SHIPPED].facts["sentences"] // setting.batch_size
        seconds = {name: found.seconds.median / steps for name, found in measured.items()}
        rows: list[list[Any]] = [
            [name, milliseconds(spread_over(found, steps))] for name, found in measured.items()
        ]
        for name in (products, networks):
            ratio = seconds[SHIPPED] / (seconds[CRF_TAGGER] + seconds[name])
            rows.append([f"{SHIPPED} / ({CRF_TAGGER} + {name})", f"{ratio:.2f}"])
        self.tables.append(
            Table(
                "A training step of the joint model and one of CrfTagger",
                "Batch 16, LSTM layers, kept vectors; milliseconds a step, with quartiles. "
                "The relation layers' own cost is given twice: as their bare matrix products, and "
                "as PyTorch's packed networks, forwards and backwards.",
                ["what", "ms or ratio"],
                rows,
            )
        )

    def growth(self) -> None:
        """Time and memory of long documents and of crowded sentences."""
        documents: list[tuple[int, int | None]]
        documents = [(tokens, None) for tokens in self.sizes.documents]
        documents += [(self.sizes.crowd_tokens, entities) for entities in self.sizes.crowds]
        measured = self._measure(
            {
                str(document): (costs.long_document, self.setup, "lstm", *document)
                for document in documents
            }
        )
        rows = [
            [
                f"{found.facts['tokens']} tokens",
                found.facts["entities"],
                found.facts["relations"],
                milliseconds(found.seconds),
                1e6 * found.seconds.median / found.facts["tokens"],
                found.memory.host,
            ]
            for found in measured.values()
        ]
        self.tables.append(
            Table(
                "Single long documents, and sentences full of entities",
                "Extraction from one sentence by the live encoder, LSTM layers; the corpus's "
                "tokens one after the other. The entities of the last rows are decoded by force.",
                ["document", "entities", "relations", "ms", "µs a token", "peak memory, MB"],
                rows,
            )
        )

    def start(self) -> None:
        """What it takes to start."""
        folder = Path(self.setup.folder)
        found = starts(small_archive(folder), folder, self.sizes.processes)
        bare = found[COMMANDS].median
        self.tables.append(
            Table(
                "Starting",
                "Seconds from start to end of a process; the model is sample_scratch.jsonnet's.",
                ["process", "median, s", "quartiles, s", f"ratio to `{COMMANDS}`"],
                [
                    [name, s.median, f"{s.low:.2f} to {s.high:.2f}", f"{s.median / bare:.3f}"]
                    for name, s in ((name, found[name]) for name in (COMMANDS, PACKAGE, PREDICT))
                ],
            )
        )

    def reading(self) -> None:
        """What it takes to read the ADE corpus."""
        path = find_corpus(ADE, ROOT / "fixtures" / "ade.rel")
        facts = self._facts(costs.reading, str(path), self.sizes.repetitions)
        rows = []
        for name, seconds in facts["seconds"].items():
            times = spread(seconds)
            rows.append([name, milliseconds(times), facts["sentences"] / times.median])
        self.tables.append(
            Table(
                "Reading",
                f"{path.name}: {facts['sentences']} sentences, {facts['tokens']} tokens.",
                ["step", "ms, with quartiles", "sentences/s"],
                rows,
            )
        )

    def streaming(self) -> None:
        """`allennlp predict` over many documents."""
        folder = Path(self.setup.folder)
        found = streams(small_archive(folder), folder, self.sizes.streams)
        self.tables.append(
            Table(
                "Streaming through `allennlp predict`",
                "Documents of one sentence, sample_scratch.jsonnet's model; start included.",
                ["documents", "s", "documents/s", "peak memory, MB"],
                [[str(n), run.seconds, n / run.seconds, run.megabytes] for n, run in found],
            )
        )

    def _measure(self, rows: dict[str, tuple]) -> dict[str, Measured]:
        sizes = self.sizes
        return take_turns(rows, sizes.repetitions, sizes.most_seconds, sizes.in_process)

    def _facts(self, make: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """What a workload found out while it was made."""
        return facts_from(make, *arguments, in_process=self.sizes.in_process)


SECTIONS: dict[str, Callable[[Benchmark], None]] = {
    TRAINING: lambda run: run.compare(TRAINING),
    EXTRACTION: lambda run: run.compare(EXTRACTION),
    "shares": Benchmark.shares,
    "relations": Benchmark.relations,
    "growth": Benchmark.growth,
    "start": Benchmark.start,
    "reading": Benchmark.reading,
    "streaming": Benchmark.streaming,
}


def spread_over(found: Measured, steps: int) -> Spread:
    """A repetition's seconds, divided by its steps."""
    median, low, high, repetitions, best = found.seconds
    return Spread(median / steps, low / steps, high / steps, repetitions, best / steps)


def _section(setting: Setting) -> str:
    return TRAINING if setting.task == TRAINING else EXTRACTION


def find_corpus(name: Path, otherwise: Path) -> Path:
    """A corpus of JOINT_NER_RE_DATA, or the file that everybody has."""
    data = os.environ.get("JOINT_NER_RE_DATA")
    path = Path(data, name) if data else None
    return path if path is not None and path.exists() else otherwise
