"""`allennlp extract`: predicts for many documents, and can resume after an interruption."""

import argparse

from joint_ner_re.commands.base import input_path, output_path, tell
from joint_ner_re.commands.convert import add_table_options, format_of, table_options
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.commands.options import (
    RunsModel,
    add_archive,
    add_model_options,
    local_archive,
)
from joint_ner_re.corpora import WRITABLE
from joint_ner_re.corpora.failures import errors_path
from joint_ner_re.streams import is_stream


class Extract(RunsModel):
    """Runs a model over any number of documents; see `joint_ner_re.extraction`."""

    name = "extract"
    help = "Find entities and relations in many documents."
    description = (
        "Find entities and relations in many documents. The same command resumes after an "
        "interruption, unless the input or the output is a pipe."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_archive(parser)
        parser.add_argument(
            "input",
            type=input_path,
            help="a file with a text or a JSON object in each line, a JSON array, a table (CSV, "
            "TSV, Excel, Parquet), or a directory of .txt files; .gz or not; - for standard input",
        )
        parser.add_argument(
            "output",
            type=output_path,
            help="what to write; compressed if it ends in .gz; - for standard output",
        )
        parser.add_argument(
            "--to",
            choices=sorted(WRITABLE),
            help="the format (default: by the output's name; jsonl for a pipe)",
        )
        parser.add_argument(
            "--batch-documents", type=int, default=64, help="how many at once (default: 64)"
        )
        add_model_options(parser)
        parser.add_argument(
            "--text-column", help="for a table: the column of the texts (default: text)"
        )
        add_table_options(parser)
        parser.add_argument(
            "--overwrite", action="store_true", help="replace the finished output of another run"
        )
        parser.add_argument(
            "--no-resume",
            action="store_true",
            help="start over, even if an interrupted run could be resumed",
        )

    def how_to_continue(self, args: argparse.Namespace) -> str:
        if is_stream(args.input) or is_stream(args.output):
            return "A run that reads or writes a pipe cannot resume: start it over."
        return f"Run the same command again to continue with {args.output}.part."

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.extraction import extract
        from joint_ner_re.extractor import load_any

        to = args.to or format_of(args.output)
        table = table_options(to, args.entities, args.mark)
        archive = local_archive(args.archive_file)
        summary = extract(
            lambda: load_any(archive, args.cuda_device, args.threads),
            archive,
            args.input,
            args.output,
            to,
            args.batch_documents,
            args.relation_threshold,
            resume=not args.no_resume,
            text_column=args.text_column,
            table=table,
            overwrite=args.overwrite,
        )
        before = f" ({summary.resumed_from} by the interrupted run)" if summary.resumed_from else ""
        tell(f"{args.output}: {summary.documents} documents{before}", args.output)
        if summary.errors:
            where = 'they have the key "error"'
            if to != "jsonl":
                where = f"see {errors_path(args.output)}"
                if is_stream(args.output):
                    where = "the log names them"
            raise CommandError(f"{summary.errors} of them could not be processed; {where}")
