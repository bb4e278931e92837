"""`allennlp extract`: predictions for many documents, which may be interrupted."""

import argparse
import sys

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from overrides import overrides

from joint_ner_re.commands.convert import format_of
from joint_ner_re.corpora import WRITABLE
from joint_ner_re.extraction import extract
from joint_ner_re.predictors.loading import load_predictor


@Subcommand.register("extract")
class Extract(Subcommand):
    """Runs a model over any number of documents; see `joint_ner_re.extraction`."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Find entities and relations in many documents. The same command goes on "
            "where an interrupted one stopped.",
            help="Find entities and relations in many documents.",
        )
        subparser.add_argument("archive_file", help="a trained model (model.tar.gz)")
        subparser.add_argument(
            "input",
            help="a file with a text or a JSON object in each line, or a directory of .txt files; "
            ".gz or not",
        )
        subparser.add_argument("output", help="what to write; compressed if it ends in .gz")
        subparser.add_argument(
            "--to", choices=sorted(WRITABLE), help="the format (default: by the output's name)"
        )
        subparser.add_argument(
            "--batch-documents", type=int, default=64, help="how many at once (default: 64)"
        )
        subparser.add_argument(
            "--cuda-device", type=int, default=-1, help="the GPU's number (default: the CPU)"
        )
        subparser.add_argument(
            "--relation-threshold",
            type=float,
            help="the least probability of a relation (default: the model's)",
        )
        subparser.add_argument(
            "--no-resume",
            action="store_true",
            help="start over, whatever an interrupted run has left",
        )
        subparser.set_defaults(func=_extract_from_args)
        return subparser


def _extract_from_args(args: argparse.Namespace) -> None:
    try:
        archive = cached_path(args.archive_file)
        summary = extract(
            lambda: load_predictor(str(archive), args.cuda_device),
            archive,
            args.input,
            args.output,
            args.to or format_of(args.output),
            args.batch_documents,
            args.relation_threshold,
            resume=not args.no_resume,
        )
    except (ConfigurationError, OSError, ValueError) as error:
        sys.exit(f"allennlp extract: {error}")
    except KeyboardInterrupt:
        part = f"{args.output}.part"
        print(f"\nStopped; the same command goes on with {part}.", file=sys.stderr)
        sys.exit(130)
    before = f" ({summary.resumed_from} by the interrupted run)" if summary.resumed_from else ""
    print(f"{args.output}: {summary.documents} documents{before}")
    if summary.errors:
        sys.exit(
            f"{summary.errors} of them could not be processed; in JSON lines they have the key "
            '"error"'
        )
