"""`allennlp cross-validate`: trains and scores every fold, with one seed or several."""

import argparse
from pathlib import Path

from joint_ner_re.commands.options import Experiment, integers


class CrossValidate(Experiment):
    """Trains on each fold's training part and scores its test part."""

    name = "cross-validate"
    help = "Train and score every fold of a corpus."
    description = "Train and score every fold of a corpus. Resumes after an interruption."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--folds", type=integers, help="which folds to do now, such as 0,1,2 (default: all)"
        )
        parser.add_argument(
            "--seeds",
            type=integers,
            help="do each fold with each of these, such as 13,14,15 (default: the configuration's)",
        )

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.repetition import cross_validate

        cross_validate(
            self.config_of(args),
            Path(args.serialization_dir),
            self.source_of(args),
            args.folds,
            args.seeds,
            args.keep_checkpoints,
        )
