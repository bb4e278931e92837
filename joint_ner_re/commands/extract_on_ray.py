"""`allennlp extract-ray`: predicts for a corpus that is too large for one process."""

import argparse

from joint_ner_re.commands.endings import CommandError
from joint_ner_re.commands.options import RunsModel, add_archive, local_archive


class ExtractOnRay(RunsModel):
    """Runs a model in many processes; see `joint_ner_re.extraction.on_ray`."""

    name = "extract-ray"
    help = "Find entities and relations in a large corpus, on many machines."
    description = (
        "Find entities and relations in a large corpus, in many processes on one machine or many, "
        "with Ray Data. The same command resumes after an interruption."
    )

    def spares_torch(self, args: argparse.Namespace) -> bool:
        """Never: Ray looks for PyTorch itself."""
        return False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_archive(parser)
        parser.add_argument(
            "input",
            help="a file of JSON lines or of texts, or a table (CSV, Excel, Parquet); a directory "
            "of such files; or a pattern in quotation marks",
        )
        parser.add_argument("output_dir", help="the directory to write, which all machines see")
        parser.add_argument(
            "--workers", type=int, default=1, help="how many processes (default: 1)"
        )
        parser.add_argument(
            "--cpus-per-worker", type=float, default=1, help="CPUs per process (default: 1)"
        )
        parser.add_argument(
            "--gpus-per-worker", type=float, default=0, help="GPUs per process (default: 0)"
        )
        parser.add_argument(
            "--batch-documents", type=int, default=64, help="how many at once (default: 64)"
        )
        parser.add_argument(
            "--block-documents",
            type=int,
            default=2000,
            help="how many in each output file (default: 2000)",
        )
        parser.add_argument(
            "--relation-threshold",
            type=float,
            help="the least probability of a relation (default: the model's)",
        )
        parser.add_argument(
            "--text-column", help="the column of the texts, for tables (default: text)"
        )
        parser.add_argument(
            "--address", help="the Ray cluster (default: RAY_ADDRESS, otherwise this machine)"
        )

    def how_to_continue(self, args: argparse.Namespace) -> str:
        return f"Run the same command again to continue in {args.output_dir}."

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.extraction.on_ray import extract_on_ray

        summary = extract_on_ray(
            local_archive(args.archive_file),
            args.input,
            args.output_dir,
            workers=args.workers,
            cpus_per_worker=args.cpus_per_worker,
            gpus_per_worker=args.gpus_per_worker,
            batch_documents=args.batch_documents,
            block_documents=args.block_documents,
            relation_threshold=args.relation_threshold,
            text_column=args.text_column,
            address=args.address,
        )
        before = f" ({summary.resumed_from} by the interrupted run)" if summary.resumed_from else ""
        print(f"{args.output_dir}: {summary.documents} documents{before}")
        if summary.errors:
            raise CommandError(
                f'{summary.errors} of them could not be processed; they have the key "error"'
            )
