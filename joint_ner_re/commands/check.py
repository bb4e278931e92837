"""`check`: is a corpus fit to train on?"""

from __future__ import annotations

import argparse
import os
import sys
from functools import lru_cache

from tqdm import tqdm

from joint_ner_re.checking import Part, as_markdown, as_text, check_corpus
from joint_ner_re.commands.base import Command, input_path, output_path, tell
from joint_ner_re.commands.convert import add_reading_options, reading_options, tokenizer_of
from joint_ner_re.corpora import FORMATS
from joint_ner_re.writing import write_json, write_text


class Check(Command):
    """Validates a corpus, prints its statistics, and reports suspicious annotations."""

    name = "check"
    help = "Check a corpus and print its statistics."
    description = (
        "Check a corpus: errors with file and line, statistics, suspicious annotations, and what "
        "its parts have in common. Exits with 1 if there are errors."
    )
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "corpora",
            nargs="+",
            metavar="corpus",
            help="a file or NAME=FILE, such as train=a.jsonl; - for standard input",
        )
        parser.add_argument(
            "--format", choices=sorted(FORMATS), help="the corpus format (default: detected)"
        )
        add_reading_options(parser)
        parser.add_argument(
            "--strict", action="store_true", help="exit with 1 also if anything is suspicious"
        )
        parser.add_argument(
            "--json", type=output_path, help="a file for the full report; - for standard output"
        )
        parser.add_argument(
            "--markdown", type=output_path, help="a file for the report as Markdown"
        )

    def run(self, args: argparse.Namespace) -> None:
        report = check_corpus(
            parts_of(args.corpora, args.format),
            # A corpus is read twice, but spaCy's rules need to be loaded only once.
            lru_cache(maxsize=None)(lambda format: reading_options(args, format)),
            lambda sentences: tqdm(
                sentences, "checking", unit=" sentences", leave=False, disable=None
            ),
            lru_cache(maxsize=None)(lambda: tokenizer_of(args)),
        )
        if args.json:
            write_json(args.json, report.to_json())
        if args.markdown:
            write_text(args.markdown, as_markdown(report))
        tell(as_text(report), args.json, args.markdown)
        if report.errors or (args.strict and report.suspicions):
            sys.exit(1)


def parts_of(arguments: list[str], format: str | None = None) -> list[Part]:
    """Parses corpora: `train=a.jsonl` has the name `train`; `a.jsonl` is a name and a path."""
    parts = []
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or os.path.exists(argument):
            name = path = argument
        parts.append(Part(name, input_path(path), format))
    return parts
