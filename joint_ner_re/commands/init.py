"""`init`: from a corpus to a configuration that fits it."""

from __future__ import annotations

import argparse
import json
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from joint_ner_re.checking.proposal import Proposal, propose
from joint_ner_re.commands.base import Command
from joint_ner_re.commands.convert import add_reading_options, reading_options, unit
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.commands.reading_bar import reading_bar
from joint_ner_re.corpora import FORMATS, detect_format, format_options
from joint_ner_re.tokenization import is_language
from joint_ner_re.writing import write_text

CONFIGURATION = "config.jsonnet"
LIBRARIES = ("joint_ner_re", "minilm", "extended", "finetuned", "gazetteer", "continued")
# What `--encoder minilm` stands for is in minilm.libsonnet.
MINILM, NO_ENCODER = "minilm", "none"
_MANY_SENTENCES = 2000
_DOCUMENTS = [
    "    // All sentences of a document are in one part: scores for new documents are wanted.",
    "    divide: 'documents',",
]


def positive(argument: str) -> int:
    """Parses a number from 1 on.

    # Raises

    `ArgumentTypeError`
        If it is none.
    """
    if not (argument.isascii() and argument.isdigit() and int(argument)):
        raise argparse.ArgumentTypeError(f"{argument!r}: expected a number from 1")
    return int(argument)


class Init(Command):
    """Writes a configuration for a corpus, beside copies of the shared files that it imports."""

    name = "init"
    help = "Write a configuration that fits a corpus."
    description = (
        "Look at a corpus and write DIRECTORY/config.jsonnet, a short configuration that fits it, "
        "with a comment for each choice. The files that it imports are copied beside it. Paths of "
        "corpora count from the directory where the command is run, in training as well."
    )
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", help="where the configuration goes")
        parser.add_argument("--train", required=True, metavar="CORPUS", help="the training data")
        parser.add_argument(
            "--dev",
            metavar="CORPUS",
            help="the development data (default: the training data are divided into parts)",
        )
        parser.add_argument("--test", metavar="CORPUS", help="the test data; needs --dev, too")
        parser.add_argument(
            "--format", choices=sorted(FORMATS), help="the corpora's format (default: detected)"
        )
        parser.add_argument(
            "--encoder",
            default=MINILM,
            help="minilm (default), none, or the name or directory of an encoder of the Hugging "
            "Face kind",
        )
        parser.add_argument(
            "--unit",
            type=unit,
            help="what the model reads at once: sentence, document, or a number of sentences "
            "(default: by the relations that cross sentences)",
        )
        parser.add_argument(
            "--epochs", type=positive, help="how many epochs to train (default: by size)"
        )
        parser.add_argument("--force", action="store_true", help="replace what is there")
        add_reading_options(parser)

    def run(self, args: argparse.Namespace) -> None:
        target = Path(args.directory) / CONFIGURATION
        if args.test is not None and args.dev is None:
            raise CommandError("--test is given without --dev; give both, or neither")
        if target.exists() and not args.force:
            raise CommandError(f"{target} exists; give another directory, or --force")
        format = args.format or detect_format(args.train)
        if args.sentence_rules is None and _splits_text(format, args.tokenizer_pipeline):
            args.sentence_rules = "abbreviations"
        options = reading_options(args, format)
        if args.unit is not None:
            options["unit"] = args.unit
        proposal = propose(
            args.train,
            format,
            options,
            args.dev is not None,
            partial(reading_bar, what="reading"),
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        library = files("joint_ner_re") / "configurations"
        for name in LIBRARIES:
            text = (library / f"{name}.libsonnet").read_text("utf-8")
            write_text(target.with_name(f"{name}.libsonnet"), text)
        write_text(target, configuration(args, proposal))
        print(_summary(args, proposal, target))


def _splits_text(format: str, pipeline: str | None) -> bool:
    """Whether texts are split by rules of this package: the format gives text, and no pipeline."""
    return "tokenizer" in format_options(format) and (pipeline is None or is_language(pipeline))


def configuration(args: argparse.Namespace, proposal: Proposal) -> str:
    """The text of the configuration."""
    libraries = ["joint_ner_re"]
    if args.encoder != NO_ENCODER:
        libraries += ["minilm", "extended"]
    imports = " + ".join(f"(import '{name}.libsonnet')" for name in libraries)
    lines = [
        f"// Made by `joint-ner-re init` for {args.train}: {proposal.count.sentences} sentences,",
        f"// {proposal.count.entities.total()} entities, {proposal.count.relations.total()} "
        "relations. Change whatever you like.",
        f"{imports} + {{",
    ]
    if args.encoder not in (MINILM, NO_ENCODER):
        lines += [
            "  // Instead of MiniLM. All of its layers are mixed.",
            f"  encoder:: {_value(args.encoder)},",
            "  encoder_layers:: null,",
        ]
    small = proposal.count.sentences < _MANY_SENTENCES
    lines += [
        "  // The BiRNN layers that the two tasks share, and those that each has of its own. Tune",
        "  // their numbers with `joint-ner-re search`.",
        "  layers:: { shared: 0, ner: 1, relation: 1 },",
        f"  hidden_size:: {128 if small else 256},",
        f"  batch_size:: {proposal.batch_size},",
        *([] if args.epochs else [f"  // {proposal.reasons['epochs']}"]),
        f"  epochs:: {args.epochs or proposal.epochs},",
        "",
        *_reader(args, proposal),
        *_data(args),
    ]
    if proposal.tag_levels > 1:
        lines += [
            "",
            f"  // {proposal.reasons['tag_levels']}",
            f"  model+: {{ entity_finder+: {{ tag_levels: {proposal.tag_levels} }} }},",
        ]
    return "\n".join([*lines, "}", ""])


def _reader(args: argparse.Namespace, proposal: Proposal) -> list[str]:
    given: dict[str, Any] = {
        "type": "joint_ner_re",
        "format": args.format,
        "tokenizer_pipeline": args.tokenizer_pipeline,
        "granularity": args.granularity,
        "sentence_rules": args.sentence_rules,
        "discontinuous": args.discontinuous,
        "concept_relations": args.concept_relations,
        "unit": args.unit,
        "labels": dict(args.label) or None,
        "symmetric": args.symmetric or None,
    }
    lines = ["  dataset_reader+: {"]
    lines += [f"    {name}: {_value(value)}," for name, value in given.items() if value is not None]
    for name, value in proposal.reader.items():
        lines += [f"    // {proposal.reasons[name]}", f"    {name}: {_value(value)},"]
    if args.dev is None:
        folds = 5 if proposal.count.sentences < _MANY_SENTENCES else 10
        lines += [
            f"    // One of {folds} folds is the test part, 15 % of the rest the development part.",
            *(_DOCUMENTS if proposal.count.has_documents else []),
            "    fold: 0,",
            f"    num_folds: {folds},",
        ]
    return [*lines, "  },"]


def _data(args: argparse.Namespace) -> list[str]:
    parts = {"train": args.train, "validation": args.dev, "test": args.test}
    if args.dev is None:
        names = {"train": "train", "validation": "dev", "test": "test"}
        parts = {key: f"{args.train}#{name}" for key, name in names.items()}
    lines = []
    for key, path in parts.items():
        if path is None:
            continue
        # Two colons: training does not look at the test part; the evaluation names it.
        colon = "::" if key == "test" else ":"
        lines.append(f"  {key}_data_path{colon} {_value(path)},")
    return lines


def _value(value: Any) -> str:
    """A value as Jsonnet: JSON is Jsonnet, but strings look better in single quotes."""
    if isinstance(value, str) and not {"'", "\\"} & set(value) and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _summary(args: argparse.Namespace, proposal: Proposal, target: Path) -> str:
    count = proposal.count
    types = [
        f"{what}: " + ", ".join(f"{name} {number}" for name, number in found.most_common())
        for what, found in (("entities", count.entities), ("relations", count.relations))
    ]
    run = target.parent / "run"
    test = args.test or args.dev or f"{args.train}#test"
    return "\n".join(
        [
            f"{args.train}: {count.sentences} sentences, median {count.lengths.percentile(50)} "
            f"tokens, longest {max(count.lengths.counts)}",
            *types,
            *(f"{name}: {reason}" for name, reason in proposal.reasons.items()),
            "",
            f"{target} is ready. Go on with:",
            f"  joint-ner-re check {args.train}",
            f"  joint-ner-re train {target} -s {run}",
            f"  joint-ner-re evaluate {run}/model.tar.gz {test}",
        ]
    )
