"""Doccano's JSONL exports of sequence labelling.

{"id": 4, "text": "Ada left.", "Comments": [],                        with relations
 "entities": [{"id": 7, "label": "Peop", "start_offset": 0, "end_offset": 3}, ...],
 "relations": [{"id": 2, "from_id": 7, "to_id": 8, "type": "Live_In"}]}
{"id": 4, "text": "Ada left.", "label": [[0, 3, "Peop"]]}             without
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.documents import (
    DocumentTokenizer,
    log_changes,
    parsed,
    sentences_of,
)
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    located,
)
from joint_ner_re.corpora.json_values import first_object, read_objects
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Sentence

# Versions 1.0 and later use other keys than earlier ones; some of 1.4 and 1.5 have `data`.
_TEXTS = ("text", "data")
_LABELS = ("label", "labels")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line is an object with a text, labels and no tokens."""
    record = first_object(first_lines)
    return (
        any(isinstance(record.get(key), str) for key in _TEXTS)
        and any(isinstance(record.get(key), list) for key in (*_LABELS, "entities"))
        and not {"tokens", "answer", "spans"} & record.keys()
    )


def read(
    path: PathLike,
    *,
    tokenizer: DocumentTokenizer | None = None,
    unit: Unit = "sentence",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read a JSONL export of Doccano.

    # Parameters

    path : `str`
        The file.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the texts.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How texts are divided: into sentences (with ids such as `12:0-54`), not at all
        (`"document"`), or into so many neighbouring sentences each.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of a line or an annotation, which is skipped.

    # Raises

    `CorpusFormatError`
        If a line is not an object with Doccano's keys, or an annotation does not fit the text.
    """
    changes: Counter[str] = Counter()

    def parse(line: int, record: dict[str, Any]) -> Document:
        with located(path, line):
            return _document(path, line, record)

    documents = parsed(read_objects(path, on_error), parse, on_error)
    yield from sentences_of(documents, tokenizer, unit, changes, on_error)
    log_changes(path, changes)


def _document(path: PathLike, line: int, record: dict[str, Any]) -> Document:
    if not {*_LABELS, "entities"} & record.keys():
        raise CorpusFormatError(
            path, line, "expected one of the keys entities, label, labels, as Doccano exports them"
        )
    key = "data" if "data" in record and "text" not in record else "text"
    text = get(record, key, str, "the example")
    mentions = [
        _labelled(path, line, item)
        for key in _LABELS
        for item in get(record, key, list, "the example", [])
    ]
    by_id: dict[int, int] = {}
    for item in get(record, "entities", list, "the example", []):
        number = get(item, "id", int, "an entity")
        if number in by_id:
            raise CorpusFormatError(path, line, f"the entity's id {number} is twice in a line")
        by_id[number] = len(mentions)
        mentions.append(
            Mention(
                line,
                get(item, "label", str, "an entity"),
                get(item, "start_offset", int, "an entity"),
                get(item, "end_offset", int, "an entity"),
            )
        )
    links: list[Link] = []
    for item in get(record, "relations", list, "the example", []):
        ends = []
        for role in ("from_id", "to_id"):
            number = get(item, role, int, "a relation")
            if number not in by_id:
                raise CorpusFormatError(
                    path, line, f"a relation has {role} {number}, but no entity has this id"
                )
            ends.append(by_id[number])
        links.append(Link(line, get(item, "type", str, "a relation"), *ends))
    name = record.get("id")
    known = isinstance(name, (str, int)) and not isinstance(name, bool)
    return Document(path, line, str(name) if known else str(line), text, mentions, links)


def _labelled(path: PathLike, line: int, item: Any) -> Mention:
    if not isinstance(item, list) or [type(value) for value in item] != [int, int, str]:
        raise CorpusFormatError(
            path,
            line,
            f"a label is {quote_json(item)}; expected [begin, end, type], as Doccano exports "
            "sequence labelling",
        )
    begin, end, kind = item
    return Mention(line, kind, begin, end)
