"""`allennlp draw`: sentences with their entities and relations as a page to look at."""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from overrides import overrides

from joint_ner_re.corpora import read_corpus
from joint_ner_re.review import match, write_page


@Subcommand.register("draw")
class Draw(Subcommand):
    """Draws a corpus or predictions, against gold where there is one; displaCy does the drawing."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Draw entities and relations, of a corpus or of predictions, as HTML. "
            "With --gold the page tells what is correct, wrong, spurious and missed.",
            help="Draw entities and relations as HTML.",
        )
        subparser.add_argument("input_file", help="a corpus or the output of allennlp predict")
        subparser.add_argument("output_file", help="the HTML file to write")
        subparser.add_argument("--format", help="the corpus format (default: detected)")
        subparser.add_argument("--gold", help="a corpus: the same sentences with gold annotations")
        subparser.add_argument("--gold-format", help="the format of --gold (default: detected)")
        subparser.set_defaults(func=_draw_from_args)
        return subparser


def _draw_from_args(args: argparse.Namespace) -> None:
    draw(args.input_file, args.output_file, args.format, args.gold, args.gold_format)


def draw(
    input_file: str,
    output_file: str,
    format: str = None,
    gold: str = None,
    gold_format: str = None,
) -> None:
    """Write a page that shows the sentences of `input_file`.

    # Parameters

    input_file : `str`
        Any corpus that `joint_ner_re.corpora.read_corpus` reads.
    output_file : `str`
        The HTML file, which is replaced.
    format : `str`, optional (default = `None`)
        The corpus format; detected when not given.
    gold : `str`, optional (default = `None`)
        A corpus with the same sentences, which `input_file` is compared with.
    gold_format : `str`, optional (default = `None`)
        Its format; detected when not given.

    # Raises

    `MatchingError`
        If the sentences of the two are not the same.
    """
    sentences = read_corpus(input_file, format)
    title = Path(input_file).name
    if gold is None:
        write_page(output_file, title, ((sentence, None) for sentence in sentences))
    else:
        pairs = match(sentences, read_corpus(gold, gold_format))
        write_page(output_file, f"{title}, compared with {Path(gold).name}", pairs)
