"""The vectors of words from their spelling: tables, a network over characters, casing classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Any

import numpy
from numpy import ndarray

from joint_ner_re.casing import CASINGS, casing
from joint_ner_re.gazetteer import Gazetteer
from joint_ner_re.runtime.files import VOCABULARY, ExportedModelError
from joint_ner_re.runtime.pieces import PieceFeature
from joint_ner_re.runtime.sessions import Session

Feature = Callable[[Sequence[Sequence[str]]], ndarray]
Vocabulary = Mapping[str, Mapping[str, int]]

# How many word vectors are kept, as in `modules/embedders.py`. With 64 numbers each, 13 MB.
MAX_KNOWN_WORDS = 50_000
# Words of similar length are encoded together.
MAX_WORDS_AT_ONCE = 1024
# The number of unknown words and characters; 0 is padding.
UNKNOWN = 1


def make_feature(
    directory: str, settings: dict[str, Any], vocabulary: Vocabulary, threads: int
) -> Feature:
    """A function from sentences to the vectors of all their words, of shape (words, size).

    # Parameters

    directory : `str`
        The directory of the exported model.
    settings : `dict[str, Any]`
        The feature in the manifest.
    vocabulary : `Mapping[str, Mapping[str, int]]`
        The numbers of words and characters by namespace.
    threads : `int`
        How many threads a run of a graph uses.

    # Raises

    `ExportedModelError`
        If a file is damaged.
    """
    if settings["kind"] == "casing":
        return casing_vectors
    if settings["kind"] == "pieces":
        return PieceFeature(directory, settings, threads)
    namespace = settings["namespace"]
    if namespace not in vocabulary:
        raise ExportedModelError(
            f"{directory}/{VOCABULARY} has no namespace {namespace!r}, which the feature "
            f"{settings.get('name')!r} needs"
        )
    session = Session(directory, settings["graph"], threads)
    if settings["kind"] == "characters":
        session.check({"numbers", "lengths"}, {"vectors"})
        return CharacterFeature(session, vocabulary[namespace], settings["size"])
    session.check({"numbers"}, {"vectors"})
    if settings["kind"] == "words":
        return TableFeature(session, known_words(vocabulary[namespace], settings["lowercase"]))
    try:
        return TableFeature(session, Gazetteer(vocabulary[namespace]).numbers)
    except ValueError as error:
        raise ExportedModelError(f"{directory}/{VOCABULARY}: {error}") from error


def casing_vectors(sentences: Sequence[Sequence[str]]) -> ndarray:
    """One-hot vectors of casing classes."""
    classes = [CASINGS.index(casing(word)) for word in chain.from_iterable(sentences)]
    return numpy.eye(len(CASINGS), dtype=numpy.float32)[classes]


class TableFeature:
    """Vectors from a table.

    # Parameters

    session : `Session`
        Looks numbers up.
    numbers : `Callable[[Sequence[str]], Sequence[int]]`
        The number of each word of a sentence.
    """

    def __init__(self, session: Session, numbers: Callable[[Sequence[str]], Sequence[int]]) -> None:
        self._session = session
        self._numbers = numbers

    def __call__(self, sentences: Sequence[Sequence[str]]) -> ndarray:
        """Shape: (words, size)."""
        numbers = list(chain.from_iterable(map(self._numbers, sentences)))
        return self._session.run(numbers=numpy.array(numbers, numpy.int64))["vectors"]


def known_words(
    words: Mapping[str, int], lowercase: bool
) -> Callable[[Sequence[str]], Sequence[int]]:
    """A function from a sentence to the numbers of its words.

    # Parameters

    words : `Mapping[str, int]`
        The numbers of the words that are known.
    lowercase : `bool`
        Whether words are looked up in lower case.
    """

    def numbers(sentence: Sequence[str]) -> list[int]:
        return [words.get(word.lower() if lowercase else word, UNKNOWN) for word in sentence]

    return numbers


class CharacterFeature:
    """Word vectors from characters. Each word is encoded once for all batches.

    # Parameters

    session : `Session`
        The network over characters.
    numbers : `Mapping[str, int]`
        The characters that are known.
    size : `int`
        Size of a vector.
    """

    def __init__(self, session: Session, numbers: Mapping[str, int], size: int) -> None:
        self._session = session
        self._numbers = numbers
        self._size = size
        self._lock = Lock()
        self._forget()

    def _forget(self) -> None:
        # A word without characters has no network to go through: its vector is 0.
        self._rows = {"": 0}
        self._vectors = numpy.zeros((1024, self._size), numpy.float32)

    def __call__(self, sentences: Sequence[Sequence[str]]) -> ndarray:
        """Shape: (words, size)."""
        words = list(chain.from_iterable(sentences))
        # Several threads may predict at once, and must not encode the same words twice.
        with self._lock:
            new = set(words) - self._rows.keys()
            if len(self._rows) + len(new) > max(MAX_KNOWN_WORDS, len(words) + 1):
                self._forget()
                new = set(words) - {""}
            if new:
                self._encode(sorted(new, key=lambda word: (len(word), word)))
            return self._vectors[[self._rows[word] for word in words]]

    def _encode(self, words: list[str]) -> None:
        """Encode new words, which are sorted by length."""
        needed = len(self._rows) + len(words)
        if needed > len(self._vectors):
            larger = numpy.zeros((max(needed, 2 * len(self._vectors)), self._size), numpy.float32)
            larger[: len(self._rows)] = self._vectors[: len(self._rows)]
            self._vectors = larger
        begin = 0
        while begin < len(words):
            # The network takes as many steps as its longest word has characters.
            longest = 2 * len(words[begin]) + 8
            end = begin
            while end < min(len(words), begin + MAX_WORDS_AT_ONCE) and len(words[end]) <= longest:
                end += 1
            some = words[begin:end]
            numbers = numpy.zeros((len(some), len(some[-1])), numpy.int64)
            for row, word in enumerate(some):
                numbers[row, : len(word)] = [self._numbers.get(c, UNKNOWN) for c in word]
            lengths = numpy.array([len(word) for word in some], numpy.int32)
            first = len(self._rows)
            vectors = self._session.run(numbers=numbers, lengths=lengths)["vectors"]
            self._vectors[first : first + len(some)] = vectors
            self._rows.update((word, first + place) for place, word in enumerate(some))
            begin = end
