"""`allennlp natural-mix`: how precise a model is where most sentences hold no relation."""

import argparse
from pathlib import Path

from joint_ner_re.commands.options import ShowsProgress, add_relation_probability
from joint_ner_re.places import ARCHIVE, check_model


class NaturalMix(ShowsProgress):
    """Scores a model on sentences with relations and on sentences without any."""

    name = "natural-mix"
    help = "Score a model where most sentences hold no relation."
    description = (
        "Score a model on sentences with relations and on sentences without any, as they come "
        "together in text. With development data it also chooses a threshold."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("archive_file", help="a model.tar.gz")
        parser.add_argument("positives", help="sentences with relations")
        parser.add_argument("negatives", help="sentences without any")
        parser.add_argument(
            "--negatives-for-each",
            type=float,
            help="how many sentences without relations there are for each one with, where the "
            "model is used; as many as in the data if not given",
        )
        parser.add_argument(
            "--max-false",
            type=float,
            help="choose a threshold that finds relations in at most this share of the negatives",
        )
        parser.add_argument(
            "--output-archive",
            help="the archive to write with the threshold of the highest F1 at the mix",
        )
        parser.add_argument(
            "--beside",
            nargs="+",
            type=Path,
            default=(),
            metavar="DIR",
            help="where the results of other models on the same data are, which the table and the "
            "figure show, too",
        )
        add_relation_probability(parser)
        parser.add_argument(
            "-s", "--serialization-dir", help="where natural_mix.json, .md and .png go"
        )

    def check(self, args: argparse.Namespace) -> None:
        """Make sure that there is such an archive."""
        check_model(args.archive_file, ARCHIVE)

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.natural_mix import natural_mix

        directory = args.serialization_dir
        natural_mix(
            args.archive_file,
            args.positives,
            args.negatives,
            args.negatives_for_each,
            args.max_false,
            args.output_archive,
            None if directory is None else Path(directory),
            args.relation_probability,
            args.beside,
        )
