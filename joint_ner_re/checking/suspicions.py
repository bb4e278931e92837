"""What looks like a mistake in an annotation, although nothing forbids it."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from joint_ner_re.checking.counts import Counts, Part, distance
from joint_ner_re.sentence import Entity, Sentence

EXAMPLES = 5

# English words that no name begins or ends with, except titles.
_FUNCTION_WORDS = frozenset(
    """
    a an and are at be been but by for from her his in is its of on or that the their these this
    those to was were which who with
    """.split()  # noqa: SIM905
)
# Punctuation that belongs to what it stands beside.
_KEPT = frozenset("%‰#&@*§'’°")
_PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", '"': '"', "``": "''", "-LRB-": "-RRB-"}
# Below these, figures say nothing.
_LEAST_LENGTH, _LEAST_DISTANCE, _LEAST_RELATIONS, _LEAST_UNMARKED = 10, 30, 50, 3


class Suspicion(NamedTuple):
    """One kind of suspicion: how often, and where for example."""

    what: str
    times: int
    examples: list[str]


class Suspicions:
    """Counts, by kind, and keeps the first few of each as examples."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = defaultdict(list)

    def add(self, what: str, example: str) -> None:
        """Take in one case."""
        self._counts[what] += 1
        if len(self._examples[what]) < EXAMPLES:
            self._examples[what].append(example)

    def found(self) -> list[Suspicion]:
        """All kinds, the most frequent first."""
        return [Suspicion(w, count, self._examples[w]) for w, count in self._counts.most_common()]


class Knowledge:
    """What a first look at all parts finds out, and a second look needs."""

    def __init__(self) -> None:
        self.types_of: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self.arguments: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._sentences: dict[bytes, tuple[str, str, bytes]] = {}
        self._bare: dict[bytes, tuple[str, str]] = {}
        self._ids: set[tuple[str, str]] = set()
        self._beginnings: dict[str, set[int]] = {}
        self.unmarked: Counter[tuple[str, ...]] = Counter()
        self.unmarked_example: dict[tuple[str, ...], str] = {}

    def look(self, part: Part, sentence: Sentence, suspicions: Suspicions) -> None:
        """The first look: what can be said of a sentence with those before it."""
        place = place_of(part, sentence)
        if not any(token.strip() for token in sentence.tokens):
            suspicions.add("sentences without a word", place)
        if sentence.id:
            if (part.name, sentence.id) in self._ids:
                suspicions.add("ids that another sentence of the part has", place)
            self._ids.add((part.name, sentence.id))
        if sentence.tokens:
            self._look_for_duplicates(part.name, place, sentence, suspicions)
        for entity in sentence.entities:
            self.types_of[_words(sentence, entity)][entity.type] += 1
            for what in _oddities(sentence, entity):
                suspicions.add(what, f"{place}: {entity.type} {_quoted(sentence, entity)}")
        pairs = {(r.type, r.head, r.tail) for r in sentence.relations}
        for relation in sentence.relations:
            head, tail = sentence.entities[relation.head], sentence.entities[relation.tail]
            self.arguments[relation.type][head.type, tail.type] += 1
            shown = f"{place}: {_shown(sentence, relation.type, head, tail)}"
            if head.overlaps(tail):
                suspicions.add("relations between entities that overlap", shown)
            if (relation.type, relation.tail, relation.head) in pairs:
                suspicions.add("relations of one type in both directions", shown)

    def _look_for_duplicates(
        self, part: str, place: str, sentence: Sentence, suspicions: Suspicions
    ) -> None:
        annotations = _digest(
            *sorted(map(repr, (entity.key for entity in sentence.entities))),
            *sorted(map(repr, map(sentence.relation_key, sentence.relations))),
        )
        exact = _digest(*sentence.tokens)
        bare = _digest("".join("".join(sentence.tokens).split()).casefold())
        if exact in self._sentences:
            other, where, before = self._sentences[exact]
            shown = f"{place} and {where}"
            what = "within a part" if other == part else f"in both {other} and {part}"
            suspicions.add(f"sentences that occur twice, {what}", shown)
            if annotations != before:
                suspicions.add("sentences that occur twice and are annotated differently", shown)
        elif bare in self._bare:
            other, where = self._bare[bare]
            what = "within a part" if other == part else f"in both {other} and {part}"
            suspicions.add(
                f"sentences that differ only in case, white space or tokens, {what}",
                f"{place} and {where}",
            )
        self._sentences.setdefault(exact, (part, place, annotations))
        self._bare.setdefault(bare, (part, place))

    def look_again(
        self, part: Part, sentence: Sentence, counts: Counts, suspicions: Suspicions
    ) -> None:
        """The second look: what takes the figures of all parts."""
        place = place_of(part, sentence)
        longest = max(_LEAST_LENGTH, 3 * counts.entity_lengths.percentile(95))
        farthest = max(_LEAST_DISTANCE, 3 * counts.distances.percentile(95))
        for entity in sentence.entities:
            if entity.end - entity.start > longest:
                suspicions.add(
                    f"entities of more than {longest} tokens",
                    f"{place}: {entity.type} {_quoted(sentence, entity)}",
                )
        for relation in sentence.relations:
            head, tail = sentence.entities[relation.head], sentence.entities[relation.tail]
            pairs = self.arguments[relation.type]
            count, total = pairs[head.type, tail.type], sum(pairs.values())
            shown = f"{place}: {_shown(sentence, relation.type, head, tail)}"
            if total >= _LEAST_RELATIONS and count * 100 <= total:
                suspicions.add(
                    "relations whose argument types are rare for their type (at most 1 %)",
                    f"{shown} ({head.type} to {tail.type}: {count} of {total})",
                )
            if distance(sentence, relation) > farthest:
                suspicions.add(f"relations over more than {farthest} tokens", shown)
        self._look_for_unmarked(place, sentence)

    def _look_for_unmarked(self, place: str, sentence: Sentence) -> None:
        """Words that are an entity elsewhere and here no part of one."""
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

    def of_words(self) -> Iterator[tuple[str, str]]:
        """What the looks together say of words, as kinds and examples."""
        for words, types in sorted(self.types_of.items(), key=lambda item: -sum(item[1].values())):
            if len(types) > 1:
                each = ", ".join(f"{name} {count}" for name, count in types.most_common())
                yield "words annotated with more than one type", f"{_joined(words)}: {each}"
        for words, count in self.unmarked.most_common():
            marked = sum(self.types_of[words].values())
            if count >= _LEAST_UNMARKED and count >= marked:
                yield (
                    "words annotated less often than left out",
                    f"{_joined(words)}: {marked} times annotated, {count} times not, first in "
                    f"{self.unmarked_example[words]}",
                )


def _oddities(sentence: Sentence, entity: Entity) -> Iterator[str]:
    """What is odd about the words of one entity."""
    words = _words(sentence, entity)
    first, last = words[0], words[-1]
    if any(word != word.strip() or not word for word in words):
        yield "entities with white space at the edge of a token"
    # Not where it is all there is, such as a sign for a symptom.
    if any(not _is_punctuation(word) for word in words):
        if _is_punctuation(first) and not _is_paired(words):
            yield "entities that begin with punctuation"
        if _is_punctuation(last) and not _is_paired(words):
            yield "entities that end with punctuation"
    if first.lower() in _FUNCTION_WORDS:
        yield "entities that begin with an English function word"
    # A letter is more often a name's, as in "vitamin A".
    if len(words) > 1 and len(last) > 1 and last.lower() in _FUNCTION_WORDS:
        yield "entities that end with an English function word"


def _is_punctuation(word: str) -> bool:
    return bool(word) and all(
        unicodedata.category(letter).startswith("P") and letter not in _KEPT for letter in word
    )


def _is_paired(words: tuple[str, ...]) -> bool:
    """Whether each bracket or quotation mark that opens inside closes there, and none else."""
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
    """Where a sentence is: `train:12 (id)`, or a file in a directory that is a part."""
    source = sentence.source or ""
    place = part.name + source[len(part.path) :] if source.startswith(part.path) else source
    return f"{place} ({sentence.id})" if sentence.id else place


def _words(sentence: Sentence, entity: Entity) -> tuple[str, ...]:
    return tuple(sentence.tokens[entity.start : entity.end])


def _joined(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _quoted(sentence: Sentence, entity: Entity) -> str:
    return _joined(_words(sentence, entity))


def _shown(sentence: Sentence, kind: str, head: Entity, tail: Entity) -> str:
    return f"{_quoted(sentence, head)} {kind} {_quoted(sentence, tail)}"


def _digest(*parts: str) -> bytes:
    # Zero bytes stand between the parts, and in none of them.
    content = "\0".join(part.replace("\0", "") for part in parts)
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()
