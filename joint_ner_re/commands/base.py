"""The base class of commands, which are defined once for both programs.

A command's module imports slow libraries, such as AllenNLP and torch, only when the command runs.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from joint_ner_re.commands.endings import ending
from joint_ner_re.streams import STDIN, STDOUT, is_stream, readable_again


class Command:
    """A command of `allennlp` and, unless it needs AllenNLP, of `joint-ner-re` alone.

    Subclasses set the class attributes and override `add_arguments`, `run` and, if the command can
    resume, `how_to_continue`.
    """

    name: str
    """What the user types."""
    help: str
    """One line for the list of commands."""
    description: str
    """One or more sentences for the command's own help."""
    needs_allennlp = True
    """Whether the command works only where AllenNLP is installed."""

    def runs_light(self, args: argparse.Namespace) -> bool:
        """Whether the command needs no AllenNLP with these arguments."""
        return not self.needs_allennlp

    def spares_torch(self, args: argparse.Namespace) -> bool:
        """Whether nothing that the command does with these arguments needs PyTorch, which spaCy
        would import; only pipelines may need it."""
        return not self.needs_allennlp and getattr(args, "tokenizer_pipeline", None) is None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        raise NotImplementedError

    def check(self, args: argparse.Namespace) -> None:
        """Find mistakes that can be found before slow imports. `ending` reports errors."""

    def run(self, args: argparse.Namespace) -> None:
        """Run the command. Expected errors may be raised; `ending` reports them."""
        raise NotImplementedError

    def how_to_continue(self, args: argparse.Namespace) -> str:
        """A sentence that tells what to do after Ctrl-C."""
        return "Nothing was written; run the same command again."

    def add_parser(self, subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
        """Add the command to a program. The argument `func` of its parser runs the command."""
        parser = subparsers.add_parser(self.name, description=self.description, help=self.help)
        self.add_arguments(parser)
        parser.set_defaults(func=partial(self._run_and_end, parser.prog))
        return parser

    def _run_and_end(self, title: str, args: argparse.Namespace) -> None:
        with ending(title, self.how_to_continue(args)), readable_again():
            self.check(args)
            self.run(args)


def input_path(text: str) -> str:
    """The path of an input argument; `-` is standard input."""
    return STDIN if text == "-" else text


def output_path(text: str) -> str:
    """The path of an output argument; `-` is standard output."""
    return STDOUT if text == "-" else text


def tell(text: str, *outputs: str | None) -> None:
    """Print a message: on standard error if one of the outputs is a stream."""
    streamed = any(output is not None and is_stream(output) for output in outputs)
    print(text, file=sys.stderr if streamed else sys.stdout)
