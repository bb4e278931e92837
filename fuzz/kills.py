"""`kill -9` at random moments, and the same command again: what is lost, and what comes of it.

    python fuzz/kills.py --kills 8 --seed 1 -o build/fuzz

writes kills.json and kills.md, and exits with 1 where something was lost or differs. Every run is a
process of its own with a hash seed of its own. Half of the kills come after a random time, which
may fall into the imports or other set-up; half come shortly after a random step: an operation on
files in the output directory, or a change of a search's study.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import math
import os
import random
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from joint_ner_re.tables import markdown_table  # noqa: E402
from joint_ner_re.writing import write_json, write_text  # noqa: E402

WATCHED = ROOT / "fuzz" / "watched_command.py"
TINY = str(ROOT / "fixtures" / "tiny.jsonnet")
BATCH_DOCUMENTS = 4
# Keys that say how long something took, or which process did it.
TIMES = ("seconds", "duration", "_MB", "attempts", "directory", "version")
UNFINISHED = (".part", ".log", ".lock", "-journal", "-wal", "-shm")
# After so many kills in a row without any progress, a run is left alone.
MAX_WITHOUT_PROGRESS = 2


class Kind(NamedTuple):
    """A command that is killed.

    # Parameters

    command : `Callable[[Path], list[str]]`
        What to type for a result in this directory.
    done : `Callable[[Path], dict[str, Any]]`
        The finished units of work by name, each with a value that changes when it is done again.
    unit : `str`
        What such a unit is called.
    """

    command: Callable[[Path], list[str]]
    done: Callable[[Path], dict[str, Any]]
    unit: str


class Ended(NamedTuple):
    """How a process ended: its status (`None` if it was killed), its seconds, and its steps."""

    code: int | None
    seconds: float
    steps: int


# The commands


def recovering(place: Path) -> list[str]:
    """`--recover`, once there is something to resume."""
    return ["--recover"] if (place / "run").exists() else []


def overrides(**values: Any) -> list[str]:
    return ["-o", json.dumps({name.replace("__", "."): value for name, value in values.items()})]


def epochs(place: Path) -> dict[str, Any]:
    """The finished epochs, whose files are new ones when they are done again."""
    found = {}
    for path in place.rglob("metrics_epoch_*.json"):
        with contextlib.suppress(OSError):
            found[str(path.relative_to(place))] = path.stat().st_ino
    return found


def documents(place: Path) -> dict[str, Any]:
    """The documents of the batches that are recorded as written."""
    state, whole = place / "out.jsonl.part.json", place / "out.jsonl"
    if whole.exists():
        return dict.fromkeys(map(str, range(len(whole.read_text().splitlines()))))
    count = json.loads(state.read_text())["documents"] if state.exists() else 0
    return dict.fromkeys(map(str, range(count)))


def files(place: Path) -> dict[str, Any]:
    """The finished files."""
    return {str(path.relative_to(place)): None for path in files_of(place)}


def vectors(place: Path) -> dict[str, Any]:
    """What is in the cache."""
    found: dict[str, Any] = {}
    for path in place.glob("cache/*.sqlite"):
        # There may be no table yet.
        missing = contextlib.suppress(sqlite3.OperationalError)
        with contextlib.closing(sqlite3.connect(path)) as database, missing:
            rows = database.execute("SELECT key, numbers FROM vectors").fetchall()
            found.update((key.hex(), numbers) for key, numbers in rows)
    return found


def make_kinds(folder: Path) -> dict[str, Kind]:
    """The kinds of campaigns, with what they need made in the folder."""
    archive, encoder = folder / "model.tar.gz", folder / "encoder"
    make_encoder(encoder)
    source = folder / "documents.txt"
    lines = (ROOT / "fixtures" / "sample" / "raw.txt").read_text(encoding="utf-8").splitlines()
    source.write_text("\n".join(lines * 4) + "\n", encoding="utf-8")
    trained = run(["train", TINY, "-s", str(folder / "run")], folder, folder / "training.log")
    assert trained.code == 0, (folder / "training.log").read_text()
    shutil.copy(folder / "run" / "model.tar.gz", archive)
    pieces = {"type": "word_pieces", "model_name": str(encoder)}
    embedder = {"type": "transformer", "model_name": str(encoder), "layers": [-1]}
    # Nearly every epoch is the best one so far: its weights are written, too.
    improving = {"trainer__validation_metric": "-loss"}
    folds = {"dataset_reader__num_folds": 2, "dataset_reader__dev_fraction": 0.3}

    def cached(place: Path) -> list[str]:
        return [
            "train", TINY, "-s", str(place / "run"), *recovering(place),
            *overrides(
                trainer__num_epochs=2,
                dataset_reader__type="joint_ner_re",
                train_data_path=str(ROOT / "fixtures" / "sample" / "train.jsonl"),
                validation_data_path=str(ROOT / "fixtures" / "sample" / "dev.jsonl"),
                dataset_reader__token_indexers__pieces=pieces,
                model__text_field_embedder__token_embedders__pieces={
                    **embedder, "cache_directory": str(place / "cache"),
                },
            ),
        ]  # fmt: skip

    return {
        "training": Kind(
            lambda place: [
                "train", TINY, "-s", str(place / "run"), *recovering(place),
                *overrides(trainer__num_epochs=6, **improving),
            ],
            epochs,
            "epoch",
        ),
        "cross-validation": Kind(
            lambda place: [
                "cross-validate", TINY, "-s", str(place / "run"), "--keep-checkpoints",
                *overrides(trainer__num_epochs=3, **improving, **folds),
            ],
            epochs,
            "epoch",
        ),
        "search": Kind(
            lambda place: [
                "search", TINY, "-s", str(place / "run"), "--trials", "2", "--keep-checkpoints",
                *overrides(trainer__num_epochs=3, **improving),
            ],
            epochs,
            "epoch",
        ),
        "repetition": Kind(
            lambda place: [
                "repeat", TINY, "-s", str(place / "run"), "--seeds", "1,2", "--keep-checkpoints",
                *overrides(trainer__num_epochs=2, **improving),
            ],
            epochs,
            "epoch",
        ),
        "ablation": Kind(
            lambda place: [
                "ablate", TINY, "-s", str(place / "run"), "--keep-checkpoints",
                *overrides(trainer__num_epochs=1, **improving),
            ],
            epochs,
            "epoch",
        ),
        "cache": Kind(cached, vectors, "vector"),
        "extraction": Kind(
            lambda place: [
                "extract", str(archive), str(source), str(place / "out.jsonl"),
                "--batch-documents", str(BATCH_DOCUMENTS),
            ],
            documents,
            "document",
        ),
        "threshold": Kind(
            lambda place: [
                "tune-threshold", str(archive), str(ROOT / "fixtures" / "conll04_spert.json"),
                "-s", str(place / "run"), "--output-archive", str(place / "tuned.tar.gz"),
            ],
            files,
            "file",
        ),
        "prediction": Kind(
            lambda place: [
                "predict", str(archive), str(source), "--silent",
                "--output-file", str(place / "out.jsonl"),
            ],
            files,
            "file",
        ),
        "conversion": Kind(
            lambda place: [
                "convert", str(ROOT / "fixtures" / "sample" / "train.jsonl"), str(place / "brat"),
                "--to", "brat",
            ],
            files,
            "file",
        ),
    }  # fmt: skip


def make_encoder(directory: Path) -> None:
    """An encoder of BERT's kind, so small that it costs nothing."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    directory.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,-"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    (directory / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizerFast(str(directory / "vocab.txt")).save_pretrained(str(directory))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=256,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(directory))


# A run, and its end


def run(
    arguments: list[str],
    place: Path,
    log: Path,
    after: float | None = None,
    step: int | None = None,
    hash_seed: int = 0,
    limit: float = 600,
) -> Ended:
    """Run `allennlp` with these arguments in a process of its own.

    # Parameters

    place : `Path`
        The directory in which operations on files count as steps.
    log : `Path`
        Takes what the process prints.
    after : `float`, optional (default = `None`)
        It is killed after so many seconds, counted from the given step if there is one.
    step : `int`, optional (default = `None`)
        It is killed after so many steps.
    hash_seed : `int`, optional (default = `0`)
        The order of Python's sets.
    limit : `float`, optional (default = `600`)
        After so many seconds the process counts as hanging.
    """
    reader, writer = os.pipe()
    started = time.monotonic()
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WATCHED), str(writer), str(place), *arguments],
            cwd=ROOT,
            env={
                **os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed),
                "OMP_NUM_THREADS": "1",
            },
            stdout=output,
            stderr=output,
            pass_fds=[writer],
        )  # fmt: skip
    os.close(writer)
    steps, killed = 0, False
    kill_at = started + after if after is not None and step is None else math.inf
    while True:
        now = time.monotonic()
        assert now - started < limit, f"{arguments} hangs; see {log}"
        if now >= kill_at and not killed:
            process.kill()
            killed = True
        wait = 0.05 if killed else min(0.05, kill_at - now)
        ready, _, _ = select.select([reader], [], [], max(wait, 0))
        if not ready:
            continue
        data = os.read(reader, 65536)
        if not data:
            break
        steps += len(data)
        if step is not None and steps >= step and kill_at == math.inf:
            kill_at = time.monotonic() + (after or 0)
    os.close(reader)
    code = process.wait()
    seconds = time.monotonic() - started
    return Ended(None if code == -signal.SIGKILL else code, seconds, steps)


# What a directory holds


def files_of(place: Path) -> list[Path]:
    """The files under their final names, which must be complete."""
    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and not any(part.endswith(".tmp") for part in path.relative_to(place).parts)
        and not path.name.endswith(UNFINISHED)
    ]


def leftovers(place: Path) -> list[str]:
    """What a finished run must not leave behind."""
    return [
        str(path.relative_to(place))
        for path in sorted(place.rglob("*"))
        if path.name.endswith((".tmp", ".part", ".part.json"))
    ]


def corrupt_files(place: Path, reference: dict[str, Any]) -> list[str]:
    """The files that cannot be read to their end."""
    broken = []
    for path in files_of(place):
        name = str(path.relative_to(place))
        try:
            content = content_of(path)
        except FileNotFoundError:
            continue
        except Exception as error:
            broken.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if path.suffix == ".txt" and content != reference.get(name, content):
            broken.append(f"{name}: another text than the reference's")
    return broken


def content_of(path: Path) -> Any:
    """What a file holds, without times, so that two files can be compared."""
    if path.suffix == ".th":
        return tensors_of(torch.load(path, map_location="cpu"))
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            members = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
            contents = {name: file.read() for name, file in members.items() if file is not None}
        weights = tensors_of(torch.load(io.BytesIO(contents.pop("weights.th"))))
        texts = {name: text for name, text in contents.items() if name.endswith(".txt")}
        # The configuration may name a directory of this run, and the rest is compared with it.
        return [weights, texts, sorted(contents), contents["meta.json"]]
    if path.suffix == ".json":
        return timeless(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".jsonl":
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line)
        return path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".png":
        assert path.read_bytes()[-8:-4] == b"IEND", "the picture has no end"
        return None
    if path.suffix in (".db", ".sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if path.suffix == ".sqlite":
                for (numbers,) in database.execute("SELECT numbers FROM vectors"):
                    row = struct.unpack(f"<{len(numbers) // 4}f", numbers)
                    assert row and len(row) % 16 == 0 and all(map(math.isfinite, row))
        return None
    text = path.read_text(encoding="utf-8")
    # Tables tell of seconds.
    return None if path.suffix == ".md" else text


def tensors_of(value: Any, name: str = "") -> dict[str, str]:
    """The tensors in a state by name, as digests: bit for bit."""
    if isinstance(value, torch.Tensor):
        return {name: hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()}
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, (list, tuple)):
        items = enumerate(value)
    return {k: v for key, inner in items for k, v in tensors_of(inner, f"{name}.{key}").items()}


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not any(t in k for t in TIMES)}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def contents_of(place: Path) -> dict[str, Any]:
    """The end result of a run: every file that it leaves, and the cache's rows."""
    found = {str(path.relative_to(place)): content_of(path) for path in files_of(place)}
    # The configuration names the directory of the cache.
    return {
        name.replace(str(place), ""): content
        for name, content in found.items()
        if Path(name).name not in ("config.json", "settings.json")
    }


# The campaign


class Record:
    """What the kills of one kind of command have shown."""

    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit, self.units = name, unit, 0
        self.kills = self.rounds = self.done_again = self.vanished = 0
        self.seconds_of_a_run = self.seconds = 0.0
        self.phases: Counter[str] = Counter()
        self.corrupt: list[str] = []
        self.failed: list[str] = []
        self.different: list[str] = []
        self.left_behind: list[str] = []

    def troubles(self, number: int) -> list[str]:
        """What went wrong in a round."""
        found = (*self.corrupt, *self.failed, *self.different, *self.left_behind)
        return [text for text in found if text.startswith(f"round {number}:")]

    def is_well(self) -> bool:
        at_most = {"epoch": 1, "document": BATCH_DOCUMENTS, "vector": 0, "file": 0}[self.unit]
        found = (self.corrupt, self.failed, self.different, self.left_behind)
        return self.done_again <= at_most and not self.vanished and not any(found)


class Campaign:
    """The kills of one kind of command."""

    def __init__(self, name: str, kind: Kind, folder: Path, seed: int) -> None:
        self.record = Record(name, kind.unit)
        self._kind, self._folder = kind, folder
        self._numbers = random.Random(f"{seed} {name}")
        self._log = folder / f"{name}.log"

    def run(self, kills: int) -> Record:
        """Run the command once without a kill, then again and again with so many in all."""
        record, started = self.record, time.monotonic()
        place = self._place("reference")
        self._whole = run(self._kind.command(place), place, self._log)
        assert self._whole.code == 0, self._log.read_text()
        record.seconds_of_a_run = round(self._whole.seconds, 1)
        self._expected = contents_of(place)
        record.units = len(self._kind.done(place))
        while record.kills < kills:
            record.rounds += 1
            place = self._place(f"round-{record.rounds}")
            self._round(place, kills)
            troubles = record.troubles(record.rounds)
            if troubles:
                print(f"{record.name}: look at {place}: {troubles[0][:200]}", flush=True)
            else:
                shutil.rmtree(place)
        record.seconds = round(time.monotonic() - started, 1)
        return record

    def _place(self, title: str) -> Path:
        place = self._folder / f"{self.record.name}-{title}"
        place.mkdir()
        return place

    def _plan(self) -> dict[str, Any]:
        """When to kill."""
        numbers = self._numbers
        if numbers.random() < 0.5:
            return {"after": numbers.uniform(0, self._whole.seconds)}
        return {
            "step": numbers.randint(1, self._whole.steps),
            "after": numbers.choice([0, 0, numbers.uniform(0, 0.01)]),
        }

    def _round(self, place: Path, kills: int) -> None:
        """Kill the command and run it again, until it comes to its end."""
        record, kind = self.record, self._kind
        title = f"round {record.rounds}:"
        idle = 0
        while True:
            leave = record.kills >= kills or idle >= MAX_WITHOUT_PROGRESS
            before = kind.done(place)
            ended = run(
                kind.command(place),
                place,
                self._log,
                hash_seed=self._numbers.randrange(2**32),
                **({} if leave else self._plan()),
            )
            after = kind.done(place)
            if kind.unit == "epoch":
                # An epoch that was lost and done again has another file.
                again = sum(after.get(unit) != before[unit] for unit in before if unit in after)
                record.done_again = max(record.done_again, again)
            record.vanished += len(set(before) - set(after))
            if ended.code is not None:
                break
            record.kills += 1
            idle = 0 if set(after) - set(before) else idle + 1
            record.phases[_phase(ended, len(after), record.units)] += 1
            record.corrupt += [f"{title} {text}" for text in corrupt_files(place, self._expected)]
            if kind.unit == "document":
                record.done_again = max(record.done_again, unrecorded(place))
        said = self._log.read_text()
        # A kill may come when the output is complete: then the command does not replace it. What
        # follows tells whether it is complete.
        if ended.code and " exists" not in said:
            record.failed.append(f"{title} {said[-800:]}")
            return
        found = contents_of(place)
        for file in sorted({*self._expected, *found}):
            if self._expected.get(file) != found.get(file):
                where = "is missing" if file not in found else "differs"
                record.different.append(f"{title} {file} {where}")
        record.left_behind += [f"{title} {file}" for file in leftovers(place)]


PHASES = ("in set-up", "before the first", "between", "after the last")


def _phase(ended: Ended, done: int, total: int) -> str:
    """How far the killed process had come; in set-up it had not touched its output."""
    if ended.steps == 0:
        return PHASES[0]
    if done == 0:
        return PHASES[1]
    return PHASES[2] if done < total else PHASES[3]


def unrecorded(place: Path) -> int:
    """The lines of an extraction that are written, but will be written again."""
    part = place / "out.jsonl.part"
    if not part.exists():
        return 0
    return max(0, part.read_bytes().count(b"\n") - len(documents(place)))


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def markdown(records: list[Record], seed: int) -> str:
    rows = [
        [
            record.name,
            record.kills,
            ", ".join(f"{record.phases[name]} {name}" for name in PHASES)
            + f" of {_counted(record.units, record.unit)}",
            record.rounds,
            _counted(record.done_again, record.unit),
            len(record.corrupt),
            len(record.failed),
            len(record.left_behind),
            "no" if record.different else "yes",
            record.seconds,
        ]
        for record in records
    ]
    header = [
        "killed", "kills", "when", "runs to the end", "done again, at most", "corrupt files",
        "restarts that failed", "left behind", "result as without a kill", "seconds",
    ]  # fmt: skip
    return f"# `kill -9` at random moments, seed {seed}\n\n{markdown_table(header, rows)}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=8, help="of each kind (default: 8)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="a kind; may be given several times")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "fuzz")
    args = parser.parse_args()
    os.environ["ALLENNLP_LOG_LEVEL"] = "WARNING"
    args.output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    kinds = make_kinds(folder)
    unknown = sorted({*(args.only or [])} - {*kinds})
    if unknown:
        parser.error(f"--only {unknown[0]}: expected one of {', '.join(kinds)}")
    records = []
    print(f"seed {args.seed}; logs and failing rounds in {folder}", flush=True)
    for name in args.only or kinds:
        record = Campaign(name, kinds[name], folder, args.seed).run(args.kills)
        records.append(record)
        print(json.dumps(vars(record), indent=2), flush=True)
        kinds_so_far = [vars(one) for one in records]
        write_json(args.output / "kills.json", {"seed": args.seed, "kinds": kinds_so_far})
        write_text(args.output / "kills.md", markdown(records, args.seed))
    if not all(record.is_well() for record in records):
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
