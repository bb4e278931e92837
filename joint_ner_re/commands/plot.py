"""`plot`: plots predictions against gold, or a training, as PNG."""

import argparse
from pathlib import Path

from joint_ner_re.commands.base import Command, input_path, output_path, tell
from joint_ner_re.corpora import FORMATS, read_corpus
from joint_ner_re.figures import save_figure
from joint_ner_re.review import match
from joint_ner_re.review.plots import draw_scores, learning_curves, read_epochs


class Plot(Command):
    """Draws scores by type, confusion, precision and recall by threshold, and learning curves."""

    name = "plot"
    help = description = "Draw predictions against gold, or a training, as PNG."
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="figure", required=True, metavar="scores|learning")

        scores = kinds.add_parser(
            "scores",
            description="Draw scores by type, the confusion of entity types, and precision and "
            "recall by threshold.",
        )
        scores.add_argument(
            "input_file",
            type=input_path,
            help="the output of allennlp predict; - for standard input",
        )
        scores.add_argument(
            "gold", type=input_path, help="a corpus: the same sentences with gold annotations"
        )
        scores.add_argument("output_dir", help="the directory to write PNG files to")
        scores.add_argument(
            "--format",
            choices=sorted(FORMATS),
            help="the format of the predictions (default: detected)",
        )
        scores.add_argument(
            "--gold-format",
            choices=sorted(FORMATS),
            help="the format of the gold file (default: detected)",
        )

        learning = kinds.add_parser(
            "learning", description="Draw losses and F1 of every epoch of a training."
        )
        learning.add_argument("serialization_dir", help="the directory of allennlp train")
        learning.add_argument(
            "output_file", type=output_path, help="the PNG file to write; - for standard output"
        )

    def run(self, args: argparse.Namespace) -> None:
        if args.figure == "scores":
            _plot_scores(args)
        else:
            _plot_learning(args)


def _plot_scores(args: argparse.Namespace) -> None:
    pairs = match(
        read_corpus(args.input_file, args.format), read_corpus(args.gold, args.gold_format)
    )
    title = f"{Path(args.input_file).name}, compared with {Path(args.gold).name}"
    for path in draw_scores(args.output_dir, title, pairs):
        print(path)


def _plot_learning(args: argparse.Namespace) -> None:
    epochs = read_epochs(args.serialization_dir)
    save_figure(learning_curves(epochs, Path(args.serialization_dir).name), args.output_file)
    tell(args.output_file, args.output_file)
