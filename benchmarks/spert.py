"""How fast trained models extract, beside SpERT with the same encoder and the same sentences.

    python benchmarks/spert.py MODEL... --spert CHECKOUT --spert-model DIRECTORY CORPUS

CHECKOUT is a clone of https://github.com/lavis-nlp/spert; nothing of it is part of this package.
DIRECTORY is a checkpoint that SpERT saved. SpERT looks for its weights in `pytorch_model.bin`, this
script for its types in `types.json`.

SpERT runs its own code: its reader of input, its samples, its model, its conversion of predictions
and its file of results. Neither side's time includes loading the model. Both get the sentences in
the same order, from the shortest to the longest. SpERT gets them as the corpus's tokens, so it is
spared finding tokens; MODEL, an archive or an exported directory, gets raw text, 32 sentences at a
time, and its tokens are part of its time. SpERT has a row for each batch size and each number of
processes that make its samples, and the last columns compare with the best of these.

Every row has a process of its own, and the rows take turns. On a machine that does other things,
too, read the CPU seconds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median

from runtime import Row, Worker, in_turn, rate, repeat_for_each_line


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+", help="archives and exported directories")
    parser.add_argument("corpus", help="a corpus, whose sentences both sides get")
    parser.add_argument("--spert", required=True, help="a clone of SpERT's repository")
    parser.add_argument("--spert-model", required=True, help="a directory that SpERT saved")
    parser.add_argument("--types", help="SpERT's file of types; by default the model's types.json")
    parser.add_argument("--lowercase", action="store_true", help="for an uncased encoder")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="SpERT's")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[0, 4],
        help="how many processes make SpERT's samples; 0: the one that predicts, too",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repetitions", type=int, default=5)
    # The corpus comes after options.
    args = parser.parse_intermixed_args()
    print(
        "| system | threads | sentences/s | sentences a CPU second | to SpERT | CPU to SpERT "
        "| peak memory, MB |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as directory:
        for threads in args.threads:
            _print_rows(args, threads, directory)


def _print_rows(args: argparse.Namespace, threads: int, directory: str) -> None:
    tokens = sorted_tokens(args.corpus)
    sentences = os.path.join(directory, "sentences.json")
    Path(sentences).write_text(json.dumps(tokens), encoding="utf-8")
    rows: dict[str, Worker] = {}
    for batch in args.batches:
        for processes in args.processes:
            options = [
                "--types_path", args.types or os.path.join(args.spert_model, "types.json"),
                "--model_path", args.spert_model, "--tokenizer_path", args.spert_model,
                "--dataset_path", sentences,
                "--predictions_path", os.path.join(directory, "predictions.json"),
                "--eval_batch_size", str(batch), "--sampling_processes", str(processes), "--cpu",
                *(["--lowercase"] if args.lowercase else []),
            ]  # fmt: skip
            name = f"SpERT, batch {batch}, {processes} more processes"
            rows[name] = SpertRow(args.spert, options, len(tokens), threads)
    other_names = list(rows)
    rows |= {Path(model).name: Row("speed", model, args.corpus, threads) for model in args.models}
    found = in_turn(rows, args.repetitions)
    best = {
        clock: max(rate(found[name], clock) for name in other_names) for clock in ("wall", "cpu")
    }
    for name, answers in found.items():
        by_wall, by_cpu = rate(answers, "wall"), rate(answers, "cpu")
        print(
            f"| {name} | {threads} | {by_wall:.1f} | {by_cpu:.1f} | {by_wall / best['wall']:.2f} "
            f"| {by_cpu / best['cpu']:.2f} "
            f"| {median(answer['megabytes'] for answer in answers):,.0f} |",
            flush=True,
        )


def sorted_tokens(corpus: str) -> list[list[str]]:
    """The tokens of a corpus's sentences, in the order in which `runtime` extracts their texts."""
    import joint_ner_re

    sentences = joint_ner_re.read_corpus(corpus)
    return [
        list(sentence.tokens)
        for sentence in sorted(sentences, key=lambda sentence: len(sentence.with_text().text or ""))
    ]


class SpertRow(Worker):
    """SpERT's predictions in a process of their own.

    # Parameters

    checkout : `str`
        The directory with SpERT's code.
    options : `Sequence[str]`
        Those of SpERT's command `predict`.
    sentences : `int`
        How many there are.
    threads : `int`
    """

    def __init__(self, checkout: str, options: Sequence[str], sentences: int, threads: int) -> None:
        settings = json.dumps([checkout, options, sentences])
        # This file has the name of SpERT's package, so the process must not import it.
        super().__init__([os.path.abspath(__file__), "--child", settings], threads)


def child(settings: str) -> None:
    """Measure SpERT in this process. It does what SpERT's `predict` does, but loads once."""
    checkout, options, count = json.loads(settings)
    sys.path.insert(0, os.path.abspath(checkout))
    args = import_module("args").predict_argparser().parse_args(options)
    reader_class = import_module("spert.input_reader").JsonPredictionInputReader
    trainer = import_module("spert.spert_trainer").SpERTTrainer(args)
    reader = reader_class(
        args.types_path, trainer._tokenizer, max_span_size=args.max_span_size,
        spacy_model=args.spacy_model,
    )  # fmt: skip
    model = trainer._load_model(reader)

    def run() -> None:
        trainer._predict(model, reader.read(args.dataset_path, "dataset"), reader)

    repeat_for_each_line(run, count)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
