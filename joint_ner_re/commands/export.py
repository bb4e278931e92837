"""`allennlp export`: writes a trained model for use without PyTorch and AllenNLP."""

import argparse

from joint_ner_re.commands.base import Command, tell


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

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.requirements import require_export

        require_export()
        from joint_ner_re.exporting import export

        export(args.archive_file, args.directory, args.bits)
        tell(f"{args.directory}: exported in {args.bits} bits")
