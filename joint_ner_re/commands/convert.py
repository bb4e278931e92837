"""`convert`: converts corpora and predictions to another format."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from joint_ner_re.commands.base import Command, input_path, output_path, tell
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.corpora import (
    CONCEPT_RELATIONS,
    DISCONTINUOUS,
    FORMATS,
    OFFSETS,
    WRITABLE,
    detect_format,
    format_options,
    read_corpus,
    write_corpus,
)
from joint_ner_re.corpora.errors import SkippedErrors
from joint_ner_re.corpora.failures import write_errors
from joint_ner_re.corpora.units import Unit, check_unit
from joint_ner_re.sentence_rules import SENTENCE_RULES
from joint_ner_re.streams import is_stream
from joint_ner_re.tokenization import GRANULARITIES, TextTokenizer

_SUFFIXES = {
    ".jsonl": "jsonl",
    ".json": "spert",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    "": "brat",
}
ON_ERROR = ("stop", "skip")
# Those that the command line gives as they are.
_READING_OPTIONS = ("discontinuous", "concept_relations", "offsets")


class Convert(Command):
    """Converts a corpus, or predictions, to another format."""

    name = "convert"
    help = description = "Convert a corpus or predictions to another format."
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "input",
            type=input_path,
            help="a corpus or the output of allennlp extract; - for standard input",
        )
        parser.add_argument(
            "output",
            type=output_path,
            help="the file to write, compressed if it ends in .gz; a directory for brat; - for "
            "standard output",
        )
        parser.add_argument(
            "--from", dest="source", choices=sorted(FORMATS), help="default: detected"
        )
        parser.add_argument(
            "--to",
            choices=sorted(WRITABLE),
            help="default: by the output's name: .jsonl, .json (SpERT), .csv, .xlsx, .parquet, "
            "none (brat); jsonl for a pipe",
        )
        add_reading_options(parser)
        units = parser.add_mutually_exclusive_group()
        units.add_argument(
            "--unit",
            type=unit,
            help="what of a document becomes one sentence of the output: sentence (default, except "
            "for predictions), document, or a number of neighbouring sentences",
        )
        units.add_argument(
            "--split-sentences",
            dest="unit",
            action="store_const",
            const="sentence",
            help="the same as --unit sentence",
        )
        units.add_argument(
            "--whole-documents",
            dest="unit",
            action="store_const",
            const="document",
            help="the same as --unit document",
        )
        parser.add_argument(
            "--on-error",
            choices=ON_ERROR,
            default="stop",
            help="at an error in the input: stop (default), or skip what it concerns, say so, and "
            "exit with 1",
        )
        add_table_options(parser)
        parser.add_argument(
            "--id-prefix",
            default="",
            metavar="NAME",
            help="begin each id with NAME-, so that several files can be put together",
        )

    def run(self, args: argparse.Namespace) -> None:
        source = args.source or detect_format(args.input)
        options = reading_options(args, source)
        if args.unit is not None:
            if "unit" not in format_options(source):
                raise CommandError(
                    f"the format {source!r} has no option 'unit': its sentences are given; leave "
                    "out --unit, --split-sentences and --whole-documents"
                )
            options["unit"] = args.unit
        skipped = SkippedErrors(args.input)
        if args.on_error == "skip" and "on_error" in format_options(source):
            options["on_error"] = skipped
        count = convert(
            args.input,
            args.output,
            source,
            args.to,
            args.entities,
            args.mark,
            args.id_prefix,
            **options,
        )
        skipped.log_count()
        tell(f"{args.output}: {count} sentences", args.output, args.entities)
        if skipped.count:
            sys.exit(1)


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """How a CSV table is written."""
    parser.add_argument(
        "--entities", type=output_path, help="for csv: another table, of all entities"
    )
    parser.add_argument(
        "--mark", action="store_true", help="for csv: begin with the mark that Excel needs"
    )


def table_options(to: str, entities: str | None, mark: bool) -> dict[str, Any]:
    """The options of `add_table_options` for `write_corpus`.

    # Raises

    `ValueError`
        If one is given for another format than CSV.
    """
    if to != "csv" and (entities is not None or mark):
        name = "--mark" if entities is None else "--entities"
        more = "; a workbook always has a sheet of entities" if to == "xlsx" else ""
        raise ValueError(f"{name} is for csv; the output's format is {to}{more}")
    return {**({"entities": entities} if entities else {}), **({"mark": True} if mark else {})}


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """How a corpus is read: the options are those of the reader `joint_ner_re`."""
    parser.add_argument(
        "--tokenizer-pipeline", help="for raw text: a language code or a spaCy pipeline"
    )
    parser.add_argument(
        "--granularity", choices=GRANULARITIES, help="for raw text: how words are split"
    )
    parser.add_argument(
        "--sentence-rules",
        choices=SENTENCE_RULES,
        help="for raw text without a spaCy pipeline: where sentences end. punctuation: at every "
        'full stop that is a token of its own; abbreviations: by rules that know "Fig. 2", '
        '"et al. 2003" and "5 mg i.v."',
    )
    parser.add_argument(
        "--discontinuous",
        choices=DISCONTINUOUS,
        help="what becomes of mentions in pieces: left out (default), read with the words between, "
        "their first piece, or a mention for each piece",
    )
    parser.add_argument(
        "--concept-relations",
        choices=CONCEPT_RELATIONS,
        help="for relations between concepts, which of their mentions are related: the nearest "
        "(default), all in one sentence, or all",
    )
    parser.add_argument(
        "--label",
        action="append",
        type=label,
        default=[],
        metavar="OLD=NEW",
        help="rename a type of entities or relations; OLD= leaves it out; can be repeated",
    )
    parser.add_argument(
        "--symmetric",
        action="append",
        default=[],
        metavar="TYPE",
        help="a relation type without a direction, which gets one order; can be repeated",
    )
    parser.add_argument(
        "--offsets",
        choices=OFFSETS,
        help="what the offsets of Doccano, Label Studio and INCEpTION count (default: as the "
        "file's mentions show)",
    )


def label(argument: str) -> tuple[str, str | None]:
    """Parses `OLD=NEW` or `OLD=`.

    # Raises

    `ArgumentTypeError`
        If it is neither.
    """
    old, equals, new = argument.partition("=")
    if not equals or not old:
        raise argparse.ArgumentTypeError(
            f"{argument!r}: expected OLD=NEW, or OLD= to leave the type out"
        )
    return old, new or None


def unit(argument: str) -> Unit:
    """Parses a unit: `sentence`, `document` or a number.

    # Raises

    `ArgumentTypeError`
        If it is none of these.
    """
    value: Unit = int(argument) if argument.isascii() and argument.isdigit() else argument
    try:
        check_unit(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def tokenizer_of(args: argparse.Namespace) -> TextTokenizer | None:
    """The tokenizer that the options of `add_reading_options` name; `None` without spaCy."""
    try:
        return TextTokenizer(**_tokenizer_options(args))
    except ModuleNotFoundError:
        return None


def _tokenizer_options(args: argparse.Namespace) -> dict[str, str]:
    given = {
        "pipeline": args.tokenizer_pipeline,
        "granularity": args.granularity,
        "sentence_rules": args.sentence_rules,
    }
    return {name: value for name, value in given.items() if value is not None}


def reading_options(args: argparse.Namespace, format: str) -> dict[str, Any]:
    """The options for `read_corpus` that are asked for and that the format takes."""
    known = format_options(format)
    tokenizer = _tokenizer_options(args)
    options: dict[str, Any] = {name: getattr(args, name) for name in _READING_OPTIONS}
    if tokenizer and "tokenizer" in known:
        options["tokenizer"] = TextTokenizer(**tokenizer)
    options = {name: value for name, value in options.items() if name in known}
    options["labels"] = dict(args.label) or None
    options["symmetric"] = args.symmetric or None
    return {name: value for name, value in options.items() if value is not None}


def format_of(output: str) -> str:
    """The format that belongs to an output's name; JSON lines for a stream.

    # Raises

    `ValueError`
        If no format belongs to the name.
    """
    if is_stream(output):
        return "jsonl"
    name = os.path.basename(output.rstrip("/"))
    suffix = os.path.splitext(name[:-3] if name.endswith(".gz") else name)[1]
    format = _SUFFIXES.get(suffix)
    if format is None or (format in ("brat", "xlsx") and name.endswith(".gz")):
        known = ", ".join(sorted(WRITABLE))
        raise ValueError(f"the name {output} does not tell the format; give --to, one of: {known}")
    return format


def convert(
    source: str,
    target: str,
    format: str | None = None,
    to: str | None = None,
    entities: str | None = None,
    mark: bool = False,
    id_prefix: str = "",
    **options: Any,
) -> int:
    """Convert `source` to `target`. Returns the number of sentences.

    # Parameters

    source : `str`
        Any corpus that `joint_ner_re.corpora.read_corpus` reads.
    target : `str`
        The file to write; for brat, the directory.
    format, to : `str`, optional (default = `None`)
        Their formats. By default, the content of the source and the name of the target decide.
    entities : `str`, optional (default = `None`)
        For `csv`, a second file with all entities.
    mark : `bool`, optional (default = `False`)
        For `csv`, whether the files begin with the mark by which Excel knows UTF-8.
    id_prefix : `str`, optional (default = `""`)
        What each id begins with, before a hyphen. A sentence without an id gets its line's.
    options : `Any`
        For `read_corpus`.

    # Raises

    `CorpusFormatError`
        If the source is malformed.
    `ValueError`
        If a format is unknown or `entities` or `mark` is given for another format than `csv`.
    """
    format, to = format or detect_format(source), to or format_of(target)
    writing = table_options(to, entities, mark)
    if to in ("csv", "xlsx") and format == "jsonl":
        # The table has one relation per row, with its sentence.
        options.setdefault("unit", "sentence")
    corpus = read_corpus(source, format, **options)
    if id_prefix:
        corpus = (
            replace(s, id=f"{id_prefix}-{s.id or (s.source or '').rpartition(':')[2]}")
            for s in corpus
        )
    sentences = tqdm(corpus, "converting", unit=" sentences", disable=None)
    count = write_corpus(sentences, target, to, **writing)
    if format == "jsonl" and to != "jsonl" and not is_stream(source):
        write_errors(source, target)
    return count
