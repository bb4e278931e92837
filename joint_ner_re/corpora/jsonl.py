"""The project's own form: one JSON object a line, as `Sentence.to_json` makes it."""

from __future__ import annotations

import json
from typing import Iterable, Iterator, Sequence, TextIO

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located, shorten
from joint_ner_re.corpora.files import read_rows
from joint_ner_re.corpora.json_values import decode
from joint_ner_re.sentence import Sentence


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line begins a JSON object."""
    return first_lines[0].lstrip().startswith("{")


def read(path: PathLike) -> Iterator[Sentence]:
    """Read sentences as `write` and the predictor write them.

    # Parameters

    path : `str`
        The file.

    # Raises

    `CorpusFormatError`
        If a line is not one JSON object, or the object is not a sentence.
    """
    for number, line in read_rows(path):
        line = line.strip(" \t")
        value, end = decode(path, number, line)
        if end != len(line):
            raise CorpusFormatError(
                path,
                number,
                f"expected one JSON object in a line, then found {shorten(line[end:])}",
            )
        with located(path, number):
            yield Sentence.from_json(value, f"{path}:{number}")


def write(sentences: Iterable[Sentence], file: TextIO) -> int:
    """Write one line for each sentence; returns their number."""
    count = 0
    for sentence in sentences:
        file.write(json.dumps(sentence.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count
