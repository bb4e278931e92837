"""`allennlp repeat`: trains and scores one configuration with several seeds."""

import argparse
from pathlib import Path

from joint_ner_re.commands.options import Experiment, integers


class Repeat(Experiment):
    """Trains and scores with several seeds."""

    name = "repeat"
    help = "Train and score with several seeds."
    description = "Train and score with several seeds. Resumes after an interruption."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--seeds", type=integers, required=True, help="such as 13,14,15")
        parser.add_argument("--data", help="what to score (default: the validation data)")

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.repetition import repeat

        repeat(
            self.config_of(args),
            Path(args.serialization_dir),
            self.source_of(args),
            args.seeds,
            args.data,
            args.keep_checkpoints,
        )
