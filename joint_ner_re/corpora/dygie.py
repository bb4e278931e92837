"""DyGIE++'s and SciERC's JSON lines: a document in each line.

    {"doc_key": "a", "sentences": [["Ada", "left", "Kesh", "."], ["Bob", "stayed", "."]],
     "ner": [[[0, 0, "Peop"], [2, 2, "Loc"]], [[4, 4, "Peop"]]],
     "relations": [[[0, 0, 2, 2, "Live_In"]], []]}

Positions count the tokens of the document, not of the sentence, and an end is the last token, not
the one after it. `ner` and `relations` have a list for each sentence.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from joint_ner_re.corpora.conll04_corp import CHARACTERS
from joint_ner_re.corpora.documents import log_changes
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    PathLike,
    handled,
    located,
)
from joint_ner_re.corpora.files import output
from joint_ner_re.corpora.json_values import first_object, read_objects
from joint_ner_re.corpora.token_documents import divide, sentence_starts
from joint_ner_re.corpora.units import Unit
from joint_ner_re.messages import quote, quote_json
from joint_ner_re.records import get
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

_KEYS = ("doc_key", "sentences", "ner", "relations")
# The treebank's names of brackets; DyGIE++'s tokens have no other escapes.
_BRACKETS = {name: mark for name, mark in CHARACTERS.items() if name.startswith("-")}
_SENTENCE_ID = re.compile(r"(.+):(0|[1-9][0-9]{0,8})", re.DOTALL)


def looks_like(first_lines: Sequence[str]) -> bool:
    """Whether the first line is an object with sentences that are lists of words."""
    record = first_object(first_lines)
    if "sentences" not in record or "tokens" in record:
        return False
    sentences = record["sentences"]
    # A document that is longer than the lines at hand is cut.
    return sentences is None or (
        isinstance(sentences, list) and bool(sentences) and all(map(_are_words, sentences))
    )


def _are_words(tokens: Any) -> bool:
    return isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)


def read(
    path: PathLike,
    *,
    unescape_brackets: bool = False,
    unit: Unit = "sentence",
    on_error: ErrorHandler | None = None,
) -> Iterator[Sentence]:
    """Read a file of DyGIE++, SciERC, PURE or PL-Marker.

    Each sentence of a document has an id such as `abstract-7:0`. `clusters`, `events`,
    `predicted_ner` and whatever else a document has is not read, and counted.

    # Parameters

    path : `str`
        The file.
    unescape_brackets : `bool`, optional (default = `False`)
        Whether `-LRB-`, `-RRB-`, `-LSB-`, `-RSB-`, `-LCB-` and `-RCB-` become the brackets that
        they stand for. Otherwise tokens are kept as they are.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How documents are divided: into sentences; not at all (`"document"`); or into so many
        neighbouring sentences each.
    on_error : `Callable`, optional (default = `None`)
        Takes each error in a line; the line is passed over.

    # Raises

    `CorpusFormatError`
        If a line is not a document, or a position lies outside of the sentence or the document.
    """
    changes: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    for line, record in read_objects(path, on_error):
        sentences: list[Sentence] = []
        with handled(on_error), located(path, line):
            sentences = _Document(path, line, record, unescape_brackets).divided(unit, changes)
            ignored.update(key for key in record if key not in _KEYS)
        yield from sentences
    for key, count in sorted(ignored.items()):
        logger.warning("%s: the key %s of %d documents was ignored", path, quote(key), count)
    log_changes(path, changes)


class _Document:
    """One line of a file, checked piece by piece."""

    def __init__(
        self, path: PathLike, line: int, record: dict[str, Any], unescape_brackets: bool
    ) -> None:
        self._path = path
        self._line = line
        self._record = record
        self._sentences = self._words(unescape_brackets)
        self._starts = sentence_starts(self._sentences)

    def divided(self, unit: Unit, changes: Counter[str]) -> list[Sentence]:
        """The document's units."""
        if not self._sentences:
            changes["documents without a sentence, left out"] += 1
        entities = [
            self._entity(number, item)
            for number, items in enumerate(self._lists("ner"))
            for item in items
        ]
        by_span: dict[tuple[int, int], list[int]] = {}
        for index, entity in enumerate(entities):
            by_span.setdefault((entity.start, entity.end), []).append(index)
        relations = []
        for items in self._lists("relations"):
            for item in items:
                relation = self._relation(item, entities, by_span, changes)
                if relation is not None:
                    relations.append(relation)
        return divide(
            self._path,
            self._line,
            self._name(),
            self._sentences,
            entities,
            relations,
            changes,
            unit,
        )

    def _error(self, reason: str) -> CorpusFormatError:
        return CorpusFormatError(self._path, self._line, reason)

    def _name(self) -> str:
        """The document's `doc_key`, or the number of its line."""
        name = self._record.get("doc_key")
        if name is None:
            return str(self._line)
        if isinstance(name, bool) or not isinstance(name, (int, str)):
            raise self._error(f"'doc_key' is {quote_json(name)}; expected a string or a number")
        return str(name)

    def _words(self, unescape_brackets: bool) -> list[list[str]]:
        sentences = get(self._record, "sentences", list, "the document")
        for number, tokens in enumerate(sentences):
            if not _are_words(tokens):
                raise self._error(
                    f"sentence {number} is {quote_json(tokens)}; expected a list of words"
                )
            if "" in tokens:
                raise self._error(f"sentence {number} has an empty token; remove it")
        if unescape_brackets:
            return [[_BRACKETS.get(token, token) for token in tokens] for tokens in sentences]
        return sentences

    def _lists(self, key: str) -> list[list[Any]]:
        """The annotations of each sentence; none where the document lacks the key."""
        lists = get(self._record, key, list, "the document", [])
        if lists and len(lists) != len(self._sentences):
            raise self._error(
                f"{key!r} has {len(lists)} lists for {len(self._sentences)} sentences; expected "
                "one for each"
            )
        for number, items in enumerate(lists):
            if not isinstance(items, list):
                raise self._error(
                    f"{key!r} has {quote_json(items)} for sentence {number}; expected a list"
                )
        return lists

    def _entity(self, number: int, item: Any) -> Entity:
        (start, last), kind, score = self._annotation(item, 2, "an entity", "[first, last, type]")
        first, end = self._starts[number], self._starts[number + 1]
        if not first <= start < end:
            raise self._error(
                f"an entity of sentence {number} is {quote_json(item)}, but this sentence has the "
                f"tokens {first} to {end - 1}; positions count the tokens of the document from 0"
            )
        return Entity(kind, start, last + 1, score)

    def _relation(
        self,
        item: Any,
        entities: Sequence[Entity],
        by_span: dict[tuple[int, int], list[int]],
        changes: Counter[str],
    ) -> Relation | None:
        """The relation between two of `entities`; `None` if one of its spans is no entity."""
        places, kind, score = self._annotation(
            item, 4, "a relation", "[first, last, first, last, type]"
        )
        found = [by_span.get((places[at], places[at + 1] + 1), []) for at in (0, 2)]
        if not all(found):
            changes["relations of spans that are no entity, left out"] += 1
            return None
        if any(len({entities[index].type for index in indices}) > 1 for indices in found):
            changes["relations of spans with several types, given to the first"] += 1
        return Relation(kind, found[0][0], found[1][0], score)

    def _annotation(
        self, item: Any, count: int, what: str, expected: str
    ) -> tuple[list[int], str, float | None]:
        """The positions, the type, and of a prediction its probability."""
        kinds = [type(value) for value in item] if isinstance(item, list) else []
        numbers = all(kind in (int, float) for kind in kinds[count + 1 :])
        if (
            kinds[: count + 1] != [int] * count + [str]
            or len(kinds) not in (count + 1, count + 3)
            or not numbers
        ):
            raise self._error(
                f"{what} is {quote_json(item)}; expected {expected}, or with logit and "
                "probability at its end"
            )
        length = self._starts[-1]
        for at in range(0, count, 2):
            if not 0 <= item[at] <= item[at + 1] < length:
                raise self._error(
                    f"{what} is {quote_json(item)}; expected 0 <= first <= last < {length}, the "
                    "number of tokens of the document; positions count tokens, not characters"
                )
        score = None
        if len(item) == count + 3:
            score = float(item[-1])
            if not 0 <= score <= 1:
                raise self._error(
                    f"{what} is {quote_json(item)}; expected a probability from 0 to 1 at its end"
                )
        return item[:count], item[count], score


def write(sentences: Iterable[Sentence], path: PathLike) -> int:
    """Write a document in each line; returns the number of sentences.

    Sentences that follow one another with ids such as `report:0` and `report:1` become one
    document; others are documents of their own. What the format does not hold is counted: texts,
    and probabilities, since it wants a logit beside each of them.

    # Raises

    `ValueError`
        If a token is empty, which DyGIE++ forbids.
    """
    writer = _Writer()
    with output(path) as file:
        for sentence in sentences:
            writer.add(sentence, file)
        writer.finish(file)
    log_changes(path, writer.changes)
    return writer.count


class _Writer:
    """Puts sentences together to documents."""

    def __init__(self) -> None:
        self.count = 0
        self.changes: Counter[str] = Counter()
        self._name = ""
        self._document: list[Sentence] = []

    def add(self, sentence: Sentence, file: TextIO) -> None:
        """Take in the next sentence."""
        if "" in sentence.tokens:
            raise ValueError(
                f"the sentence {quote(sentence.id or str(self.count))} has an empty token, which "
                "DyGIE++'s format forbids"
            )
        match = _SENTENCE_ID.fullmatch(sentence.id)
        name, number = (match.group(1), int(match.group(2))) if match else (sentence.id, 0)
        if not (self._document and name == self._name and number == len(self._document)):
            self.finish(file)
            # What does not begin a document is one of its own.
            self._name = name if number == 0 else sentence.id
        self._document.append(sentence)
        self.count += 1

    def finish(self, file: TextIO) -> None:
        """Write the document that is open, if any."""
        if not self._document:
            return
        starts = sentence_starts([sentence.tokens for sentence in self._document])
        record: dict[str, Any] = {
            "doc_key": self._name or str(self.count - len(self._document)),
            "sentences": [list(sentence.tokens) for sentence in self._document],
            "ner": [],
            "relations": [],
        }
        for sentence, base in zip(self._document, starts):
            spans = [[base + e.start, base + e.end - 1] for e in sentence.entities]
            record["ner"].append([[*s, e.type] for s, e in zip(spans, sentence.entities)])
            links = [[*spans[r.head], *spans[r.tail], r.type] for r in sentence.relations]
            # Read back, such a relation would link a mention to itself.
            record["relations"].append([link for link in links if link[:2] != link[2:4]])
            self._count_the_rest(sentence)
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._document = []

    def _count_the_rest(self, sentence: Sentence) -> None:
        entities = sentence.entities
        for what, count in (
            ("texts, of which only the tokens were written", int(sentence.text is not None)),
            (
                "probabilities, not written",
                sentence.count_scores(),
            ),
            (
                "relations between two entities with the same tokens, left out",
                sum(
                    entities[r.head].key[1:] == entities[r.tail].key[1:] for r in sentence.relations
                ),
            ),
        ):
            if count:
                self.changes[what] += count
