"""`allennlp tune-threshold`: from which probability on a relation is predicted."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.commands.options import with_progress
from joint_ner_re.experiments.thresholds import tune_threshold


@Subcommand.register("tune-threshold")
class TuneThreshold(Subcommand):
    """Chooses the threshold of relations on development data."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Choose from which probability on a relation is predicted, by strict micro "
            "F1 on development data, and write it into a copy of the archive.",
            help="Choose the threshold of relations on development data.",
        )
        subparser.add_argument("archive_file", help="a model.tar.gz")
        subparser.add_argument("data", help="development data, never the test data")
        subparser.add_argument("--output-archive", help="the archive to write with the threshold")
        subparser.add_argument(
            "-s", "--serialization-dir", help="where threshold.json, .md and .png go"
        )
        subparser.add_argument(
            "--per-type",
            choices=["auto", "never"],
            default="auto",
            help="auto: one for each relation type if that is better on held-out sentences",
        )
        subparser.set_defaults(func=with_progress(_tune_threshold))
        return subparser


def _tune_threshold(args: argparse.Namespace) -> None:
    directory = args.serialization_dir
    tune_threshold(
        args.archive_file,
        args.data,
        args.output_archive,
        None if directory is None else Path(directory),
        args.per_type,
    )
