"""`allennlp ablate`: what the layers of each task's own are good for."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from overrides import overrides

from joint_ner_re.commands.options import add_common, config_of, integers, source_of, with_progress
from joint_ner_re.experiments.ablation import ablate


@Subcommand.register("ablate")
class Ablate(Subcommand):
    """Trains and scores a configuration without layers of each task's own."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Compare a configuration with variants that lack the layers of a task's "
            "own, or share all layers; go on where it was interrupted.",
            help="Train and score without layers of each task's own.",
        )
        add_common(subparser)
        subparser.add_argument(
            "--seeds", type=integers, help="such as 13,14,15 (default: the configuration's)"
        )
        subparser.add_argument(
            "--folds",
            type=integers,
            help="score the test parts of these folds, such as 0,1,2, not the validation data",
        )
        subparser.set_defaults(func=with_progress(_ablate))
        return subparser


def _ablate(args: argparse.Namespace) -> None:
    config = config_of(args)
    seeds = args.seeds
    if seeds is None:
        if not isinstance(config.get("random_seed"), int):
            raise ConfigurationError("the configuration has no random_seed: give --seeds")
        seeds = [config["random_seed"]]
    ablate(
        config,
        Path(args.serialization_dir),
        source_of(args),
        seeds,
        args.folds,
        args.keep_checkpoints,
    )
