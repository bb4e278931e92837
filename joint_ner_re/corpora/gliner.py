"""GLiNER's training data: a JSON list, or JSON lines, of sentences.

    {"tokenized_text": ["Ada", "left", "Novi", "Brod", "."],
     "ner": [[0, 0, "person"], [2, 3, "place"]], "relations": [[0, 1, "lived in"]]}

The end of a mention is its last token, not the one after it. A relation has the places of head and
tail in `ner`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.files import output
from joint_ner_re.corpora.json_values import first_element, first_object, read_records
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

_KEYS = ("tokenized_text", "ner", "relations", "id")


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first object has a `tokenized_text`."""
    record = first_element(first_lines) or first_object(first_lines)
    return "tokenized_text" in record


def read(path: PathLike, *, on_error: ErrorHandler | None = None) -> Iterator[Sentence]:
    """Read training data of GLiNER, with relations or without.

    The `id` is the index of the sentence in the file, unless it has a key `id`. `ner_labels`,
    `rel_labels` and whatever else a sentence has is not read, and counted.

    # Parameters

    path : `str`
        The file.
    on_error : `Callable`, optional (default = `None`)
        Takes the error of a sentence, which is passed over.

    # Raises

    `CorpusFormatError`
        If the file holds something else than sentences, or an annotation does not fit its tokens.
    """
    ignored: Counter[str] = Counter()
    for index, (line, record) in enumerate(read_records(path, on_error)):
        sentence = None
        with handled(on_error), located(path, line):
            sentence = _sentence(path, line, index, record)
            ignored.update(key for key in record if key not in _KEYS)
        if sentence is not None:
            yield sentence
    for key, count in sorted(ignored.items()):
        logger.warning("%s: the key %s of %d sentences was ignored", path, quote(key), count)


def _sentence(path: PathLike, line: int, index: int, record: dict[str, Any]) -> Sentence:
    tokens = get(record, "tokenized_text", list, "the sentence")
    if not all(isinstance(token, str) for token in tokens):
        raise CorpusFormatError(
            path, line, f"'tokenized_text' is {quote_json(tokens)}; expected a list of words"
        )
    entities = []
    for item in get(record, "ner", list, "the sentence", []):
        first, last, kind = _triple(path, line, item, "a mention", "[first, last, type]")
        if not 0 <= first <= last < len(tokens):
            raise CorpusFormatError(
                path,
                line,
                f"a mention is {quote_json(item)}; expected 0 <= first <= last < "
                f"{len(tokens)}, the number of tokens",
            )
        entities.append(Entity(kind, first, last + 1))
    relations = []
    for item in get(record, "relations", list, "the sentence", []):
        head, tail, kind = _triple(path, line, item, "a relation", "[head, tail, type]")
        relations.append(Relation(kind, head, tail))
    name = record.get("id", index)
    if isinstance(name, bool) or not isinstance(name, (int, str)):
        raise CorpusFormatError(
            path, line, f"'id' is {quote_json(name)}; expected a string or a number"
        )
    return Sentence(tokens, entities, relations, str(name), source=f"{path}:{line}")


def _triple(path: PathLike, line: int, item: Any, what: str, expected: str) -> tuple[int, int, str]:
    if isinstance(item, dict) and "relation_text" in item:
        raise CorpusFormatError(
            path,
            line,
            f"{what} is an object, as GLiREL has it: {quote_json(item)}; expected {expected}, as "
            "GLiNER has it",
        )
    if not isinstance(item, list) or [type(value) for value in item] != [int, int, str]:
        raise CorpusFormatError(path, line, f"{what} is {quote_json(item)}; expected {expected}")
    return (item[0], item[1], item[2])


def write(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write a JSON list, one sentence in each line; returns their number.

    The key `id`, which GLiNER does not use, keeps a sentence's id. Texts and probabilities are not
    written, and counted.
    """
    changes: Counter[str] = Counter()
    count = 0
    with output(path) as file:
        for sentence in sentences:
            file.write(",\n" if count else "[\n")
            file.write(json.dumps(_to_json(sentence), ensure_ascii=False))
            count += 1
            if scores := sentence.count_scores():
                changes["probabilities, not written"] += scores
            if sentence.text is not None:
                changes["texts, of which only the tokens were written"] += 1
        file.write("\n]\n" if count else "[]\n")
    log_changes(path, changes)
    return count


def _to_json(sentence: Sentence) -> dict[str, Any]:
    record: dict[str, Any] = {
        "tokenized_text": list(sentence.tokens),
        "ner": [[e.start, e.end - 1, e.type] for e in sentence.entities],
        "relations": [[r.head, r.tail, r.type] for r in sentence.relations],
    }
    if sentence.id:
        record["id"] = sentence.id
    return record
