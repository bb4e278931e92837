"""Subcommands of `allennlp`."""

from joint_ner_re.commands.draw import Draw

__all__ = ["Draw"]
