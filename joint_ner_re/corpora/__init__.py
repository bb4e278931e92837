"""Files to sentences and back: one module per file format, and the functions that choose among
them.

    for sentence in read_corpus("DRUG-AE.rel"):
        print(sentence.id, sentence.tokens)
"""

from __future__ import annotations

import inspect
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    TextIO,
)

from joint_ner_re.corpora import ade_neg, ade_rel, conll04_corp, jsonl, multihead, spert
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.files import read_head
from joint_ner_re.sentence import Sentence
from joint_ner_re.writing import replacing

__all__ = [
    "CorpusFormat",
    "CorpusFormatError",
    "FORMATS",
    "detect_format",
    "read_corpus",
    "write_corpus",
]


class CorpusFormat(NamedTuple):
    """How one file format is recognised, read and, for some, written."""

    description: str
    looks_like: Callable[[Sequence[str]], bool]
    read: Callable[..., Iterator[Sentence]]
    write: Optional[Callable[[Iterable[Sentence], TextIO], int]] = None


FORMATS: Dict[str, CorpusFormat] = {
    "ade_rel": CorpusFormat("DRUG-AE.rel of ADE", ade_rel.looks_like, ade_rel.read),
    "ade_neg": CorpusFormat("ADE-NEG.txt of ADE", ade_neg.looks_like, ade_neg.read),
    "conll04_corp": CorpusFormat(
        "conll04.corp of Roth and Yih", conll04_corp.looks_like, conll04_corp.read
    ),
    "jsonl": CorpusFormat("this project's JSON lines", jsonl.looks_like, jsonl.read, jsonl.write),
    "multihead": CorpusFormat("Bekoulis' text files", multihead.looks_like, multihead.read),
    "spert": CorpusFormat("SpERT's JSON", spert.looks_like, spert.read, spert.write),
}
"""The known formats by name."""


def read_corpus(path: PathLike, format: Optional[str] = None, **options: Any) -> Iterator[Sentence]:
    """Read the sentences of a corpus, one after the other.

    # Parameters

    path : `str`
        The file.
    format : `str`, optional (default = `None`)
        A name in `FORMATS`; `None` tells it from the file's first lines.
    options : `Any`
        What the format's own `read` takes: `tokenizer` and `types` for `ade_rel`, `tokenizer`
        for `ade_neg`, `ids` for `conll04_corp`.

    # Raises

    `CorpusFormatError`
        If the file cannot be read; while iterating, as soon as the reason is met.
    `ValueError`
        At once, if there is no such format.
    `TypeError`
        At once, if the format has no such option.
    """
    if format is None:
        format = detect_format(path)
    reader = _known(format, sorted(FORMATS)).read
    known = list(inspect.signature(reader).parameters)[1:]
    for name in options:
        if name not in known:
            raise TypeError(
                f"the format {format!r} has no option {name!r}; it has "
                f"{', '.join(known) if known else 'none'}"
            )
    return reader(path, **options)


def write_corpus(sentences: Iterable[Sentence], path: PathLike, format: str) -> int:
    """Write sentences to a file, which appears or is replaced only once it is complete.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences.
    path : `str`
        The file.
    format : `str`
        `"jsonl"` or `"spert"`. Both keep everything: reading gives equal sentences.

    # Returns

    `int`
        How many sentences were written.

    # Raises

    `ValueError`
        If the format is unknown or cannot be written.
    """
    write = _known(format, sorted(name for name in FORMATS if FORMATS[name].write)).write
    assert write is not None
    with replacing(path) as file:
        return write(sentences, file)


def detect_format(path: PathLike) -> str:
    """The name of the format that the file's first lines fit.

    # Raises

    `CorpusFormatError`
        If they fit none, or more than one.
    """
    lines = read_head(path)
    found: List[str] = [name for name, format in FORMATS.items() if format.looks_like(lines)]
    if len(found) != 1:
        fit = f"fit {' and '.join(found)}" if found else "fit no known format"
        known = ", ".join(f"{name} ({format.description})" for name, format in FORMATS.items())
        raise CorpusFormatError(path, 1, f"the first lines {fit}; give `format`, one of: {known}")
    return found[0]


def _known(format: str, names: List[str]) -> CorpusFormat:
    if format not in names:
        raise ValueError(f"unknown format {format!r}; expected one of {', '.join(names)}")
    return FORMATS[format]
