"""`allennlp draw`: sentences with their entities and relations as a page to look at."""

import argparse
from html import escape
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional

from allennlp.commands.subcommand import Subcommand
from overrides import overrides
from spacy import displacy
from tqdm import tqdm

from joint_ner_re.corpora import read_corpus
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import flatten
from joint_ner_re.writing import write_text

_PALETTE = ("#aadcf2", "#f9c6a5", "#c5e8b7", "#e4c7f1", "#fbe59b", "#d3d3d3")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem; color: #222; }}
section {{ border-bottom: 1px solid #ddd; padding: 1rem 0; overflow-x: auto; }}
h2 {{ font-size: 0.9rem; color: #777; font-weight: normal; }}
.entities {{ line-height: 2.5; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


@Subcommand.register("draw")
class Draw(Subcommand):
    """Draws a corpus or a file of predictions; spaCy's displaCy makes the drawings."""

    @overrides
    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        subparser = parser.add_parser(
            self.name,
            description="Draw entities and relations, of a corpus or of predictions, as HTML.",
            help="Draw entities and relations as HTML.",
        )
        subparser.add_argument("input_file", help="a corpus or the output of allennlp predict")
        subparser.add_argument("output_file", help="the HTML file to write")
        subparser.add_argument("--format", help="the corpus format (default: detected)")
        subparser.set_defaults(func=_draw_from_args)
        return subparser


def _draw_from_args(args: argparse.Namespace) -> None:
    draw(args.input_file, args.output_file, args.format)


def draw(input_file: str, output_file: str, format: str = None) -> None:
    """Write a page that shows the sentences of `input_file`.

    # Parameters

    input_file : `str`
        Any corpus that `joint_ner_re.corpora.read_corpus` reads.
    output_file : `str`
        The HTML file, which is replaced.
    format : `str`, optional (default = `None`)
        The corpus format; detected when not given.
    """
    body = "\n".join(_drawings(read_corpus(input_file, format)))
    page = _PAGE.format(title=escape(Path(input_file).name), body=body)
    write_text(output_file, page)


def _drawings(sentences: Iterable[Sentence]) -> Iterator[str]:
    """One section of HTML per sentence. All text and all labels are escaped."""
    colours: Dict[str, str] = {}
    for number, sentence in enumerate(tqdm(sentences, desc="drawing", unit=" sentences"), start=1):
        for entity in sentence.entities:
            colours.setdefault(escape(entity.type), _PALETTE[len(colours) % len(_PALETTE)])
        parts = [_highlighted(sentence, colours)]
        if sentence.relations:
            parts.append(_arcs(sentence))
        title = escape(sentence.id or f"line {number}")
        yield f"<section>\n<h2>{title}</h2>\n" + "\n".join(parts) + "\n</section>"


def _highlighted(sentence: Sentence, colours: Dict[str, str]) -> str:
    """The text with its entities marked, and again for those that overlap the ones marked."""
    sentence = sentence.with_text()
    spans = [sentence.character_span(entity) for entity in sentence.entities]
    rest = list(range(len(sentence.entities)))
    parts: List[str] = []
    while rest or not parts:
        # displaCy shows the text of overlapping entities twice.
        layer = [rest[place] for place in flatten([sentence.entities[i] for i in rest])]
        rest = [index for index in rest if index not in layer]
        # displaCy escapes words but not labels.
        entities = [
            {
                "start": spans[index][0],  # type: ignore[index]
                "end": spans[index][1],  # type: ignore[index]
                "label": escape(sentence.entities[index].type),
            }
            for index in layer
        ]
        parts.append(
            displacy.render(
                {"text": sentence.text, "ents": entities, "title": None},
                style="ent",
                manual=True,
                page=False,
                jupyter=False,
                options={"colors": colours},
            )
        )
    return "\n".join(parts)


def _arcs(sentence: Sentence) -> str:
    """The relations as arcs between the entities, which alone are drawn: sentences are wide."""
    order = sorted(range(len(sentence.entities)), key=lambda i: sentence.entities[i].key[1:])
    places = {index: place for place, index in enumerate(order)}
    entities = [sentence.entities[index] for index in order]
    words = [
        {"text": sentence.surface(entity), "tag": escape(_label(entity.type, entity.score))}
        for entity in entities
    ]
    arcs = [
        {
            "start": min(places[r.head], places[r.tail]),
            "end": max(places[r.head], places[r.tail]),
            "label": escape(_label(r.type, r.score)),
            # The arrow points at the tail.
            "dir": "right" if places[r.head] < places[r.tail] else "left",
        }
        for r in sentence.relations
    ]
    width = max(len(word["text"]) for word in words)
    return displacy.render(
        {"words": words, "arcs": arcs, "lang": "en"},
        style="dep",
        manual=True,
        page=False,
        jupyter=False,
        options={
            "compact": True,
            "distance": max(150, 11 * width),
            "offset_x": max(50, 5 * width),
        },
    )


def _label(name: str, score: Optional[float]) -> str:
    return name if score is None else f"{name} {score:.2f}"
