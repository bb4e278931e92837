"""Which words the training data annotates as entities: an input feature of the model."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity

# Longer entities hardly occur twice.
MAX_WORDS = 12
# A token's number if it lies in no entry; 0 is padding.
OUTSIDE = 1
# How many sentences annotate an entry: 1, from 2 on, from 4 on.
_COUNTS = (2, 4)
# Their share of all sentences with its words: under 40 %, from 40 % on, from 80 % on.
_SHARES = (0.4, 0.8)
_NUM_COUNTS, _NUM_SHARES = len(_COUNTS) + 1, len(_SHARES) + 1
# Where a token stands in an entry.
_BEGIN, _INSIDE, _END, _SINGLE = range(4)


class Example(NamedTuple):
    """A sentence of the training data.

    # Parameters

    tokens : `Sequence[str]`
    entities : `Iterable[Entity]`
    document : `str`, optional (default = `""`)
        The name of the document that it is from; `""` if that is not known.
    """

    tokens: Sequence[str]
    entities: Iterable[Entity]
    document: str = ""


class Entry(NamedTuple):
    """Words that the training data annotates at least once.

    A sentence is known by a key, followed by `@` and the key of its document if that is known.

    # Parameters

    words : `str`
        In lower case, with a space between two tokens.
    annotated : `dict[str, frozenset[str]]`
        By entity type, the sentences that annotate the words with it.
    plain : `frozenset[str]`
        The sentences that have the words and do not annotate them.
    """

    words: str
    annotated: dict[str, frozenset[str]]
    plain: frozenset[str]

    def to_label(self) -> str:
        """The entry as JSON in one line, for a vocabulary."""
        annotated = {name: " ".join(sorted(keys)) for name, keys in sorted(self.annotated.items())}
        return json.dumps([self.words, annotated, " ".join(sorted(self.plain))])

    @classmethod
    def from_label(cls, label: str) -> Entry:
        """
        # Raises

        `ValueError`
            If the label is no entry.
        """
        try:
            words, annotated, plain = json.loads(label)
            found = {name: frozenset(keys.split()) for name, keys in annotated.items()}
            entry = cls(words, found, frozenset(plain.split()))
            fits = isinstance(words, str) and bool(words) and any(found.values())
        # JSON that is nested too deeply ends in a RecursionError.
        except (ValueError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits:
            raise ValueError(
                f"the gazetteer has the entry {quote(label)}; expected a JSON list of words, the "
                "sentences that annotate them by entity type, and the other sentences with them"
            )
        return entry


def make_entries(examples: Iterable[Example]) -> list[Entry]:
    """The entries of training data, in order of their words.

    Entities of more than `MAX_WORDS` tokens get none. A sentence that comes twice counts once.
    """
    texts: dict[str, list[str]] = {}
    annotated: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for tokens, entities, document in examples:
        words = _lower(tokens)
        key = _key(words) + (f"@{_key([document])}" if document else "")
        texts[key] = words
        for entity in entities:
            if entity.end - entity.start <= MAX_WORDS:
                annotated[" ".join(words[entity.start : entity.end])][entity.type].add(key)
    plain: dict[str, set[str]] = defaultdict(set)
    longest = _longest(annotated)
    for key, words in texts.items():
        for begin, word in enumerate(words):
            for end in range(begin + 1, min(len(words), begin + longest.get(word, 0)) + 1):
                text = " ".join(words[begin:end])
                types = annotated.get(text)
                if types is not None and not any(key in keys for keys in types.values()):
                    plain[text].add(key)
    return [
        Entry(
            text,
            {name: frozenset(keys) for name, keys in types.items()},
            frozenset(plain.get(text, ())),
        )
        for text, types in sorted(annotated.items())
    ]


class _Sentences:
    """How many sentences there are, and how many of each origin."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._by_origin = Counter(_origin(key) for key in keys)
        self._total = sum(self._by_origin.values())

    def besides(self, origins: Collection[str]) -> int:
        """How many of them have none of these origins."""
        return self._total - sum(self._by_origin[origin] for origin in origins)


class Gazetteer:
    """Numbers tokens by what other sentences of the training data annotate.

    From left to right, the longest entry is marked. What the sentence itself annotates does not
    count, and if its document is known, what all of the document does: otherwise a model would
    learn in training to trust what new text does not have.

    # Parameters

    labels : `Iterable[str]`
        From `Entry.to_label`.

    # Raises

    `ValueError`
        If a label is no entry.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        entries = [Entry.from_label(label) for label in labels]
        types = sorted({name for entry in entries for name in entry.annotated})
        self._type_numbers = {name: number for number, name in enumerate(types)}
        self._longest = _longest(entry.words for entry in entries)
        # For each entry the sentences that annotate it, by type, and all sentences with its words.
        self._entries: dict[str, tuple[dict[str, _Sentences], _Sentences]] = {}
        # A sentence may come in several documents.
        self._origins: dict[str, set[str]] = defaultdict(set)
        for words, annotated, plain in entries:
            every = plain.union(*annotated.values())
            by_type = {name: _Sentences(keys) for name, keys in sorted(annotated.items())}
            self._entries[words] = by_type, _Sentences(every)
            for key in every:
                self._origins[key.split("@")[0]].add(_origin(key))

    @property
    def size(self) -> int:
        """How many numbers there are, with that of padding."""
        kinds = len(self._type_numbers) * _NUM_COUNTS * _NUM_SHARES
        return OUTSIDE + 1 + kinds * (_SINGLE + 1)

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """A number for each token of a sentence, from 1.

        It says of which type the entry is, how many sentences annotate it, how large a share of
        those with its words they are, and where in the entry the token stands.
        """
        words = _lower(tokens)
        # A sentence that is not in the training data has none.
        origins = self._origins.get(_key(words), ())
        numbers: list[int] = []
        while len(numbers) < len(words):
            numbers += self._from(words, len(numbers), origins)
        return numbers

    def _from(self, words: list[str], begin: int, origins: Collection[str]) -> list[int]:
        """The numbers of the longest entry that begins here, or of one token outside."""
        last = min(len(words), begin + self._longest.get(words[begin], 0))
        for end in range(last, begin, -1):
            kind = self._kind(" ".join(words[begin:end]), origins)
            if kind is not None:
                first = OUTSIDE + 1 + kind * (_SINGLE + 1)
                if end == begin + 1:
                    return [first + _SINGLE]
                inside = [first + _INSIDE] * (end - begin - 2)
                return [first + _BEGIN, *inside, first + _END]
        return [OUTSIDE]

    def _kind(self, words: str, origins: Collection[str]) -> int | None:
        """Type, count and share as one number; `None` if no other sentence annotates the words."""
        if words not in self._entries:
            return None
        by_type, sentences = self._entries[words]
        counts = {name: some.besides(origins) for name, some in by_type.items()}
        # Of equal counts, that of the first name.
        name = max(counts, key=lambda name: counts[name])
        if not counts[name]:
            return None
        count = bisect_right(_COUNTS, counts[name])
        share = bisect_right(_SHARES, counts[name] / sentences.besides(origins))
        return (self._type_numbers[name] * _NUM_COUNTS + count) * _NUM_SHARES + share


def _lower(tokens: Sequence[str]) -> list[str]:
    return [token.lower() for token in tokens]


def _key(words: Sequence[str]) -> str:
    """A short key of a sentence, which does not tell its words."""
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=6).hexdigest()


def _origin(key: str) -> str:
    """The document of a sentence, or the sentence itself if its document is not known."""
    return key.split("@")[-1]


def _longest(texts: Iterable[str]) -> dict[str, int]:
    """The number of words of the longest text with this first word."""
    longest: dict[str, int] = {}
    for text in texts:
        words = text.split(" ")
        longest[words[0]] = max(longest.get(words[0], 0), len(words))
    return longest
