"""Reads and writes corpora: one module per file format, and functions that select the format.

for sentence in read_corpus("DRUG-AE.rel"):
    print(sentence.id, sentence.tokens)
"""

from __future__ import annotations

import inspect
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TextIO

from joint_ner_re.corpora import (
    ade_neg,
    ade_rel,
    bioc,
    brat,
    casrel,
    conll,
    conll04_corp,
    ddi,
    doccano,
    docred,
    dygie,
    gliner,
    jsonl,
    multihead,
    prodigy,
    pubtator,
    spert,
    tac_adr,
    triples,
)
from joint_ner_re.corpora.annotations import Document
from joint_ner_re.corpora.concepts import CONCEPT_RELATIONS
from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.files import output, read_head
from joint_ner_re.corpora.labels import Labels, check_labels, relabelled
from joint_ner_re.corpora.mentions import DISCONTINUOUS
from joint_ner_re.corpora.type_names import with_plain_types
from joint_ner_re.corpora.xml_elements import xml_files
from joint_ner_re.sentence import Sentence

__all__ = [
    "CONCEPT_RELATIONS",
    "CorpusFormat",
    "CorpusFormatError",
    "DISCONTINUOUS",
    "FORMATS",
    "WRITABLE",
    "check_labels",
    "concept_documents",
    "detect_format",
    "format_options",
    "read_corpus",
    "write_corpus",
]


logger = logging.getLogger(__name__)


class CorpusFormat(NamedTuple):
    """How to recognise and read a file format."""

    description: str
    looks_like: Callable[[Sequence[str]], bool]
    read: Callable[..., Iterator[Sentence]]


FORMATS: dict[str, CorpusFormat] = {
    "ade_rel": CorpusFormat("DRUG-AE.rel of ADE", ade_rel.looks_like, ade_rel.read),
    "ade_neg": CorpusFormat("ADE-NEG.txt of ADE", ade_neg.looks_like, ade_neg.read),
    "bioc": CorpusFormat("BioC, in XML or JSON", bioc.looks_like, bioc.read),
    "brat": CorpusFormat("a directory of brat's .txt and .ann files", brat.looks_like, brat.read),
    "casrel": CorpusFormat("triples of CasRel's JSON", casrel.looks_like, casrel.read),
    "conll": CorpusFormat("CoNLL's columns of entities", conll.looks_like, conll.read),
    "conll04_corp": CorpusFormat(
        "conll04.corp of Roth and Yih", conll04_corp.looks_like, conll04_corp.read
    ),
    "ddi": CorpusFormat("the XML of the DDI corpus", ddi.looks_like, ddi.read),
    "doccano": CorpusFormat("Doccano's JSONL export", doccano.looks_like, doccano.read),
    "docred": CorpusFormat("JSON of DocRED and Re-DocRED", docred.looks_like, docred.read),
    "dygie": CorpusFormat("JSON lines of DyGIE++ and SciERC", dygie.looks_like, dygie.read),
    "gliner": CorpusFormat("GLiNER's training data", gliner.looks_like, gliner.read),
    "jsonl": CorpusFormat("this project's JSON lines", jsonl.looks_like, jsonl.read),
    "multihead": CorpusFormat("Bekoulis' text files", multihead.looks_like, multihead.read),
    "prodigy": CorpusFormat("Prodigy's JSONL export", prodigy.looks_like, prodigy.read),
    "pubtator": CorpusFormat("PubTator's text format", pubtator.looks_like, pubtator.read),
    "spert": CorpusFormat("SpERT's JSON", spert.looks_like, spert.read),
    "tac_adr": CorpusFormat("the XML of TAC 2017 ADR", tac_adr.looks_like, tac_adr.read),
}
"""The formats that can be read, by name."""


def _to_text(write: Callable[[Iterable[Sentence], TextIO], int]) -> Callable[..., int]:
    def to_file(sentences: Iterable[Sentence], path: PathLike) -> int:
        with output(path) as file:
            return write(sentences, file)

    return to_file


WRITABLE: dict[str, Callable[..., int]] = {
    "brat": brat.write,
    "csv": triples.write,
    "dygie": dygie.write,
    "gliner": gliner.write,
    "jsonl": _to_text(jsonl.write),
    "spert": _to_text(spert.write),
    "xlsx": triples.write_workbook,
}
"""The formats that can be written, by name. The functions take sentences, a path and options."""


def read_corpus(
    path: PathLike,
    format: str | None = None,
    *,
    labels: Labels | None = None,
    symmetric: Iterable[str] = (),
    **options: Any,
) -> Iterator[Sentence]:
    """Read the sentences of a corpus, one by one.

    White space and invisible characters in types are made plain, and counted in the log: two types
    never differ by these alone.

    # Parameters

    path : `str`
        The file, which may be compressed with gzip; for brat and XML also a directory.
    format : `str`, optional (default = `None`)
        A name in `FORMATS`. `None` detects the format from the first lines.
    labels : `Mapping[str, str | None]`, optional (default = `None`)
        New types of entities and relations by their old ones; `None` leaves a type out. What
        becomes the same is merged.
    symmetric : `Iterable[str]`, optional (default = `()`)
        Relation types (new ones) without a direction: their heads stand before their tails.
    options : `Any`
        Arguments of the format's `read`; see `format_options`. `split_sentences` is another name of
        `unit`: `True` for `"sentence"`, `False` for `"document"`.

    # Raises

    `CorpusFormatError`
        If the file cannot be read. It is raised while iterating, at the faulty line.
    `ValueError`
        If there is no such format, or `labels` is no such map. It is raised before iterating.
    `TypeError`
        If the format has no such option. It is raised before iterating.
    """
    if format is None:
        format = detect_format(path)
    known = format_options(format)
    if "unit" in known and "split_sentences" in options:
        options["unit"] = "sentence" if options.pop("split_sentences") else "document"
    for name in options:
        if name not in known:
            raise TypeError(
                f"the format {format!r} has no option {name!r}; it has "
                f"{', '.join(known) if known else 'none'}"
            )
    sentences = with_plain_types(path, FORMATS[format].read(path, **options))
    if not labels and not symmetric:
        return sentences
    check_labels(labels or {})
    return _relabelled(path, sentences, labels or {}, symmetric)


def _relabelled(
    path: PathLike, sentences: Iterator[Sentence], labels: Labels, symmetric: Iterable[str]
) -> Iterator[Sentence]:
    changes: Counter[str] = Counter()
    yield from relabelled(sentences, labels, symmetric, changes)
    log_changes(path, changes)


def concept_documents(path: PathLike, format: str) -> Iterator[Document]:
    """The documents of a corpus whose relations link concepts, as the file has them.

    # Raises

    `CorpusFormatError`
        If the file is malformed. It is raised while iterating.
    `ValueError`
        If the format has no concepts.
    """
    readers = {"pubtator": pubtator.documents, "bioc": bioc.documents}
    if format not in readers:
        raise ValueError(
            f"the format {format!r} has no relations between concepts; expected one of "
            f"{', '.join(readers)}"
        )
    return readers[format](path)


def format_options(format: str) -> list[str]:
    """The names of the options of the format's `read`, such as `tokenizer`.

    # Raises

    `ValueError`
        If there is no such format.
    """
    _check_known(format, FORMATS)
    return list(inspect.signature(FORMATS[format].read).parameters)[1:]


def write_corpus(sentences: Iterable[Sentence], path: PathLike, format: str, **options: Any) -> int:
    """Write sentences to a file, atomically.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences.
    path : `str`
        The file, which is compressed if its name ends in `.gz`; for brat a new directory.
    format : `str`
        A name in `WRITABLE`. `"jsonl"` and `"spert"` lose no annotation: reading the file gives
        equal sentences. What a format cannot hold, such as `meta`, is counted in a warning.
    options : `Any`
        For `"csv"`: `entities`, the path of a second table, and `mark`, whether the files begin
        with the byte order mark by which Excel knows UTF-8.

    # Returns

    `int`
        The number of sentences.

    # Raises

    `ValueError`
        If the format is unknown or cannot be written.
    """
    _check_known(format, WRITABLE)
    if format in _HOLDS_ALL:
        return WRITABLE[format](sentences, path, **options)
    lost: Counter[str] = Counter()
    count = WRITABLE[format](_counting_losses(sentences, lost), path, **options)
    for what, number in lost.items():
        logger.warning("%s: %s cannot hold %s: left out %d times", path, format, what, number)
    return count


# Tables have columns for `meta`, and each row has its own sentence.
_HOLDS_ALL = frozenset(["csv", "jsonl", "xlsx"])


def _counting_losses(sentences: Iterable[Sentence], lost: Counter[str]) -> Iterator[Sentence]:
    for sentence in sentences:
        lost.update({"the bounds of sentences in a document": 1} if sentence.bounds else {})
        lost.update({"'meta'": 1} if sentence.meta else {})
        yield sentence


def detect_format(path: PathLike) -> str:
    """The name of the format that fits the first lines of a file.

    # Raises

    `CorpusFormatError`
        If no format fits, or more than one.
    """
    if os.path.isdir(path):
        return _format_of_directory(path)
    if brat.is_document(path):
        return "brat"
    lines = read_head(path)
    found: list[str] = [name for name, format in FORMATS.items() if format.looks_like(lines)]
    if len(found) != 1:
        fit = f"fit {' and '.join(found)}" if found else "fit no known format"
        known = ", ".join(f"{name} ({format.description})" for name, format in FORMATS.items())
        raise CorpusFormatError(path, 1, f"the first lines {fit}; give `format`, one of: {known}")
    return found[0]


def _format_of_directory(path: PathLike) -> str:
    """The format of the XML files in a directory, if there are any; otherwise it is brat's."""
    files = [] if brat.has_annotations(path) else xml_files(path)
    return detect_format(files[0]) if files else "brat"


def _check_known(format: str, names: Iterable[str]) -> None:
    if format not in names:
        raise ValueError(f"unknown format {format!r}; expected one of {', '.join(sorted(names))}")
