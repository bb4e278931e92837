"""Base classes of the commands that run experiments."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from joint_ner_re.commands.base import Command

if TYPE_CHECKING:
    from joint_ner_re.experiments.repetition import Source


class ShowsProgress(Command):
    """A command that prints its progress to standard output, one line for each step."""

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.experiments.progress import progress_on_stdout

        with progress_on_stdout():
            self.experiment(args)

    def experiment(self, args: argparse.Namespace) -> None:
        """Run the experiment; progress is printed."""
        raise NotImplementedError


class Experiment(ShowsProgress):
    """A command that trains a configuration several times in one directory."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the configuration, its overrides, the directory, and whether to keep checkpoints."""
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

    def how_to_continue(self, args: argparse.Namespace) -> str:
        return f"Run the same command again to continue in {args.serialization_dir}."

    @staticmethod
    def config_of(args: argparse.Namespace) -> dict[str, Any]:
        """The configuration that the arguments name."""
        from joint_ner_re.experiments.runs import read_config

        return read_config(args.config, args.overrides)

    @staticmethod
    def source_of(args: argparse.Namespace) -> Source:
        """The configuration's file and overrides."""
        from joint_ner_re.experiments.repetition import Source

        return Source(args.config, args.overrides)


def integers(text: str) -> list[int]:
    """`[0, 1, 5]` for `"0,1,5"`."""
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    # NumPy does not take larger seeds.
    if not numbers or not 0 <= min(numbers) <= max(numbers) < 2**32:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers; expected a list such as 13,14,15"
        )
    return numbers
