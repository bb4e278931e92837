"""`allennlp check`: is a corpus fit to train on?"""

import argparse
import os
import sys
from functools import lru_cache
from typing import List

from allennlp.commands.subcommand import Subcommand
from overrides import overrides
from tqdm import tqdm

from joint_ner_re.checking import Part, as_markdown, as_text, check_corpus
from joint_ner_re.commands.convert import add_tokenizer_options, tokenizer_option
from joint_ner_re.corpora import FORMATS
from joint_ner_re.writing import write_json, write_text


@Subcommand.register("check")
class Check(Subcommand):
    """Validates a corpus, prints its figures, and points at what looks like a mistake."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Check a corpus: errors with file and line, figures, suspicious "
            "annotations, and what its parts have in common. Exits with 1 if there are errors.",
            help="Check a corpus and print its figures.",
        )
        subparser.add_argument(
            "corpora",
            nargs="+",
            metavar="corpus",
            help="a file or NAME=FILE, such as train=a.jsonl",
        )
        subparser.add_argument(
            "--format", choices=sorted(FORMATS), help="the corpus format (default: detected)"
        )
        add_tokenizer_options(subparser)
        subparser.add_argument(
            "--strict", action="store_true", help="exit with 1 also if anything is suspicious"
        )
        subparser.add_argument("--json", help="a file for the whole report")
        subparser.add_argument("--markdown", help="a file for the report as Markdown")
        subparser.set_defaults(func=_check_from_args)
        return subparser


def _check_from_args(args: argparse.Namespace) -> None:
    try:
        report = check_corpus(
            parts_of(args.corpora, args.format),
            # A corpus is read twice; spaCy's rules need be loaded only once.
            lru_cache(maxsize=None)(lambda format: tokenizer_option(args, format)),
            lambda sentences: tqdm(sentences, "checking", unit=" sentences", leave=False),
        )
        if args.json:
            write_json(args.json, report.to_json())
        if args.markdown:
            write_text(args.markdown, as_markdown(report))
    except (OSError, ValueError) as error:
        sys.exit(f"allennlp check: {error}")
    print(as_text(report))
    if report.errors or (args.strict and report.suspicions):
        sys.exit(1)


def parts_of(arguments: List[str], format: str = None) -> List[Part]:
    """`train=a.jsonl` is the part `train`; a file without a name is its own name."""
    parts = []
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or os.path.exists(argument):
            name = path = argument
        parts.append(Part(name, path, format))
    return parts
