"""Base classes of the commands that run experiments or a model, and options that they share."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from joint_ner_re.commands.base import Command
from joint_ner_re.documents import RELATION_PROBABILITIES
from joint_ner_re.hub import hub_model, local_model
from joint_ner_re.places import check_configuration, check_model
from joint_ner_re.requirements import has_allennlp, require_allennlp
from joint_ner_re.runtime.files import MANIFEST, is_exported, needs_torch

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


def add_relation_probability(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives a trained model another `relation_probability`."""
    parser.add_argument(
        "--relation-probability",
        choices=RELATION_PROBABILITIES,
        help="what a relation's probability says, here and in the new archive. pair: that the "
        "entities are related so, if they are right; whole: that they are right, too (default: as "
        "the model has it)",
    )


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

    def check(self, args: argparse.Namespace) -> None:
        """Make sure that there is such a configuration."""
        check_configuration(args.config)

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


class RunsModel(Command):
    """A command that runs a model, which may be an archive or a directory of `export`."""

    def runs_light(self, args: argparse.Namespace) -> bool:
        """Whether the model is an exported one, or may be one of the hub.

        Where AllenNLP is not installed, `check` and `local_archive` say what is wrong with others.
        """
        model = args.archive_file
        return is_exported(model) or hub_model(model) is not None or not has_allennlp()

    def spares_torch(self, args: argparse.Namespace) -> bool:
        """Whether the model is an exported one that has its tokens from spaCy's rules."""
        return not needs_torch(args.archive_file)

    def check(self, args: argparse.Namespace) -> None:
        """Make sure that there may be such a model."""
        model = args.archive_file
        if hub_model(model) is not None:
            return
        check_model(model)
        if os.path.isdir(model) and not is_exported(model) and not has_allennlp():
            raise FileNotFoundError(
                f"there is no {MANIFEST} in {model}; expected a directory that allennlp export "
                "wrote or, where AllenNLP is installed, an archive"
            )


def add_archive(parser: argparse.ArgumentParser) -> None:
    """The model."""
    parser.add_argument(
        "archive_file",
        help="a trained model: model.tar.gz, a directory that allennlp export wrote, or one of "
        "these on the Hugging Face hub, as hf://owner/name@REVISION",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How the model is run."""
    parser.add_argument(
        "--cuda-device", type=int, default=-1, help="the GPU's number (default: the CPU)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        help="how many threads an exported model uses (default: OMP_NUM_THREADS, or all cores)",
    )
    parser.add_argument(
        "--relation-threshold",
        type=float,
        help="the least probability of a relation (default: the model's)",
    )


def local_archive(path: str) -> str:
    """The model's local file or directory; one of the hub or at an address is fetched."""
    local = os.fspath(local_model(path))
    if is_exported(local) or local != path:
        return local
    require_allennlp()
    from allennlp.common.file_utils import cached_path

    return str(cached_path(path))


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
