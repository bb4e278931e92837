"""`allennlp tune-threshold`: chooses the least probability of a predicted relation."""

import argparse
from pathlib import Path

from joint_ner_re.commands.options import ShowsProgress, add_relation_probability
from joint_ner_re.places import ARCHIVE, check_model


class TuneThreshold(ShowsProgress):
    """Chooses the threshold of relations on development data."""

    name = "tune-threshold"
    help = "Choose the threshold of relations on development data."
    description = (
        "Choose the least probability of a predicted relation, by strict micro F1 on development "
        "data, and write it into a copy of the archive. It stays as it was where no gain can be "
        "shown."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("archive_file", help="a model.tar.gz")
        parser.add_argument("data", help="development data, never the test data")
        parser.add_argument("--output-archive", help="the archive to write with the threshold")
        parser.add_argument(
            "-s", "--serialization-dir", help="where threshold.json, .md and .png go"
        )
        parser.add_argument(
            "--per-type",
            choices=["auto", "never"],
            default="auto",
            help="auto: one for each relation type if that is better on held-out sentences",
        )
        add_relation_probability(parser)
        parser.add_argument(
            "--without-proof",
            action="store_true",
            help="choose the best threshold even where no gain over the old one can be shown",
        )

    def check(self, args: argparse.Namespace) -> None:
        """Make sure that there is such an archive."""
        check_model(args.archive_file, ARCHIVE)

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.thresholds import tune_threshold

        directory = args.serialization_dir
        tune_threshold(
            args.archive_file,
            args.data,
            args.output_archive,
            None if directory is None else Path(directory),
            args.per_type,
            args.without_proof,
            args.relation_probability,
        )
