"""How fast, large and quick to start exported models are, beside the archive they were made of.

    python benchmarks/runtime.py MODEL.tar.gz EXPORTED EXPORTED_IN_8_BITS CORPUS

Every row has a process of its own; rows that are compared take turns. Exported models run where
torch, transformers and AllenNLP cannot be imported. On a machine that does other things, too, read
the CPU seconds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
BATCH = 32
SECTIONS = ("speed", "start", "memory", "size")
BLOCKED = ("allennlp", "torch", "transformers", "onnx")
EXTRAS = {"exported": ("runtime",), "archive": ("train", "minilm")}
# AllenNLP is installed without its own requirements, so no extra names it.
BESIDE = {"exported": (), "archive": ("allennlp",)}


class Blocked:
    """Hides the large libraries, as if they were not installed."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Raise the error of a missing module for the large libraries."""
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main() -> None:
    """Measure everything and print it, or measure one row in this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive")
    parser.add_argument("exported")
    parser.add_argument("exported_8")
    parser.add_argument("corpus", help="a corpus, whose sentences are extracted as raw texts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--documents", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS)
    parser.add_argument(
        "--without-archive", action="store_true", help="measure the exported models alone"
    )
    args = parser.parse_args()
    models = {
        "archive": args.archive, "exported": args.exported, "exported, 8 bits": args.exported_8,
    }  # fmt: skip
    if args.without_archive:
        del models["archive"]
    if "speed" in args.only:
        _print_speed(models, args)
    if "start" in args.only:
        _print_start(models, args)
    if "memory" in args.only:
        _print_memory(models, args)
    if "size" in args.only:
        print("\n| installed, with all that it needs | MB |\n| --- | ---: |")
        for name in EXTRAS:
            print(f"| {name} | {installed_megabytes(name):,.0f} |")


def _print_speed(models: dict[str, str], args: argparse.Namespace) -> None:
    print("| model | threads | sentences/s | sentences a CPU second | to the first |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for threads in args.threads:
        rows = {name: Row("speed", path, args.corpus, threads) for name, path in models.items()}
        found = in_turn(rows, args.repetitions)
        first = rate(next(iter(found.values())), "cpu")
        for name, answers in found.items():
            by_wall, by_cpu = rate(answers, "wall"), rate(answers, "cpu")
            share = by_cpu / first
            print(f"| {name} | {threads} | {by_wall:.0f} | {by_cpu:.0f} | {share:.2f} |")


def _print_start(models: dict[str, str], args: argparse.Namespace) -> None:
    print("\n| process with one sentence | s | CPU s | peak memory, MB |")
    print("| --- | ---: | ---: | ---: |")
    for name, path in models.items():
        walls, cpus, sizes = [], [], []
        for _ in range(args.repetitions):
            begin = time.perf_counter()
            answer = Row("start", path, args.corpus, 1).answer()
            walls.append(time.perf_counter() - begin)
            cpus.append(answer["cpu"])
            sizes.append(answer["megabytes"])
        print(f"| {name} | {median(walls):.2f} | {median(cpus):.2f} | {median(sizes):.0f} |")


def _print_memory(models: dict[str, str], args: argparse.Namespace) -> None:
    print("\n| documents streamed | " + " | ".join(f"{n:,}" for n in args.documents) + " |")
    print("| --- |" + " ---: |" * len(args.documents))
    for name, path in models.items():
        sizes = [
            Row("memory", path, args.corpus, args.threads[0], count).answer()["megabytes"]
            for count in args.documents
        ]
        print(f"| {name}, peak MB | " + " | ".join(f"{size:.0f}" for size in sizes) + " |")


class Worker:
    """A process that measures, and answers on its standard output.

    # Parameters

    arguments : `Sequence[str]`
        What Python runs.
    threads : `int`
    """

    def __init__(self, arguments: Sequence[str], threads: int) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")]),
            },
        )  # fmt: skip

    def repeat(self) -> dict[str, float]:
        """Measure once more.

        # Raises

        `SystemExit`
            If the process has ended, with the last line of what it wrote to standard error.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self._read(self._process.stdout.readline())

    def answer(self) -> dict[str, float]:
        """The only answer of a process that ends by itself; raises what `repeat` raises."""
        *_, last = ["", *self._process.communicate()[0].splitlines()]
        return self._read(last)

    def _read(self, line: str) -> dict[str, float]:
        if not line:
            self._process.wait()
            self._errors.seek(0)
            *_, reason = ["no message", *self._errors.read().split("\n")[:-1]]
            raise SystemExit(f"a row's process ended by itself: {reason}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Row(Worker):
    """One measurement of a model in a process of its own.

    # Parameters

    kind : `str`
        `"speed"`, which is repeated for each line of input, `"start"` or `"memory"`.
    model, corpus : `str`
        The paths.
    threads : `int`
    documents : `int`, optional (default = `0`)
        For `"memory"`.
    """

    def __init__(
        self, kind: str, model: str, corpus: str, threads: int, documents: int = 0
    ) -> None:
        settings = json.dumps([kind, model, corpus, threads, documents])
        super().__init__(["-c", f"import runtime; runtime.child({settings!r})"], threads)


def in_turn(rows: Mapping[str, Worker], repetitions: int) -> dict[str, list[dict[str, float]]]:
    """The answers of workers that take turns, one repetition each; ends the workers."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    for _ in range(repetitions):
        for name, row in rows.items():
            found[name].append(row.repeat())
    for row in rows.values():
        row.close()
    return found


def rate(answers: Sequence[dict[str, float]], clock: str) -> float:
    """The median of the sentences a second of the clock `"wall"` or `"cpu"`."""
    return median(answer["sentences"] / answer[clock] for answer in answers)


def child(settings: str) -> None:
    """Measure in this process."""
    kind, model, corpus, threads, documents = json.loads(settings)
    if os.path.isdir(model):
        sys.meta_path.insert(0, Blocked())  # type: ignore[arg-type]
    if kind == "start":
        import joint_ner_re

        joint_ner_re.load(model)("Oleg Hart joined the Navy in Kesh.")
        print(json.dumps(_used()))
        return
    import joint_ner_re

    texts = [sentence.with_text().text for sentence in joint_ner_re.read_corpus(corpus)]
    extractor = joint_ner_re.load(model)
    if kind == "memory":
        stream = (texts[number % len(texts)] for number in range(documents))
        for _ in extractor.extract_many(stream):
            pass
        print(json.dumps(_used()))
        return
    repeat_for_each_line(_sentences(extractor, sorted(texts, key=len)), len(texts))


def repeat_for_each_line(run: Callable[[], None], sentences: int) -> None:
    """Run once, then once more for each line of input, and print what that took as JSON.

    # Parameters

    run : `Callable[[], None]`
    sentences : `int`
        How many sentences one run takes.
    """
    run()
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        run()
        answer = {
            "sentences": sentences,
            "wall": time.perf_counter() - wall,
            "cpu": _cpu_seconds() - cpu,
            "megabytes": _used()["megabytes"],
        }
        print(json.dumps(answer), flush=True)


def _cpu_seconds() -> float:
    """The CPU seconds of this process and of the processes that it started and that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _sentences(extractor: Any, texts: Sequence[str]) -> Callable[[], None]:
    """A function that extracts all texts as sentences, `BATCH` of similar length at a time.

    With several threads, as many batches are given at once as run side by side.
    """
    records = [{"sentence": text} for text in texts]
    size = BATCH * int(os.environ["OMP_NUM_THREADS"])

    def run() -> None:
        for _ in extractor.extract_many(records, batch_size=size):
            pass

    return run


def _used() -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1000}


def installed_megabytes(name: str) -> float:
    """The size of the installed files of everything that a way to use the package needs."""
    needed = dict.fromkeys(_requirements("joint_ner_re", EXTRAS[name]))
    needed |= dict.fromkeys(BESIDE[name])
    return sum(_size(one) for one in needed) / 1e6


def _requirements(package: str, extras: Sequence[str]) -> Iterator[str]:
    from packaging.requirements import Requirement

    seen: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(package, tuple(extras))]
    while waiting:
        current, chosen = waiting.pop()
        try:
            lines = metadata.requires(current) or []
        except metadata.PackageNotFoundError:
            continue
        for line in lines:
            requirement = Requirement(line)
            fits = [
                requirement.marker is None or requirement.marker.evaluate({"extra": extra})
                for extra in ("", *chosen)
            ]
            key = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if any(fits) and key not in seen:
                seen.add(key)
                waiting.append((requirement.name, tuple(requirement.extras)))
                yield key


def _size(package: str) -> int:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return 0
    places = [Path(str(file.locate())) for file in files]
    return sum(place.stat().st_size for place in places if place.is_file())


if __name__ == "__main__":
    main()
