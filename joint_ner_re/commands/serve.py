"""`joint-ner-re serve`: a trained model as a service over HTTP, with a page to try it."""

import argparse

from joint_ner_re.commands.endings import CommandError
from joint_ner_re.commands.options import (
    RunsModel,
    add_archive,
    add_model_options,
    local_archive,
)

PORT = 8000


class Serve(RunsModel):
    """Serves a model; see `joint_ner_re.service`."""

    name = "serve"
    help = "Serve a model over HTTP, with a page to try it."
    description = (
        "Serve a trained model over HTTP: POST /extract finds entities and relations, and GET / is "
        "a page to try it. Only this machine can reach it, unless --host says otherwise. SIGTERM "
        "and Ctrl-C finish what is running."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_archive(parser)
        parser.add_argument(
            "--port", type=int, default=PORT, help=f"0 for a free one (default: {PORT})"
        )
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            help="the address to listen at; 0.0.0.0 lets other machines in, without a password "
            "(default: 127.0.0.1)",
        )
        parser.add_argument(
            "--allowed-hosts",
            type=lambda text: text.split(","),
            default=[],
            metavar="NAME,...",
            help="at 127.0.0.1: more names that the header Host may have; at other addresses: the "
            "only ones beside localhost (default there: all)",
        )
        # The numbers are those of `Limits`; a test compares them.
        parser.add_argument(
            "--max-characters",
            type=int,
            default=200_000,
            help="the most characters of a request (default: 200000)",
        )
        parser.add_argument(
            "--max-texts", type=int, default=1_000, help="the most texts (default: 1000)"
        )
        parser.add_argument(
            "--max-waiting",
            type=int,
            default=64,
            help="how many requests may be in progress at once (default: 64)",
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=60.0,
            help="how many seconds a request may take to arrive, and its answer (default: 60)",
        )
        add_model_options(parser)

    def how_to_continue(self, args: argparse.Namespace) -> str:
        return "Run the same command again."

    def run(self, args: argparse.Namespace) -> None:
        from joint_ner_re.requirements import require_service

        try:
            require_service()
        except ModuleNotFoundError as error:
            raise CommandError(str(error)) from error
        from joint_ner_re.extractor import load
        from joint_ner_re.service.app import Service
        from joint_ner_re.service.hosts import allowed_hosts
        from joint_ner_re.service.limits import Limits
        from joint_ner_re.service.scores import scores_beside
        from joint_ner_re.service.server import bound_socket, is_loopback, run

        limits = Limits(args.max_characters, args.max_texts, args.max_waiting, args.timeout)
        # First what takes no time and may fail.
        with bound_socket(args.host, args.port) as bound:
            address, local = bound.getsockname()[0], is_loopback(bound)
            hosts = allowed_hosts(args.host, address, local, args.allowed_hosts)
            archive = local_archive(args.archive_file)
            extractor = load(archive, args.cuda_device, args.threads, args.relation_threshold)
            # The first text takes longest: it makes the tokenizer.
            extractor("Ready.")
            service = Service(extractor.predictor, limits, scores_beside(archive), hosts)
            run(service, bound, lambda address: print(f"serving at {address}", flush=True))
        print("stopped", flush=True)
