"""ADE-NEG.txt: sentences without an adverse drug effect, `PMID NEG sentence` in each line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located
from joint_ner_re.corpora.files import read_rows
from joint_ner_re.corpora.text import Tokenizer, check_length, tokenized, words
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

_LINE = re.compile(r"([0-9]{1,9}) NEG (.*\S.*)")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line starts with a number and NEG."""
    return re.match(r"[0-9]+ NEG ", first_lines[0]) is not None


def read(path: PathLike, *, tokenizer: Tokenizer | None = None) -> Iterator[Sentence]:
    """Read ADE-NEG.txt: sentences without entities.

    The `id` of the sentence in line n is `neg-(n-1)`. It counts from 0 as `ade_rel` does, and the
    prefix keeps the ids unique when the two files are joined.

    # Parameters

    path : `str`
        The file.
    tokenizer : `Tokenizer`, optional (default = `TextTokenizer(granularity="fine")`)
        Splits the sentences.

    # Raises

    `CorpusFormatError`
        If a line is not `PMID NEG sentence`.
    """
    for (line, _, text), offsets in tokenized(_rows(path), lambda row: row[2], tokenizer):
        with located(path, line):
            yield Sentence(
                words(text, offsets),
                id=_id(line),
                text=text,
                offsets=offsets,
                source=f"{path}:{line}",
            )


def abstracts(path: PathLike) -> dict[str, str]:
    """The PubMed id of each sentence's abstract, by the sentence's `id`.

    # Raises

    `CorpusFormatError`
        As `read`.
    """
    return {_id(line): pubmed for line, pubmed, _ in _rows(path)}


def _id(line: int) -> str:
    return f"neg-{line - 1}"


def _rows(path: PathLike) -> Iterator[tuple[int, str, str]]:
    """The number of each line, its PubMed id and its sentence."""
    for number, row in read_rows(path):
        match = _LINE.fullmatch(row)
        if match is None:
            raise CorpusFormatError(
                path, number, f"expected a number, NEG and a sentence; found {quote(row)}"
            )
        check_length(path, number, match.group(2))
        yield number, match.group(1), match.group(2)
