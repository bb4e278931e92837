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

from joint_ner_re.corpora.documents import (
    Document,
    DocumentTokenizer,
    Link,
    Mention,
    log_changes,
    parsed,
    sentences_of,
)
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
)
from joint_ner_re.corpora.json_values import first_object, get, read_objects, shown
from joint_ner_re.sentence import Sentence

# Versions before 1.0 and those since name them differently; some of 1.4 and 1.5 have `data`.
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
    split_sentences: bool = True,
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read a JSONL export of Doccano.

    # Parameters

    path : `str`
        The file.
    tokenizer : `DocumentTokenizer`, optional (default = `TextTokenizer()`)
        Splits the texts.
    split_sentences : `bool`, optional (default = `True`)
        Whether the texts are split into sentences; these have ids such as `12:0-54`.
    on_error : `Callable`, optional (default = `None`)
        Takes each error; the line or the annotation is passed over.

    # Raises

    `CorpusFormatError`
        If a line is not an object with Doccano's keys, or an annotation does not fit the text.
    """
    changes: Counter[str] = Counter()
    documents = parsed(
        read_objects(path, on_error),
        lambda line, record: _document(path, line, record),
        on_error,
    )
    yield from sentences_of(documents, tokenizer, split_sentences, changes, on_error)
    log_changes(path, changes)


def _document(path: PathLike, line: int, record: dict[str, Any]) -> Document:
    if not {*_LABELS, "entities"} & record.keys():
        raise CorpusFormatError(
            path, line, "expected one of the keys entities, label, labels, as Doccano exports them"
        )
    key = "data" if "data" in record and "text" not in record else "text"
    text = get(path, line, record, key, str, "the example")
    mentions = [
        _labelled(path, line, item)
        for key in _LABELS
        for item in get(path, line, record, key, list, "the example", [])
    ]
    by_id: dict[int, int] = {}
    for item in get(path, line, record, "entities", list, "the example", []):
        number = get(path, line, item, "id", int, "an entity")
        if number in by_id:
            raise CorpusFormatError(path, line, f"the entity's id {number} stands twice in a line")
        by_id[number] = len(mentions)
        mentions.append(
            Mention(
                line,
                get(path, line, item, "label", str, "an entity"),
                get(path, line, item, "start_offset", int, "an entity"),
                get(path, line, item, "end_offset", int, "an entity"),
            )
        )
    links: list[Link] = []
    for item in get(path, line, record, "relations", list, "the example", []):
        ends = []
        for role in ("from_id", "to_id"):
            number = get(path, line, item, role, int, "a relation")
            if number not in by_id:
                raise CorpusFormatError(
                    path, line, f"a relation has {role} {number}, but no entity has this id"
                )
            ends.append(by_id[number])
        links.append(Link(line, get(path, line, item, "type", str, "a relation"), *ends))
    name = record.get("id")
    known = isinstance(name, (str, int)) and not isinstance(name, bool)
    return Document(path, line, str(name) if known else str(line), text, mentions, links)


def _labelled(path: PathLike, line: int, item: Any) -> Mention:
    if not isinstance(item, list) or [type(value) for value in item] != [int, int, str]:
        raise CorpusFormatError(
            path,
            line,
            f"a label is {shown(item)}; expected [begin, end, type], as Doccano exports "
            "sequence labelling",
        )
    begin, end, kind = item
    return Mention(line, kind, begin, end)
