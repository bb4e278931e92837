"""`allennlp extract-ray`: predictions for a corpus that is too large for one process."""

import argparse
import sys

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from overrides import overrides

from joint_ner_re.extraction.on_ray import extract_on_ray


@Subcommand.register("extract-ray")
class ExtractOnRay(Subcommand):
    """Runs a model in many processes; see `joint_ner_re.extraction.on_ray`."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Find entities and relations in a large corpus, in many processes on one "
            "machine or many, by Ray Data. The same command goes on where an interrupted one "
            "stopped.",
            help="Find entities and relations in a large corpus, on many machines.",
        )
        subparser.add_argument("archive_file", help="a trained model (model.tar.gz)")
        subparser.add_argument(
            "input",
            help="a file of JSON lines, of texts, or of Parquet; a directory of such files; or a "
            "pattern in quotation marks",
        )
        subparser.add_argument("output_dir", help="the directory to write, which all machines see")
        subparser.add_argument(
            "--workers", type=int, default=1, help="how many processes (default: 1)"
        )
        subparser.add_argument(
            "--cpus-per-worker", type=float, default=1, help="of each process (default: 1)"
        )
        subparser.add_argument(
            "--gpus-per-worker", type=float, default=0, help="of each process (default: 0)"
        )
        subparser.add_argument(
            "--batch-documents", type=int, default=64, help="how many at once (default: 64)"
        )
        subparser.add_argument(
            "--block-documents",
            type=int,
            default=2000,
            help="how many in a file of the output (default: 2000)",
        )
        subparser.add_argument(
            "--relation-threshold",
            type=float,
            help="the least probability of a relation (default: the model's)",
        )
        subparser.add_argument(
            "--address", help="the Ray cluster (default: RAY_ADDRESS, otherwise this machine)"
        )
        subparser.set_defaults(func=_extract_from_args)
        return subparser


def _extract_from_args(args: argparse.Namespace) -> None:
    try:
        summary = extract_on_ray(
            cached_path(args.archive_file),
            args.input,
            args.output_dir,
            workers=args.workers,
            cpus_per_worker=args.cpus_per_worker,
            gpus_per_worker=args.gpus_per_worker,
            batch_documents=args.batch_documents,
            block_documents=args.block_documents,
            relation_threshold=args.relation_threshold,
            address=args.address,
        )
    except (ConfigurationError, OSError, ValueError) as error:
        sys.exit(f"allennlp extract-ray: {error}")
    except KeyboardInterrupt:
        print(f"\nStopped; the same command goes on in {args.output_dir}.", file=sys.stderr)
        sys.exit(130)
    before = f" ({summary.resumed_from} by the interrupted run)" if summary.resumed_from else ""
    print(f"{args.output_dir}: {summary.documents} documents{before}")
    if summary.errors:
        sys.exit(f'{summary.errors} of them could not be processed; they have the key "error"')
