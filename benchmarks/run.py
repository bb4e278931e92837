"""The benchmark: everything in one run on one machine.

    python benchmarks/run.py -o build/bench
    python benchmarks/run.py --quick -o build/bench

writes results.json, results.md and results.png. The sentences are those of `--data`, or of
CoNLL04 where `JOINT_NER_RE_DATA` is set, or of the small corpus in fixtures/sample.
docs/performance.md says what the tables mean.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from prepared import ROOT, Setup
from report import write_results
from sections import SECTIONS, Benchmark, Sizes, find_corpus, full_sizes, quick_sizes
from systems import has_crf_tagger
from tqdm import tqdm

CORPUS = Path("conll04", "spert", "conll04_train.json")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="less of everything, under 5 minutes")
    parser.add_argument("--data", type=Path, help="a corpus, in any format that can be read")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of each process (default: one a core)")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(SECTIONS),
        metavar="SECTION",
        help=f"may be repeated: {', '.join(SECTIONS)}",
    )
    return parser.parse_args(arguments)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine(setup: Setup, quick: bool) -> dict[str, Any]:
    """What the results depend on."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": cores(),
        "threads": setup.threads,
        "device": setup.device,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "corpus": Path(setup.data).name,
        "sentences in a repetition": f"{setup.sentences}, in extraction {4 * setup.sentences}",
        "form": "quick" if quick else "full",
    }
    if setup.device == "cuda":
        facts["GPU"] = torch.cuda.get_device_name()
    if not has_crf_tagger():
        facts["left out"] = "CrfTagger (allennlp-models is not installed)"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main(arguments: Sequence[str] | None = None, sizes: Sizes | None = None) -> None:
    """Runs the benchmark.

    # Parameters

    arguments : `Sequence[str]`, optional (default = `None`)
        Those of the command line; default: the command line's.
    sizes : `Sizes`, optional (default = `None`)
        In place of those of the full or the quick form.
    """
    options = parse(arguments)
    sizes = sizes or (quick_sizes() if options.quick else full_sizes())
    threads = options.threads or cores()
    # The processes that are started take it from here.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("ALLENNLP_LOG_LEVEL", "WARNING")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    options.output.mkdir(parents=True, exist_ok=True)
    data = options.data or find_corpus(CORPUS, ROOT / "fixtures" / "sample" / "train.jsonl")
    folder = tempfile.mkdtemp(dir=options.output)
    try:
        setup = Setup(
            data=str(data),
            folder=str(Path(folder).resolve()),
            device=options.device,
            threads=threads,
            sentences=sizes.sentences,
            learned=sizes.learned,
            epochs=sizes.epochs,
            hidden_size=sizes.hidden_size,
        )
        run = Benchmark(setup, sizes)
        sections = [name for name in SECTIONS if name in (options.only or SECTIONS)]
        run.prepare(sections)
        for name in tqdm(sections, desc="sections"):
            SECTIONS[name](run)
        write_results(
            options.output, machine(setup, options.quick), list(run.groups.values()), run.tables
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
