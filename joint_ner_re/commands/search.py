"""`allennlp search`: depths, or other settings, chosen by Optuna."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.commands.options import add_common, config_of, source_of, with_progress

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "none")


@Subcommand.register("search")
class Search(Subcommand):
    """Searches for the settings with the best validation metric."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Search for the settings with the best validation metric, with Optuna. "
            "Several processes can share one directory; go on where it was interrupted.",
            help="Search for the settings with the best validation metric.",
        )
        add_common(subparser)
        subparser.add_argument(
            "--space", help="a jsonnet file, see docs/experiments.md (default: the three depths)"
        )
        subparser.add_argument("--trials", type=int, required=True, help="how many in all")
        subparser.add_argument("--storage", help="an address of Optuna's (default: in -s)")
        subparser.add_argument("--study", default="search", help="the study's name in the storage")
        subparser.add_argument("--sampler", choices=SAMPLERS, default="tpe")
        subparser.add_argument("--pruner", choices=PRUNERS, default="median")
        subparser.add_argument(
            "--timeout", type=float, help="seconds after which no trial is begun any more"
        )
        subparser.set_defaults(func=with_progress(_search))
        return subparser


def _search(args: argparse.Namespace) -> None:
    # Optuna takes time to import, which the other commands need not spend.
    from joint_ner_re.experiments.search import search

    search(
        Path(args.serialization_dir),
        config_of(args),
        args.space,
        source=source_of(args),
        trials=args.trials,
        storage=args.storage,
        name=args.study,
        sampler=args.sampler,
        pruner=args.pruner,
        timeout=args.timeout,
        keep_checkpoints=args.keep_checkpoints,
    )
