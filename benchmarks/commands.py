"""Whole commands, from the start of the process to its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from measure import Finished, Spread, run_command, spread
from prepared import ROOT
from tqdm import tqdm

from joint_ner_re.corpora import read_corpus

SAMPLE = ROOT / "fixtures" / "sample"

PREDICT = "allennlp predict, one sentence"
COMMANDS = "import allennlp.commands"
PACKAGE = "import allennlp.commands, joint_ner_re"
# So many lines of the input make a batch of `allennlp predict`.
LINES = 256


class Streamed(NamedTuple):
    """So many documents through `allennlp predict`."""

    documents: int
    finished: Finished


def small_archive(folder: Path) -> Path:
    """Train `sample_scratch.jsonnet`, whose model starts fast and has nothing pretrained."""
    target = folder / "sample_scratch"
    command = _allennlp("train", ROOT / "training_config" / "sample_scratch.jsonnet", "-s", target)
    run_command(command, folder, ROOT)
    return target / "model.tar.gz"


def starts(archive: Path, folder: Path, repetitions: int) -> dict[str, Spread]:
    """Seconds of whole processes, which take turns: a prediction, and bare imports."""
    source, target = folder / "one.jsonl", folder / "one.out"
    write_documents(source, 1)
    commands = {
        PREDICT: _predict(archive, source, target),
        COMMANDS: [sys.executable, "-c", COMMANDS],
        PACKAGE: [sys.executable, "-c", PACKAGE],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    # The first round brings the files into memory.
    for number in tqdm(range(repetitions + 1), desc="starts", leave=False):
        for name, command in commands.items():
            finished = run_command(command, folder, ROOT)
            # An output that exists is not replaced.
            target.unlink(missing_ok=True)
            if number:
                seconds[name].append(finished.seconds)
    return {name: spread(values) for name, values in seconds.items()}


def streams(archive: Path, folder: Path, numbers: Sequence[int]) -> list[Streamed]:
    """`allennlp predict` over files of so many documents of one sentence each."""
    found = []
    for documents in tqdm(numbers, desc="streams", leave=False):
        source, target = folder / "stream.jsonl", folder / "stream.out"
        write_documents(source, documents)
        command = [*_predict(archive, source, target), "--batch-size", str(LINES)]
        found.append(Streamed(documents, run_command(command, folder, ROOT)))
        source.unlink()
        target.unlink()
    return found


def write_documents(path: Path, number: int) -> None:
    """A file of so many documents, the sample's sentences over and over."""
    texts = [sentence.text for sentence in read_corpus(SAMPLE / "train.jsonl")]
    with open(path, "w", encoding="utf-8") as file:
        for text in islice(cycle(texts), number):
            file.write(json.dumps({"sentence": text}) + "\n")


def _predict(archive: Path, source: Path, target: Path) -> list[str]:
    return _allennlp("predict", archive, source, "--silent", "--output-file", target)


def _allennlp(*arguments: object) -> list[str]:
    # Where the plug-ins' file is not in the current folder, the package is named.
    package = ["--include-package", "joint_ner_re"]
    return [sys.executable, "-m", "allennlp", *map(str, arguments), *package]
