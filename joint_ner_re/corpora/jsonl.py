"""This project's JSON lines: one object per line, as `Sentence.to_json` makes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from joint_ner_re.corpora import bioc, doccano, dygie, prodigy
from joint_ner_re.corpora.documents import line_name, log_changes, sentence_id
from joint_ner_re.corpora.errors import (
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.json_values import first_object, read_objects
from joint_ner_re.corpora.units import Unit, check_unit, in_units
from joint_ner_re.sentence import SENTENCE_KEYS, Entity, Relation, Sentence

_KEPT_WHOLE = "documents with an entity or a relation over the end of a sentence, kept as one"


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line begins an object with tokens, or with no key of other formats."""
    if not first_lines[0].lstrip().startswith("{"):
        return False
    record = first_object(first_lines)
    return ("tokens" in record or "error" in record or record.keys() <= SENTENCE_KEYS) and not any(
        other.looks_like(first_lines) for other in (bioc, doccano, dygie, prodigy)
    )


def read(
    path: PathLike,
    *,
    unit: Unit = "document",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read sentences as `write` and the predictor write them.

    The error records that `allennlp extract` writes for failed documents are left out and counted.

    # Parameters

    path : `str`
        The file.
    unit : `str` or `int`, optional (default = `"document"`)
        How a document is divided by its `sentences`: not at all, into sentences (`"sentence"`), or
        into so many neighbouring sentences each. A document stays whole if an entity or a relation
        crosses the end of a unit, and these are counted. Each unit gets the id
        `document:begin-end`; `line 12` replaces a missing document id.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a line, which is skipped.

    # Raises

    `CorpusFormatError`
        If a line is not one JSON object, or the object is not a sentence.
    """
    check_unit(unit)
    changes: Counter[str] = Counter()
    for number, record in read_objects(path, on_error):
        if "error" in record and "tokens" not in record:
            changes["documents that failed when they were predicted, left out"] += 1
            continue
        sentences: list[Sentence] = []
        with handled(on_error), located(path, number):
            sentence = Sentence.from_json(record, f"{path}:{number}")
            sentences = [sentence]
            if unit != "document" and sentence.bounds:
                units = in_units([range(*pair) for pair in sentence.bounds], unit)
                sentences = _split(sentence, [(tokens[0], tokens[-1] + 1) for tokens in units])
                if len(sentences) < len(units):
                    changes[_KEPT_WHOLE] += 1
        yield from sentences
    log_changes(path, changes)


def _split(whole: Sentence, bounds: Sequence[tuple[int, int]]) -> list[Sentence]:
    whole = whole.with_text()
    assert whole.text is not None and whole.offsets is not None
    starts = [start for start, _ in bounds]
    ends = [*starts[1:], len(whole.tokens)]
    begins = [0, *(whole.offsets[start][0] for start in starts[1:]), len(whole.text)]
    sentence_of = [
        number for number, start in enumerate(starts) for _ in range(start, ends[number])
    ]
    homes = [sentence_of[entity.start] for entity in whole.entities]
    if any(sentence_of[e.end - 1] != home for e, home in zip(whole.entities, homes)) or any(
        homes[relation.head] != homes[relation.tail] for relation in whole.relations
    ):
        return [whole]
    sentences = []
    for number, (start, end) in enumerate(zip(starts, ends)):
        begin, stop = begins[number], begins[number + 1]
        inside = [index for index, home in enumerate(homes) if home == number]
        places = {index: place for place, index in enumerate(inside)}
        entities = [whole.entities[index] for index in inside]
        sentences.append(
            Sentence(
                whole.tokens[start:end],
                [Entity(e.type, e.start - start, e.end - start, e.score) for e in entities],
                [
                    Relation(r.type, places[r.head], places[r.tail], r.score)
                    for r in whole.relations
                    if r.head in places
                ],
                sentence_id(whole.id or line_name(whole), begin, stop),
                whole.text[begin:stop],
                [(b - begin, e - begin) for b, e in whole.offsets[start:end]],
                whole.source,
                meta=whole.meta,
            )
        )
    return sentences


def write(sentences: Iterable[Sentence], file: TextIO) -> int:
    """Write one line per sentence, and return the number of sentences."""
    count = 0
    for sentence in sentences:
        file.write(json.dumps(sentence.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
        count += 1
    return count
