"""Makes types that only look alike the same: white space and characters that nobody sees."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence

# The categories of control and format characters, such as a zero-width space or a soft hyphen.
_INVISIBLE = ("Cc", "Cf")


def plain_type(name: str) -> str:
    """The type with single blanks between its words, and without characters that nobody sees."""
    spaced = "".join(
        letter
        for letter in unicodedata.normalize("NFC", name)
        if letter.isspace() or unicodedata.category(letter) not in _INVISIBLE
    )
    return " ".join(spaced.split())


def with_plain_types(path: PathLike, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """The sentences with the `plain_type` of each type; what is changed is counted.

    # Raises

    `CorpusFormatError`
        If nothing is left of a type.
    """
    plain: dict[str, str] = {}
    changes: Counter[str] = Counter()
    for sentence in sentences:
        annotations: list[Entity | Relation] = [*sentence.entities, *sentence.relations]
        for annotation in annotations:
            if annotation.type not in plain:
                plain[annotation.type] = plain_type(annotation.type)
            name = plain[annotation.type]
            if not name:
                file, _, line = (sentence.source or "").rpartition(":")
                raise CorpusFormatError(
                    file or path,
                    int(line) if line.isdecimal() else None,
                    f"a type of sentence {quote(sentence.id, 40)} is {annotation.type!r}; expected "
                    "at least one character that can be seen",
                )
            if name != annotation.type:
                changes[f"types {annotation.type!r}, read as {name!r}"] += 1
        if any(plain[annotation.type] != annotation.type for annotation in annotations):
            sentence = replace(
                sentence,
                entities=[replace(e, type=plain[e.type]) for e in sentence.entities],
                relations=[replace(r, type=plain[r.type]) for r in sentence.relations],
            )
        yield sentence
    log_changes(path, changes)
