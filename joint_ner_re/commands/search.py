"""`allennlp search`: chooses depths or other settings with Optuna."""

import argparse
from pathlib import Path

from joint_ner_re.commands.options import Experiment

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")


class Search(Experiment):
    """Searches for the settings with the best validation metric."""

    name = "search"
    help = "Search for the settings with the best validation metric."
    description = (
        "Search for the settings with the best validation metric, with Optuna. Several processes "
        "can share one directory. Resumes after an interruption."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--space", help="a jsonnet file, see docs/experiments.md (default: the three depths)"
        )
        parser.add_argument("--trials", type=int, required=True, help="how many in all")
        parser.add_argument("--storage", help="the URL of an Optuna storage (default: in -s)")
        parser.add_argument("--study", default="search", help="the study's name in the storage")
        parser.add_argument("--sampler", choices=SAMPLERS, default="tpe")
        parser.add_argument("--pruner", choices=PRUNERS, default="median")
        parser.add_argument(
            "--timeout", type=float, help="seconds after which no further trial starts"
        )

    def experiment(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.search import search

        search(
            Path(args.serialization_dir),
            self.config_of(args),
            args.space,
            source=self.source_of(args),
            trials=args.trials,
            storage=args.storage,
            name=args.study,
            sampler=args.sampler,
            pruner=args.pruner,
            timeout=args.timeout,
            keep_checkpoints=args.keep_checkpoints,
        )
