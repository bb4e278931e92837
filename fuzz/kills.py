"""`kill -9` at random moments, and the same command again: what is lost, and what comes of it.

    python fuzz/kills.py --kills 50 --seed 1 -o build/fuzz

writes kills.json and kills.md, and exits with 1 where something was lost or differs. A process that
has imported everything forks one for each run, so that a run costs its own work only. Half of the
kills come after a random time, half shortly after a random operation on files, where writes are.
"""

import argparse
import contextlib
import functools
import gc
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
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import optuna  # noqa: E402
from allennlp.commands import main as allennlp  # noqa: E402
from allennlp.commands.train import train_model_from_file  # noqa: E402
from tqdm import tqdm  # noqa: E402

import joint_ner_re.plugin  # noqa: E402, F401
from joint_ner_re.dataset_readers import joint_reader  # noqa: E402
from joint_ner_re.experiments.search import Search  # noqa: E402, F401 (imports Optuna)
from joint_ner_re.figures import new_figure  # noqa: E402
from joint_ner_re.tables import markdown_table  # noqa: E402
from joint_ner_re.writing import write_json, write_text  # noqa: E402

TINY = str(ROOT / "fixtures" / "tiny.jsonnet")
BATCH_DOCUMENTS = 4
# What says how long something took, or which process did it.
TIMES = ("seconds", "duration", "_MB", "attempts", "directory", "version")
UNFINISHED = (".part", ".log", ".lock", "-journal", "-wal", "-shm")
# So many kills in a row without any progress, then a run is left alone.
WITHOUT_PROGRESS = 2


class Kind(NamedTuple):
    """A command that is killed.

    # Parameters

    command : `Callable[[Path], List[str]]`
        What to type for a result in this directory.
    done : `Callable[[Path], Dict[str, Any]]`
        The units of work that are finished by name, with something that changes when one is done
        again.
    unit : `str`
        What such a unit is called.
    """

    command: Callable[[Path], List[str]]
    done: Callable[[Path], Dict[str, Any]]
    unit: str


class Ended(NamedTuple):
    code: Optional[int]
    seconds: float
    writes: int


# The commands


def recovering(place: Path) -> List[str]:
    """`--recover`, once there is something to go on from."""
    return ["--recover"] if (place / "run").exists() else []


def overrides(**values: Any) -> List[str]:
    return ["-o", json.dumps({name.replace("__", "."): value for name, value in values.items()})]


def epochs(place: Path) -> Dict[str, Any]:
    """The finished epochs, whose files are new ones when they are done again."""
    found = {}
    for path in place.rglob("metrics_epoch_*.json"):
        with contextlib.suppress(OSError):
            found[str(path.relative_to(place))] = path.stat().st_ino
    return found


def documents(place: Path) -> Dict[str, Any]:
    """The documents of the batches that are recorded as written."""
    state, whole = place / "out.jsonl.part.json", place / "out.jsonl"
    if whole.exists():
        return dict.fromkeys(map(str, range(len(whole.read_text().splitlines()))))
    count = json.loads(state.read_text())["documents"] if state.exists() else 0
    return dict.fromkeys(map(str, range(count)))


def vectors(place: Path) -> Dict[str, Any]:
    """What is in the cache."""
    found: Dict[str, Any] = {}
    for path in place.glob("cache/*.sqlite"):
        # There may be no table yet.
        missing = contextlib.suppress(sqlite3.OperationalError)
        with contextlib.closing(sqlite3.connect(path)) as database, missing:
            rows = database.execute("SELECT key, numbers FROM vectors").fetchall()
            found.update((key.hex(), numbers) for key, numbers in rows)
    return found


def make_kinds(folder: Path) -> Dict[str, Kind]:
    """The kinds of campaigns, with what they need made in the folder."""
    archive, encoder = folder / "model.tar.gz", folder / "encoder"
    make_encoder(encoder)
    source = folder / "documents.txt"
    lines = (ROOT / "fixtures" / "sample" / "raw.txt").read_text(encoding="utf-8").splitlines()
    source.write_text("\n".join(lines * 4) + "\n", encoding="utf-8")
    # In this process, which knows the tokenizer from then on.
    train_model_from_file(TINY, str(folder / "run"))
    shutil.copy(folder / "run" / "model.tar.gz", archive)
    pieces = {"type": "word_pieces", "model_name": str(encoder)}
    embedder = {"type": "transformer", "model_name": str(encoder), "layers": [-1]}
    # Nearly every epoch is the best one so far: its weights are written, too.
    improving = {"trainer__validation_metric": "-loss"}
    folds = {"dataset_reader__num_folds": 2, "dataset_reader__dev_fraction": 0.3}

    def cached(place: Path) -> List[str]:
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
        "cache": Kind(cached, vectors, "vector"),
        "extraction": Kind(
            lambda place: [
                "extract", str(archive), str(source), str(place / "out.jsonl"),
                "--batch-documents", str(BATCH_DOCUMENTS),
            ],
            documents,
            "document",
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
    arguments: List[str],
    place: Path,
    log: Path,
    after: Optional[float] = None,
    write: Optional[int] = None,
    limit: float = 120,
) -> Ended:
    """Run `allennlp` with these arguments in a process of its own.

    # Parameters

    place : `Path`
        Operations on files in it are counted.
    log : `Path`
        What it prints.
    after : `float`, optional (default = `None`)
        It is killed after so many seconds, counted from the given operation if there is one.
    write : `int`, optional (default = `None`)
        It is killed after so many operations.
    """
    reader, writer = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reader)
        _work(arguments, place, log, writer)
    os.close(writer)
    writes, code = 0, None
    kill_at = started + after if after is not None and write is None else None
    killed = False
    while True:
        now = time.monotonic()
        assert now - started < limit, f"{arguments} hangs; see {log}"
        if kill_at is not None and now >= kill_at and not killed:
            os.kill(child, signal.SIGKILL)
            killed = True
        wait = min(0.05, kill_at - now) if kill_at is not None and not killed else 0.05
        ready, _, _ = select.select([reader], [], [], max(wait, 0))
        if not ready:
            continue
        data = os.read(reader, 65536)
        if not data:
            break
        writes += len(data)
        if write is not None and writes >= write and kill_at is None:
            kill_at = time.monotonic() + (after or 0)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
    return Ended(code, time.monotonic() - started, writes)


_OPERATIONS = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate"}


def _work(arguments: List[str], place: Path, log: Path, pipe: int) -> None:
    """The forked process: it tells of each operation on files, and never returns."""
    prefix = str(place)

    def tell(event: str, given: Any) -> None:
        if event == "open":
            writes = isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in _OPERATIONS
        if writes and isinstance(given[0], str) and given[0].startswith(prefix):
            os.write(pipe, b".")

    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(ROOT)
        torch.set_num_threads(1)
        sys.addaudithook(tell)
        sys.argv = ["allennlp", *arguments]
        allennlp(prog="allennlp")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        print(end.code)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# What a directory holds


def files_of(place: Path) -> List[Path]:
    """The files that stand there as if they were whole."""
    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and not any(part.endswith(".tmp") for part in path.relative_to(place).parts)
        and not path.name.endswith(UNFINISHED)
    ]


def corrupt_files(place: Path, reference: Dict[str, Any]) -> List[str]:
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
        return [weights, texts, json.loads(contents["config.json"])["model"]["type"]]
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


def tensors_of(value: Any, name: str = "") -> Dict[str, str]:
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


def contents_of(place: Path) -> Dict[str, Any]:
    """The end result of a run: every file that it leaves, and the cache's rows."""
    found = {str(path.relative_to(place)): content_of(path) for path in files_of(place)}
    # The configuration names the directory of the cache.
    return {
        name.replace(str(place), ""): content
        for name, content in found.items()
        if Path(name).name not in ("config.json", "settings.json")
    }


# The campaign


def campaign(name: str, kind: Kind, folder: Path, kills: int, seed: int) -> Dict[str, Any]:
    """Kill one kind of command so many times."""
    numbers = random.Random(f"{seed} {name}")
    started = time.monotonic()
    log = folder / f"{name}.log"

    def begin(title: str) -> Path:
        place = folder / f"{name}-{title}"
        place.mkdir()
        return place

    place = begin("reference")
    whole = run(kind.command(place), place, log)
    assert whole.code == 0, log.read_text()
    expected, total = contents_of(place), len(kind.done(place))
    phases: Counter = Counter()
    corrupt: List[str] = []
    different: List[str] = []
    failures: List[str] = []
    done_again, lost_vectors, killed, restarts, rounds = 0, 0, 0, 0, 0
    while killed < kills:
        rounds += 1
        place = begin(f"round-{rounds}")
        idle = 0
        known: Set[str] = set()
        while True:
            leave = killed >= kills or idle >= WITHOUT_PROGRESS
            plan: Dict[str, Any] = {}
            if not leave and numbers.random() < 0.5:
                plan = {"after": numbers.uniform(0, whole.seconds)}
            elif not leave:
                plan = {
                    "write": numbers.randint(1, whole.writes),
                    "after": numbers.choice([0, 0, numbers.uniform(0, 0.01)]),
                }
            before = kind.done(place)
            ended = run(kind.command(place), place, log, **plan)
            after = kind.done(place)
            if known and kind.unit == "epoch":
                # An epoch whose file is another one than before was finished, lost, and done again.
                again = sum(after.get(unit) != before[unit] for unit in before if unit in after)
                done_again = max(done_again, again)
            lost_vectors += len(set(before) - set(after))
            known = set(after)
            if ended.code is not None:
                if ended.code:
                    failures.append(f"seed {seed}, round {rounds}: {log.read_text()[-800:]}")
                break
            killed += 1
            restarts += 1
            idle = 0 if set(after) - set(before) else idle + 1
            phases[phase(place, len(after), total)] += 1
            corrupt += [f"round {rounds}: {text}" for text in corrupt_files(place, expected)]
            if kind.unit == "document":
                done_again = max(done_again, unrecorded(place))
        if not failures or not failures[-1].startswith(f"seed {seed}, round {rounds}:"):
            found = contents_of(place)
            for file in sorted({*expected, *found}):
                if expected.get(file) != found.get(file):
                    where = "is missing" if file not in found else "differs"
                    different.append(f"round {rounds}: {file} {where}")
        troubles = [
            text for text in (*different, *failures, *corrupt) if f"round {rounds}:" in text
        ]
        if troubles:
            print(f"{name}: look at {place}: {troubles[0][:200]}", flush=True)
        else:
            shutil.rmtree(place)
        gc.collect()
    return {
        "kind": name,
        "unit": kind.unit,
        "units": total,
        "kills": killed,
        "phases": dict(phases),
        "restarts": restarts,
        "finished runs": rounds,
        "done again at most": done_again,
        "units that vanished": lost_vectors,
        "corrupt files": corrupt,
        "restarts that failed": failures,
        "different from the uninterrupted run": different,
        "seconds of a whole run": round(whole.seconds, 2),
        "seconds": round(time.monotonic() - started, 1),
    }


def phase(place: Path, done: int, total: int) -> str:
    """How far the killed run had come."""
    if done == 0:
        return "before the first"
    return "between" if done < total else "after the last"


def unrecorded(place: Path) -> int:
    """The lines of an extraction that are written, but will be written again."""
    part = place / "out.jsonl.part"
    if not part.exists():
        return 0
    return max(0, part.read_bytes().count(b"\n") - len(documents(place)))


def is_well(record: Dict[str, Any]) -> bool:
    at_most = {"epoch": 1, "document": BATCH_DOCUMENTS, "vector": 0}[record["unit"]]
    return (
        record["done again at most"] <= at_most
        and not record["units that vanished"]
        and not record["corrupt files"]
        and not record["restarts that failed"]
        and not record["different from the uninterrupted run"]
    )


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def markdown(records: List[Dict[str, Any]], seed: int) -> str:
    rows = [
        [
            record["kind"],
            record["kills"],
            ", ".join(
                f"{record['phases'].get(name, 0)} {name}"
                for name in ("before the first", "between", "after the last")
            )
            + f" of {_counted(record['units'], record['unit'])}",
            record["finished runs"],
            _counted(record["done again at most"], record["unit"]),
            len(record["corrupt files"]),
            len(record["restarts that failed"]),
            "no" if record["different from the uninterrupted run"] else "yes",
            record["seconds"],
        ]
        for record in records
    ]
    header = [
        "killed", "kills", "when", "runs to the end", "done again, at most", "corrupt files",
        "restarts that failed", "result as without a kill", "seconds",
    ]  # fmt: skip
    return f"# `kill -9` at random moments, seed {seed}\n\n{markdown_table(header, rows)}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each kind (default: 50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="a kind; may be given several times")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "fuzz")
    args = parser.parse_args()
    os.environ["ALLENNLP_LOG_LEVEL"] = "WARNING"
    torch.set_num_threads(1)
    # tqdm's own is shared by forked processes: the next ones would wait for who was killed with it.
    tqdm.set_lock(threading.RLock())
    # Each run would make spaCy's tokenizer anew, which takes longer than the run.
    joint_reader.TextTokenizer = functools.lru_cache(None)(joint_reader.TextTokenizer)  # type: ignore
    # What the commands import only when they need it.
    assert optuna.storages.RDBStorage and optuna.samplers.TPESampler
    new_figure("")[0].savefig(io.BytesIO())
    args.output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    kinds = make_kinds(folder)
    unknown = sorted({*(args.only or [])} - {*kinds})
    if unknown:
        parser.error(f"--only {unknown[0]}: expected one of {', '.join(kinds)}")
    records = []
    print(f"seed {args.seed}; logs and failing rounds in {folder}", flush=True)
    for name in args.only or kinds:
        record = campaign(name, kinds[name], folder, args.kills, args.seed)
        records.append(record)
        print(json.dumps(record, indent=2), flush=True)
        write_json(args.output / "kills.json", {"seed": args.seed, "kinds": records})
        write_text(args.output / "kills.md", markdown(records, args.seed))
    if not all(map(is_well, records)):
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
