"""`allennlp repeat`: one configuration with several seeds."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.commands.options import add_common, config_of, integers, source_of, with_progress
from joint_ner_re.experiments.repetition import repeat


@Subcommand.register("repeat")
class Repeat(Subcommand):
    """Trains and scores with several seeds."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Train and score with several seeds; go on where it was interrupted.",
            help="Train and score with several seeds.",
        )
        add_common(subparser)
        subparser.add_argument("--seeds", type=integers, required=True, help="such as 13,14,15")
        subparser.add_argument("--data", help="what to score (default: the validation data)")
        subparser.set_defaults(func=with_progress(_repeat))
        return subparser


def _repeat(args: argparse.Namespace) -> None:
    repeat(
        config_of(args),
        Path(args.serialization_dir),
        source_of(args),
        args.seeds,
        args.data,
        args.keep_checkpoints,
    )
