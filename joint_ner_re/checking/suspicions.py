"""Finds annotations that are allowed but look like mistakes."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from joint_ner_re.checking.statistics import Part, PartStatistics, distance
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Sentence

MAX_EXAMPLES = 5

# English words that no name starts or ends with, except titles.
_FUNCTION_WORDS = frozenset(
    """
    a an and are at be been but by for from her his in is its of on or that the their these this
    those to was were which who with
    """.split()  # noqa: SIM905
)
# Signs that are part of the word beside them.
_KEPT = frozenset("%‰#&@*§'’°")
_PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", '"': '"', "``": "''", "-LRB-": "-RRB-"}
# Smaller numbers are not suspicious.
_MIN_LENGTH, _MIN_DISTANCE, _MIN_RELATIONS, _MIN_UNMARKED = 10, 30, 50, 3


class Suspicion(NamedTuple):
    """A kind of suspicion, how often it occurs, and examples."""

    what: str
    times: int
    examples: list[str]


class Suspicions:
    """Counts suspicions by kind, and keeps the first few of each kind as examples."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = defaultdict(list)

    def add(self, what: str, example: str) -> None:
        """Add a case."""
        self._counts[what] += 1
        if len(self._examples[what]) < MAX_EXAMPLES:
            self._examples[what].append(example)

    def found(self) -> list[Suspicion]:
        """All kinds, the most frequent first."""
        return [Suspicion(w, count, self._examples[w]) for w, count in self._counts.most_common()]


class Detector:
    """Looks for suspicions in two passes over all parts of a corpus.

    # Parameters

    suspicions : `Suspicions`
        Where to add what is found.
    """

    def __init__(self, suspicions: Suspicions) -> None:
        self._suspicions = suspicions
        self.types_of: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self.arguments: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._sentences: dict[bytes, tuple[str, str, bytes]] = {}
        self._bare: dict[bytes, tuple[str, str]] = {}
        self._ids: set[tuple[str, str]] = set()
        self._beginnings: dict[str, set[int]] = {}
        self.unmarked: Counter[tuple[str, ...]] = Counter()
        self.unmarked_example: dict[tuple[str, ...], str] = {}

    def first_pass(self, part: Part, sentence: Sentence) -> None:
        """Find what shows in a sentence alone or with those before it."""
        suspicions, place = self._suspicions, place_of(part, sentence)
        if not any(token.strip() for token in sentence.tokens):
            suspicions.add("sentences without a word", place)
        if sentence.id:
            if (part.name, sentence.id) in self._ids:
                suspicions.add("ids that another sentence of the part has", place)
            self._ids.add((part.name, sentence.id))
        if sentence.tokens:
            self._look_for_duplicates(part.name, place, sentence)
        for entity in sentence.entities:
            self.types_of[_words(sentence, entity)][entity.type] += 1
            for what in _oddities(sentence, entity):
                suspicions.add(what, f"{place}: {entity.type} {_quoted(sentence, entity)}")
        pairs = {(r.type, r.head, r.tail) for r in sentence.relations}
        for relation in sentence.relations:
            head, tail = sentence.entities[relation.head], sentence.entities[relation.tail]
            self.arguments[relation.type][head.type, tail.type] += 1
            text = f"{place}: {_relation_text(sentence, relation.type, head, tail)}"
            if head.overlaps(tail):
                suspicions.add("relations between entities that overlap", text)
            if (relation.type, relation.tail, relation.head) in pairs:
                suspicions.add("relations of one type in both directions", text)

    def _look_for_duplicates(self, part: str, place: str, sentence: Sentence) -> None:
        suspicions = self._suspicions
        annotations = _digest(
            *sorted(map(repr, (entity.key for entity in sentence.entities))),
            *sorted(map(repr, map(sentence.relation_key, sentence.relations))),
        )
        exact = _digest(*sentence.tokens)
        bare = _digest("".join("".join(sentence.tokens).split()).casefold())
        if exact in self._sentences:
            other, where, before = self._sentences[exact]
            text = f"{place} and {where}"
            what = "within a part" if other == part else f"in both {other} and {part}"
            suspicions.add(f"sentences that occur twice, {what}", text)
            if annotations != before:
                suspicions.add("sentences that occur twice and are annotated differently", text)
        elif bare in self._bare:
            other, where = self._bare[bare]
            what = "within a part" if other == part else f"in both {other} and {part}"
            suspicions.add(
                f"sentences that differ only in case, white space or tokens, {what}",
                f"{place} and {where}",
            )
        self._sentences.setdefault(exact, (part, place, annotations))
        self._bare.setdefault(bare, (part, place))

    def second_pass(self, part: Part, sentence: Sentence, total: PartStatistics) -> None:
        """Find what shows only by the statistics of all parts."""
        suspicions, place = self._suspicions, place_of(part, sentence)
        max_length = max(_MIN_LENGTH, 3 * total.entity_lengths.percentile(95))
        max_distance = max(_MIN_DISTANCE, 3 * total.distances.percentile(95))
        for entity in sentence.entities:
            if entity.end - entity.start > max_length:
                suspicions.add(
                    f"entities of more than {max_length} tokens",
                    f"{place}: {entity.type} {_quoted(sentence, entity)}",
                )
        for relation in sentence.relations:
            head, tail = sentence.entities[relation.head], sentence.entities[relation.tail]
            pairs = self.arguments[relation.type]
            count, of_type = pairs[head.type, tail.type], sum(pairs.values())
            text = f"{place}: {_relation_text(sentence, relation.type, head, tail)}"
            if of_type >= _MIN_RELATIONS and count * 100 <= of_type:
                suspicions.add(
                    "relations whose argument types are rare for their type (at most 1 %)",
                    f"{text} ({head.type} to {tail.type}: {count} of {of_type})",
                )
            if distance(sentence, relation) > max_distance:
                suspicions.add(f"relations over more than {max_distance} tokens", text)
        self._look_for_unmarked(place, sentence)

    def _look_for_unmarked(self, place: str, sentence: Sentence) -> None:
        """Count words that are an entity elsewhere but not here."""
        if not self._beginnings:
            for words in self.types_of:
                if len(words) > 1 or len(words[0]) > 1:
                    self._beginnings.setdefault(words[0], set()).add(len(words))
        covered = {token for e in sentence.entities for token in range(e.start, e.end)}
        for start, token in enumerate(sentence.tokens):
            for length in self._beginnings.get(token, ()):
                words = tuple(sentence.tokens[start : start + length])
                inside = range(start, start + length)
                if words in self.types_of and covered.isdisjoint(inside):
                    self.unmarked[words] += 1
                    self.unmarked_example.setdefault(words, place)

    def finish(self) -> None:
        """Find what shows only after both passes."""
        for words, types in sorted(self.types_of.items(), key=lambda item: -sum(item[1].values())):
            if len(types) > 1:
                each = ", ".join(f"{name} {count}" for name, count in types.most_common())
                self._suspicions.add(
                    "words annotated with more than one type", f"{_joined(words)}: {each}"
                )
        for words, count in self.unmarked.most_common():
            marked = sum(self.types_of[words].values())
            if count >= _MIN_UNMARKED and count >= marked:
                self._suspicions.add(
                    "words annotated less often than left out",
                    f"{_joined(words)}: {marked} times annotated, {count} times not, first in "
                    f"{self.unmarked_example[words]}",
                )


def alike(name: str) -> str:
    """What is the same for types that people would take for one: letters and digits, any case."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded


def _oddities(sentence: Sentence, entity: Entity) -> Iterator[str]:
    """What looks wrong in the words of an entity."""
    words = _words(sentence, entity)
    first, last = words[0], words[-1]
    if any(word != word.strip() or not word for word in words):
        yield "entities with white space at the edge of a token"
    # An entity of punctuation only is fine, such as a sign for a symptom.
    if any(not _is_punctuation(word) for word in words):
        if _is_punctuation(first) and not _is_paired(words):
            yield "entities that begin with punctuation"
        if _is_punctuation(last) and not _is_paired(words):
            yield "entities that end with punctuation"
    if first.lower() in _FUNCTION_WORDS:
        yield "entities that begin with an English function word"
    # A single letter is usually part of the name, as in "vitamin A".
    if len(words) > 1 and len(last) > 1 and last.lower() in _FUNCTION_WORDS:
        yield "entities that end with an English function word"


def _is_punctuation(word: str) -> bool:
    return bool(word) and all(
        unicodedata.category(letter).startswith("P") and letter not in _KEPT for letter in word
    )


def _is_paired(words: tuple[str, ...]) -> bool:
    """Whether all brackets and quotation marks of an entity are balanced, and there are some."""
    waiting: list[str] = []
    seen = False
    for word in words:
        if waiting and word == waiting[-1]:
            waiting.pop()
            seen = True
        elif word in _PAIRS:
            waiting.append(_PAIRS[word])
        elif word in _PAIRS.values():
            return False
    edges = {words[0], words[-1]}
    marks = {mark for pair in _PAIRS.items() for mark in pair}
    return seen and not waiting and all(w in marks or not _is_punctuation(w) for w in edges)


def place_of(part: Part, sentence: Sentence) -> str:
    """The place of a sentence: `train:12 (id)`; for a directory, with the file in it."""
    source = sentence.source or ""
    place = part.name + source[len(part.path) :] if source.startswith(part.path) else source
    return f"{place} ({sentence.id})" if sentence.id else place


def _words(sentence: Sentence, entity: Entity) -> tuple[str, ...]:
    return tuple(sentence.tokens[entity.start : entity.end])


def _joined(words: tuple[str, ...]) -> str:
    return quote(" ".join(words), 60)


def _quoted(sentence: Sentence, entity: Entity) -> str:
    return _joined(_words(sentence, entity))


def _relation_text(sentence: Sentence, kind: str, head: Entity, tail: Entity) -> str:
    return f"{_quoted(sentence, head)} {kind} {_quoted(sentence, tail)}"


def _digest(*texts: str) -> bytes:
    content = "\0".join(text.replace("\0", "") for text in texts)
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()
