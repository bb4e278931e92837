"""`draw`: draws sentences with their entities and relations as an HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from joint_ner_re.commands.base import Command, input_path, output_path
from joint_ner_re.corpora import FORMATS, read_corpus
from joint_ner_re.review import match, write_page


class Draw(Command):
    """Draws a corpus or predictions, optionally compared with gold annotations."""

    name = "draw"
    help = "Draw entities and relations as HTML."
    description = (
        "Draw the entities and relations of a corpus or of predictions as HTML. With --gold, the "
        "page marks what is correct, wrong, spurious and missed."
    )
    needs_allennlp = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "input_file",
            type=input_path,
            help="a corpus or the output of allennlp predict; - for standard input",
        )
        parser.add_argument(
            "output_file", type=output_path, help="the HTML file to write; - for standard output"
        )
        parser.add_argument(
            "--format", choices=sorted(FORMATS), help="the corpus format (default: detected)"
        )
        parser.add_argument(
            "--gold", type=input_path, help="a corpus: the same sentences with gold annotations"
        )
        parser.add_argument(
            "--gold-format",
            choices=sorted(FORMATS),
            help="the format of --gold (default: detected)",
        )

    def run(self, args: argparse.Namespace) -> None:
        draw(args.input_file, args.output_file, args.format, args.gold, args.gold_format)


def draw(
    input_file: str,
    output_file: str,
    format: str | None = None,
    gold: str | None = None,
    gold_format: str | None = None,
) -> None:
    """Write a page that shows the sentences of `input_file`.

    # Parameters

    input_file : `str`
        Any corpus that `joint_ner_re.corpora.read_corpus` reads.
    output_file : `str`
        The HTML file. It is replaced if it exists.
    format : `str`, optional (default = `None`)
        The corpus format; detected when not given.
    gold : `str`, optional (default = `None`)
        A corpus with the same sentences, to compare `input_file` with.
    gold_format : `str`, optional (default = `None`)
        Its format; detected when not given.

    # Raises

    `MatchingError`
        If the two do not have the same sentences.
    """
    sentences = read_corpus(input_file, format)
    title = Path(input_file).name
    if gold is None:
        write_page(output_file, title, ((sentence, None) for sentence in sentences))
    else:
        pairs = match(sentences, read_corpus(gold, gold_format))
        write_page(output_file, f"{title}, compared with {Path(gold).name}", pairs)
