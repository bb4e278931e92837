"""What the subcommands that run experiments have in common."""

import argparse
from typing import Any, Callable, Dict, List

from joint_ner_re.experiments.progress import shown
from joint_ner_re.experiments.repetition import Source
from joint_ner_re.experiments.runs import read_config


def add_common(parser: argparse.ArgumentParser) -> None:
    """The configuration, its overrides, the directory, and whether to keep checkpoints."""
    parser.add_argument("config", help="the configuration, as for allennlp train")
    parser.add_argument(
        "-s", "--serialization-dir", required=True, help="the experiment's directory"
    )
    parser.add_argument(
        "-o", "--overrides", default="", help="a JSON object that changes the configuration"
    )
    parser.add_argument(
        "--keep-checkpoints",
        action="store_true",
        help="keep every checkpoint of finished runs, not only their model.tar.gz",
    )


def integers(text: str) -> List[int]:
    """`[0, 1, 5]` for `"0,1,5"`."""
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    # Larger ones are no seeds to NumPy, and no folds to anyone.
    if not numbers or not 0 <= min(numbers) <= max(numbers) < 2**32:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers; expected such as 13,14,15"
        )
    return numbers


def config_of(args: argparse.Namespace) -> Dict[str, Any]:
    """The configuration that the arguments name."""
    return read_config(args.config, args.overrides)


def source_of(args: argparse.Namespace) -> Source:
    """Where it comes from."""
    return Source(args.config, args.overrides)


def with_progress(
    command: Callable[[argparse.Namespace], None],
) -> Callable[[argparse.Namespace], None]:
    """The command, whose progress is shown on standard output."""

    def run(args: argparse.Namespace) -> None:
        with shown():
            command(args)

    return run
