"""`allennlp export`: writes a trained model for use without PyTorch and AllenNLP."""

import argparse

from joint_ner_re.commands.base import Command, tell
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.places import ARCHIVE, check_model


class Export(Command):
    """Writes a model as ONNX graphs and JSON; see `joint_ner_re.exporting`."""

    name = "export"
    help = "Write a model for use without PyTorch and AllenNLP."
    description = (
        "Write a trained model as ONNX graphs and JSON, which joint_ner_re.load, extract and the "
        "spaCy component read without PyTorch and AllenNLP. In 32 bits the answers are the same."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("archive_file", help="a trained model (model.tar.gz)")
        parser.add_argument("directory", help="the directory to write")
        parser.add_argument(
            "--bits",
            type=int,
            default=32,
            choices=(32, 8),
            help="8 makes a pretrained encoder smaller and faster; scores change a little "
            "(default: 32)",
        )
        parser.add_argument(
            "--card",
            action="store_true",
            help="write the README as a model card, with the header that Hugging Face's hub reads",
        )
        parser.add_argument(
            "--license",
            help="for the card: the hub's name of a license, such as mit (default: none)",
        )
        parser.add_argument(
            "--language", help="for the card: such as en (default: the tokenizer's language)"
        )
        parser.add_argument(
            "--name", help="for the card: the model's name (default: the directory's)"
        )
        parser.add_argument(
            "--dataset",
            help="for the card: the corpus of the scores (default: the development part's file)",
        )

    def check(self, args: argparse.Namespace) -> None:
        """Make sure that there is such an archive."""
        check_model(args.archive_file, ARCHIVE)

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.requirements import require_export

        require_export()
        from joint_ner_re.exporting import Card, export

        card = Card(**{name: getattr(args, name) for name in Card._fields})
        for name in card._fields:
            if getattr(card, name) is not None and not args.card:
                raise CommandError(f"--{name} is for a model card; give --card, too")
        export(args.archive_file, args.directory, args.bits, card if args.card else None)
        tell(f"{args.directory}: exported in {args.bits} bits")
        if args.card and card.license is None:
            tell("The card names no license; --license mit, for example, gives one")
