"""`allennlp convert`: any corpus that can be read, and predictions, to another format."""

import argparse
import os
import sys
from typing import Any, Dict, Optional

from allennlp.commands.subcommand import Subcommand
from overrides import overrides
from tqdm import tqdm

from joint_ner_re.corpora import (
    FORMATS,
    WRITABLE,
    detect_format,
    format_options,
    read_corpus,
    write_corpus,
)
from joint_ner_re.tokenization import GRANULARITIES, TextTokenizer

_SUFFIXES = {".jsonl": "jsonl", ".json": "spert", ".csv": "csv", "": "brat"}


@Subcommand.register("convert")
class Convert(Subcommand):
    """Converts a corpus, or predictions, to another format."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Convert a corpus or predictions to another format.",
            help="Convert a corpus or predictions to another format.",
        )
        subparser.add_argument("input", help="a corpus or the output of allennlp extract")
        subparser.add_argument(
            "output", help="the file to write, compressed if it ends in .gz; a directory for brat"
        )
        subparser.add_argument(
            "--from", dest="source", choices=sorted(FORMATS), help="default: detected"
        )
        subparser.add_argument(
            "--to",
            choices=sorted(WRITABLE),
            help="default: by the output's name: .jsonl, .json (SpERT), .csv, none (brat)",
        )
        add_tokenizer_options(subparser)
        sentences = subparser.add_mutually_exclusive_group()
        sentences.add_argument(
            "--split-sentences",
            action="store_true",
            default=None,
            help="make sentences of documents (default, except for predictions)",
        )
        sentences.add_argument(
            "--whole-documents",
            dest="split_sentences",
            action="store_false",
            help="keep each document as one sentence",
        )
        subparser.add_argument("--entities", help="for csv: another table, of all entities")
        subparser.set_defaults(func=_convert_from_args)
        return subparser


def add_tokenizer_options(parser: argparse.ArgumentParser) -> None:
    """How raw text is split: the options are those of the reader `joint_ner_re`."""
    parser.add_argument(
        "--tokenizer-pipeline", help="for raw text: a language code or a spaCy pipeline"
    )
    parser.add_argument(
        "--granularity", choices=GRANULARITIES, help="for raw text: how words are split"
    )


def tokenizer_option(args: argparse.Namespace, format: str) -> Dict[str, Any]:
    """The option `tokenizer` for `read_corpus`, if one is asked for and the format takes it."""
    chosen = {"pipeline": args.tokenizer_pipeline, "granularity": args.granularity}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if not chosen or "tokenizer" not in format_options(format):
        return {}
    return {"tokenizer": TextTokenizer(**chosen)}


def format_of(output: str) -> str:
    """The format that a file's name asks for.

    # Raises

    `ValueError`
        If it asks for none.
    """
    name = os.path.basename(output.rstrip("/"))
    suffix = os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]
    format = _SUFFIXES.get(suffix)
    if format is None or (format == "brat" and name.endswith(".gz")):
        known = ", ".join(sorted(WRITABLE))
        raise ValueError(f"which format is {output} to have? Give --to, one of: {known}")
    return format


def _convert_from_args(args: argparse.Namespace) -> None:
    try:
        source = args.source or detect_format(args.input)
        options = tokenizer_option(args, source)
        if args.split_sentences is not None:
            options["split_sentences"] = args.split_sentences
        count = convert(args.input, args.output, source, args.to, args.entities, **options)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"allennlp convert: {error}")
    print(f"{args.output}: {count} sentences")


def convert(
    source: str,
    target: str,
    format: Optional[str] = None,
    to: Optional[str] = None,
    entities: Optional[str] = None,
    **options: Any,
) -> int:
    """Read `source`, write `target`; returns the number of sentences.

    # Parameters

    source : `str`
        Whatever `joint_ner_re.corpora.read_corpus` reads.
    target : `str`
        The file, or for brat the directory.
    format, to : `str`, optional (default = `None`)
        Their formats; `None` tells the first from its content and the second from its name.
    entities : `str`, optional (default = `None`)
        For `csv`, a second file with all entities.
    options : `Any`
        For `read_corpus`.

    # Raises

    `CorpusFormatError`
        If the source is malformed.
    `ValueError`
        If a format is unknown or `entities` is given for another format than `csv`.
    """
    format, to = format or detect_format(source), to or format_of(target)
    if entities is not None and to != "csv":
        raise ValueError(f"--entities is for csv; the output's format is {to}")
    if to == "csv" and format == "jsonl":
        # Predicted documents know their sentences, and so will the table.
        options.setdefault("split_sentences", True)
    sentences = tqdm(read_corpus(source, format, **options), "converting", unit=" sentences")
    return write_corpus(sentences, target, to, **({"entities": entities} if entities else {}))
