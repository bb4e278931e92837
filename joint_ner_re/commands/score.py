"""`score`: scores predictions against gold annotations, without a model."""

from __future__ import annotations

import argparse
from typing import Any

from joint_ner_re.commands.base import Command, input_path, output_path, tell
from joint_ner_re.commands.convert import add_reading_options, reading_options, unit
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.corpora import FORMATS, concept_documents, detect_format, read_corpus
from joint_ner_re.metrics import CRITERIA, score
from joint_ner_re.metrics.concepts import score_concepts
from joint_ner_re.tables import markdown_table
from joint_ner_re.writing import write_json

_MEASURES = ("precision", "recall", "f1")


class Score(Command):
    """Scores predictions, of this package or another, against gold annotations."""

    name = "score"
    help = "Score predictions against gold annotations."
    description = (
        "Score predictions against gold annotations of the same sentences: precision, recall and "
        "F1 in percent, for each type and over all of them."
    )
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("gold", type=input_path, help="a corpus; - for standard input")
        parser.add_argument("predictions", help="the same sentences with predictions")
        parser.add_argument(
            "--format", choices=sorted(FORMATS), help="the format of gold (default: detected)"
        )
        parser.add_argument(
            "--criterion", choices=CRITERIA, default="strict", help="default: strict"
        )
        parser.add_argument(
            "--concepts",
            action="store_true",
            help="score relations between concepts of a document; gold is in PubTator's format or "
            "in BioC",
        )
        parser.add_argument(
            "--unit", type=unit, help="how gold is divided: sentence, document, or a number"
        )
        parser.add_argument(
            "--json", type=output_path, help="a file for the scores; - for standard output"
        )
        add_reading_options(parser)

    def run(self, args: argparse.Namespace) -> None:
        format = args.format or detect_format(args.gold)
        predicted = read_corpus(args.predictions)
        if args.concepts:
            if args.label:
                raise CommandError("--concepts scores gold as it is; leave out --label")
            scores = score_concepts(concept_documents(args.gold, format), predicted, args.symmetric)
            rows = _rows("relation", scores["per_type"], scores)
        else:
            options = reading_options(args, format)
            if args.unit is not None:
                options["unit"] = args.unit
            gold = read_corpus(args.gold, format, **options)
            scores = score(gold, predicted, args.criterion, args.symmetric)
            rows = []
            for task in ("entity", "relation"):
                average = {name: scores[f"{task}_{name}"] for name in _MEASURES}
                rows += _rows(task, scores["per_type"][task], average)
        if args.json:
            write_json(args.json, scores)
        header = ["", "type", *_MEASURES, "gold"]
        tell(markdown_table(header, rows, numbers=True), args.json)


def _rows(
    task: str, per_type: dict[str, dict[str, float]], average: dict[str, float]
) -> list[list[Any]]:
    """A row for each type, and one for the micro average."""
    support = sum(int(values["support"]) for values in per_type.values())
    lines = [*per_type.items(), ("all, micro", {**average, "support": support})]
    return [
        [task, name, *(f"{100 * values[m]:.1f}" for m in _MEASURES), f"{int(values['support']):,}"]
        for name, values in lines
    ]
