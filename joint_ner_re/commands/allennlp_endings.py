"""Makes AllenNLP's own commands, such as `train` and `predict`, end like those of this package.

AllenNLP binds each command's function to its parser before it imports any plugin, so it is too late
to replace the function by name. Therefore this module changes the code of the functions.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from allennlp.commands.subcommand import Subcommand
from allennlp.common import params
from allennlp.common.checks import ConfigurationError

from joint_ner_re.allennlp_changes import make
from joint_ner_re.commands.endings import ending

HOW_TO_CONTINUE = {
    "train": "Run the same command with --recover to continue after the last finished epoch.",
    "predict": "The output is incomplete; allennlp extract can resume after an interruption.",
}


def end_as_ours(name: str, function: FunctionType) -> None:
    """Change a command's function so that it runs inside `ending`.

    # Parameters

    name : `str`
        The command's name, such as `"train"`.
    function : `FunctionType`
        The function that its parser calls with the arguments. It must not have a closure.
    """
    original = FunctionType(function.__code__, function.__globals__, function.__name__)
    advice = HOW_TO_CONTINUE.get(name, "Run the same command again.")

    def run(args: argparse.Namespace) -> None:
        # The function has no access to the parser, whose `prog` names the program.
        program = "joint-ner-re" if Path(sys.argv[0]).name == "joint-ner-re" else "allennlp"
        with ending(f"{program} {name}", advice):
            _check(args)
            original(args)

    function.__code__ = _run.__code__
    function.__kwdefaults__ = {"run": run}


def _check(args: argparse.Namespace) -> None:
    """Find mistakes that AllenNLP or jsonnet would end with a traceback or a crash.

    # Raises

    `ConfigurationError`
        If the configuration is a directory, or the overrides are no JSON object.
    """
    config = getattr(args, "param_path", None)
    if isinstance(config, str) and os.path.isdir(config):
        raise ConfigurationError(
            f"{config}: this is a directory; expected a configuration, such as {config}/my.jsonnet"
        )
    overrides = getattr(args, "overrides", None)
    if isinstance(overrides, str) and overrides.lstrip()[:1] not in ("", "{"):
        raise ConfigurationError(
            f"the overrides are {overrides[:80]!r}; expected a JSON object, such as "
            '{"trainer.num_epochs": 5}'
        )


def _run(args: argparse.Namespace, *, run: Callable[[argparse.Namespace], None]) -> None:
    run(args)


def allennlp_functions() -> dict[str, FunctionType]:
    """The functions of AllenNLP's own commands, by command name."""
    found = {}
    for name in Subcommand.list_available():
        command = Subcommand.by_name(name)
        if command.__module__.split(".")[0] == "allennlp":
            subparsers = argparse.ArgumentParser().add_subparsers()
            function = command().add_subparser(subparsers).get_default("func")
            if isinstance(function, FunctionType) and function.__closure__ is None:
                found[name] = function
    return found


def _explained(evaluate: Callable[..., str]) -> Callable[..., str]:
    """Makes jsonnet's function raise a `ConfigurationError` instead of a bare `RuntimeError`."""

    def explained(*arguments: Any, **options: Any) -> str:
        try:
            return evaluate(*arguments, **options)
        except RuntimeError as error:
            raise ConfigurationError(f"the jsonnet cannot be understood: {error}") from error

    return explained


def change_allennlp() -> None:
    """Change all of AllenNLP's commands. The package's plugin does so when it is imported."""
    for name, function in allennlp_functions().items():
        end_as_ours(name, function)


evaluate_file = _explained(params.evaluate_file)
evaluate_snippet = _explained(params.evaluate_snippet)

change_allennlp()
make(__name__)
