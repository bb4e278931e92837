"""`allennlp plot`: figures of predictions against gold, and of a training, as PNG."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.corpora import read_corpus
from joint_ner_re.figures import save_figure
from joint_ner_re.review import match
from joint_ner_re.review.pictures import draw_scores, learning_curves, read_epochs


@Subcommand.register("plot")
class Plot(Subcommand):
    """Draws scores by type, confusion, precision and recall by threshold, and learning curves."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        description = "Draw predictions against gold, or a training, as PNG."
        subparser = parser.add_parser(self.name, description=description, help=description)
        kinds = subparser.add_subparsers(dest="figure", required=True, metavar="scores|learning")

        scores = kinds.add_parser(
            "scores",
            description="Draw scores by type, the confusion of entity types, and precision and "
            "recall by threshold.",
        )
        scores.add_argument("input_file", help="the output of allennlp predict")
        scores.add_argument("gold", help="a corpus: the same sentences with gold annotations")
        scores.add_argument("output_dir", help="the directory to write PNG files to")
        scores.add_argument("--format", help="the format of the predictions (default: detected)")
        scores.add_argument("--gold-format", help="the format of the gold file (default: detected)")
        scores.set_defaults(func=_scores_from_args)

        learning = kinds.add_parser(
            "learning", description="Draw losses and F1 of every epoch of a training."
        )
        learning.add_argument("serialization_dir", help="the directory of allennlp train")
        learning.add_argument("output_file", help="the PNG file to write")
        learning.set_defaults(func=_learning_from_args)
        return subparser


def _scores_from_args(args: argparse.Namespace) -> None:
    pairs = match(
        read_corpus(args.input_file, args.format), read_corpus(args.gold, args.gold_format)
    )
    title = f"{Path(args.input_file).name}, compared with {Path(args.gold).name}"
    for path in draw_scores(args.output_dir, title, pairs):
        print(path)


def _learning_from_args(args: argparse.Namespace) -> None:
    epochs = read_epochs(args.serialization_dir)
    save_figure(learning_curves(epochs, Path(args.serialization_dir).name), args.output_file)
    print(args.output_file)
