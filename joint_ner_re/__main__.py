"""The program `joint-ner-re`: every command, of which some need no AllenNLP.

Those are run here, without importing AllenNLP or torch; the others, and AllenNLP's own, are handed
over to AllenNLP, in any directory and with nothing to include. `extract` with an exported model
needs none, either.
"""

from __future__ import annotations

import argparse
import sys
import warnings

from joint_ner_re.commands.base import Command
from joint_ner_re.commands.catalogue import COMMANDS
from joint_ner_re.commands.endings import ending
from joint_ner_re.places import ARCHIVE, check_configuration, check_model
from joint_ner_re.requirements import require_allennlp
from joint_ner_re.version import VERSION

PROGRAM = "joint-ner-re"
AGAIN = "Run the same command again."
# The commands of AllenNLP that are of use with this package.
ALLENNLP_COMMANDS = {
    "train": "Train a model.",
    "predict": "Predict with a trained model.",
    "evaluate": "Evaluate a trained model on data.",
    "find-lr": "Find a learning rate.",
    "build-vocab": "Build a vocabulary from a configuration.",
    "print-results": "Print the results of several trainings.",
}
# What the first argument of some of them names.
CONFIGURED, OF_ARCHIVE = ("train", "find-lr", "build-vocab"), ("predict", "evaluate")


def main() -> None:
    """Run the command that the process's arguments name."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = next((command for command in COMMANDS if command.name == name), None)
    if name in ALLENNLP_COMMANDS:
        with ending(f"{PROGRAM} {name}", AGAIN):
            _check_first(name, sys.argv[2:])
            _forward_to_allennlp()
        return
    parser = make_parser(chosen)
    # Help and wrong options end here, before anything slow is imported.
    args = parser.parse_args()
    if chosen is None:
        parser.print_help()
        return
    with ending(f"{PROGRAM} {name}", AGAIN):
        chosen.check(args)
        if not chosen.runs_light(args):
            _forward_to_allennlp()
            return
    if chosen.spares_torch(args):
        # It would take longer to import than such a command takes.
        sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    args.func(args)


def make_parser(chosen: Command | None = None) -> argparse.ArgumentParser:
    """The program's parser; its help lists the commands that need AllenNLP, too.

    # Parameters

    chosen : `Command`, optional (default = `None`)
        The command that the user has typed. Of those that need AllenNLP, the parser has this one.
    """
    forwarded = "\n".join(f"  {name:<18}{text}" for name, text in sorted(_forwarded().items()))
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Joint recognition of entities and relations.",
        epilog=f"commands that need AllenNLP:\n{forwarded}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {VERSION}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        if not command.needs_allennlp or command is chosen:
            own = command.add_parser(subparsers)
            if command.needs_allennlp:
                # AllenNLP adds it to these.
                own.add_argument(
                    "--include-package", action="append", help="additional packages to include"
                )
    return parser


def _check_first(name: str, arguments: list[str]) -> None:
    """Make sure that there is what a command of AllenNLP's runs, if that is its first argument."""
    first = arguments[0] if arguments else "-"
    if first.startswith("-") or "://" in first:
        return
    if name in CONFIGURED:
        check_configuration(first)
    elif name in OF_ARCHIVE:
        check_model(first, ARCHIVE)


def _forwarded() -> dict[str, str]:
    """The commands that need AllenNLP, with a line of help each."""
    ours = {command.name: command.help for command in COMMANDS if command.needs_allennlp}
    return {**ALLENNLP_COMMANDS, **ours}


def _forward_to_allennlp() -> None:
    require_allennlp()
    # Of what AllenNLP's libraries call in PyTorch while they are imported.
    warnings.filterwarnings("ignore", category=FutureWarning, module="allennlp|fairscale")
    import allennlp.__main__  # noqa: F401 (sets logging up as for `allennlp`)
    from allennlp.commands import main as run_allennlp
    from allennlp.commands.subcommand import Subcommand
    from allennlp.common.util import install_sigterm_handler

    import joint_ner_re.plugin  # noqa: F401 (registers the package's classes and commands)

    if getattr(Subcommand.by_name(sys.argv[1]), "requires_plugins", True):
        # The processes of a distributed training import only the packages that are named.
        sys.argv += ["--include-package", "joint_ner_re.plugin"]
    install_sigterm_handler()
    # `allennlp_endings` looks here, also where this was started as `python -m joint_ner_re`.
    sys.argv[0] = PROGRAM
    run_allennlp(prog=PROGRAM)


if __name__ == "__main__":
    main()
