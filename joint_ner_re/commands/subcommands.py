"""The package's commands as subcommands of `allennlp`."""

import argparse

from allennlp.commands.subcommand import Subcommand

from joint_ner_re.commands import predict as predict  # noqa: PLC0414 (changes AllenNLP's command)
from joint_ner_re.commands.base import Command
from joint_ner_re.commands.catalogue import COMMANDS


def register(command: Command) -> None:
    """Offer a command as `allennlp NAME`."""

    class Adapted(Subcommand):
        def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
            return command.add_parser(parser)

    Subcommand.register(command.name)(Adapted)


for _command in COMMANDS:
    register(_command)
