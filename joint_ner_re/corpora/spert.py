"""SpERT's JSON: a list of objects with `tokens`, `entities`, `relations` and `orig_id`."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.json_values import first_element, read_elements
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

_KEYS = ("tokens", "entities", "relations", "orig_id", "text", "offsets")
# Keys of SpERT's successors that are irrelevant here: context words, parts of speech, syntax.
_IGNORED_KEYS = (
    "ltokens",
    "rtokens",
    "pos",
    "pos_indices",
    "dep",
    "dep_label",
    "dep_label_indices",
)


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the text starts a JSON list of objects with tokens, or with SpERT's keys only."""
    record = first_element(first_lines)
    return record is not None and ("tokens" in record or record.keys() <= {*_KEYS, *_IGNORED_KEYS})


def read(path: PathLike, *, on_error: ErrorHandler | None = None) -> Iterator[Sentence]:
    """Read SpERT's JSON.

    The `id` is `orig_id`, or the index in the list if that is missing. `entities` and `relations`
    may be missing, as in SpERT's files for prediction.

    # Parameters

    path : `str`
        The file.
    on_error : `Callable`, optional (default = `None`)
        Called with the error of an element, which is skipped.

    # Raises

    `CorpusFormatError`
        If the file is no JSON list of sentences. It names the line where the element starts.
    """
    ignored: Counter = Counter()
    for index, (line, value) in enumerate(read_elements(path)):
        sentence = None
        with handled(on_error), located(path, line):
            record = _record(path, line, index, value, ignored)
            sentence = Sentence.from_json(record, f"{path}:{line}")
        if sentence is not None:
            yield sentence
    for key, count in sorted(ignored.items()):
        logger.warning("%s: the key %r of %d sentences was ignored", path, key, count)


def _record(path: PathLike, line: int, index: int, value: Any, ignored: Counter) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorpusFormatError(
            path, line, f"element {index} is {quote_json(value)}; expected an object"
        )
    record: dict[str, Any] = {"id": index}
    for key, content in value.items():
        if key in _IGNORED_KEYS:
            ignored[key] += 1
        elif key not in _KEYS:
            known = ", ".join(_KEYS)
            raise CorpusFormatError(
                path, line, f"element {index} has the key {quote(key)}; known keys are {known}"
            )
        elif key != "orig_id":
            record[key] = content
        elif isinstance(content, bool) or not isinstance(content, (int, str)):
            raise CorpusFormatError(
                path, line, f"'orig_id' is {json.dumps(content)}; expected a number or a string"
            )
        else:
            record["id"] = content
    return record


def write(sentences: Iterable[Sentence], file: TextIO) -> int:
    """Write a JSON list with one sentence per line, and return the number of sentences.

    `text`, `offsets` and `score`, which SpERT's own files do not have, are written only if the
    sentence has them.
    """
    count = 0
    for sentence in sentences:
        file.write(",\n" if count else "[\n")
        file.write(json.dumps(_to_json(sentence), ensure_ascii=False, allow_nan=False))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def _to_json(sentence: Sentence) -> dict[str, Any]:
    record: dict[str, Any] = {
        "tokens": list(sentence.tokens),
        "entities": [_entity(entity) for entity in sentence.entities],
        "relations": [_relation(relation) for relation in sentence.relations],
        "orig_id": _orig_id(sentence.id),
    }
    if sentence.text is not None and sentence.offsets is not None:
        record["text"] = sentence.text
        record["offsets"] = [list(span) for span in sentence.offsets]
    return record


def _entity(entity: Entity) -> dict[str, Any]:
    record = {"type": entity.type, "start": entity.start, "end": entity.end}
    return _with_score(record, entity.score)


def _relation(relation: Relation) -> dict[str, Any]:
    record = {"type": relation.type, "head": relation.head, "tail": relation.tail}
    return _with_score(record, relation.score)


def _with_score(record: dict[str, Any], score: float | None) -> dict[str, Any]:
    if score is not None:
        record["score"] = score
    return record


def _orig_id(name: str) -> Any:
    """The id as a number, as in SpERT's files, if it reads back as the same string."""
    return int(name) if re.fullmatch(r"0|[1-9][0-9]{0,14}", name) else name
