"""`allennlp ablate`: what the layers that belong to one task contribute."""

import argparse
from pathlib import Path

from joint_ner_re.commands.endings import CommandError
from joint_ner_re.commands.options import Experiment, integers


class Ablate(Experiment):
    """Trains and scores a configuration without the layers that belong to one task."""

    name = "ablate"
    help = "Train and score without the layers of each task."
    description = (
        "Compare a configuration with variants that lack the layers of one task, or share all "
        "layers. Resumes after an interruption."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--seeds", type=integers, help="such as 13,14,15 (default: the configuration's)"
        )
        parser.add_argument(
            "--folds",
            type=integers,
            help="score the test parts of these folds, such as 0,1,2, not the validation data",
        )

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.ablation import ablate

        config = self.config_of(args)
        seeds = args.seeds
        if seeds is None:
            if not isinstance(config.get("random_seed"), int):
                raise CommandError("the configuration has no random_seed: give --seeds")
            seeds = [config["random_seed"]]
        ablate(
            config,
            Path(args.serialization_dir),
            self.source_of(args),
            seeds,
            args.folds,
            args.keep_checkpoints,
        )
