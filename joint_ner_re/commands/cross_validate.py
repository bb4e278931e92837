"""`allennlp cross-validate`: every fold trained and scored."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.commands.options import add_common, config_of, integers, source_of, with_progress
from joint_ner_re.experiments.repetition import cross_validate


@Subcommand.register("cross-validate")
class CrossValidate(Subcommand):
    """Trains on each fold's training part and scores its test part."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Train and score every fold of a corpus; go on where it was interrupted.",
            help="Train and score every fold of a corpus.",
        )
        add_common(subparser)
        subparser.add_argument(
            "--folds", type=integers, help="which folds to do now, such as 0,1,2 (default: all)"
        )
        subparser.set_defaults(func=with_progress(_cross_validate))
        return subparser


def _cross_validate(args: argparse.Namespace) -> None:
    cross_validate(
        config_of(args),
        Path(args.serialization_dir),
        source_of(args),
        args.folds,
        args.keep_checkpoints,
    )
