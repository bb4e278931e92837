"""Word pieces and their windows; `pretrained/tokenizer.py` and `embedder.py` in numpy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy
from numpy import ndarray
from tokenizers import Tokenizer

from joint_ner_re.runtime.files import ExportedModelError
from joint_ner_re.runtime.sessions import Session

# Padding included. Larger batches are not faster, and need more memory and more padding.
MAX_PIECES_AT_ONCE = 512


class PieceFeature:
    """The mean of each word's pieces in a pretrained encoder.

    # Parameters

    directory : `str`
        The directory of the exported model.
    settings : `dict[str, Any]`
        The feature in the manifest.
    threads : `int`
        How many threads one run uses.

    # Raises

    `ExportedModelError`
        If a file is damaged.
    """

    def __init__(self, directory: str, settings: dict[str, Any], threads: int) -> None:
        path = os.path.join(directory, settings["tokenizer"])
        try:
            self._tokenizer = Tokenizer.from_file(path)
        # The library raises bare exceptions.
        except Exception as error:
            raise ExportedModelError(f"{path} is damaged: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._session = Session(directory, settings["graph"], threads)
        self._session.check({"pieces", "mask"}, {"states"})
        self._settings = settings

    def __call__(self, sentences: Sequence[Sequence[str]]) -> ndarray:
        """The vectors of all words, one sentence after the other. Shape: (words, size)."""
        before, after = self._settings["before"], self._settings["after"]
        windows: list[list[int]] = []
        # For each piece whose vector is used, its place in the windows.
        rows: list[int] = []
        columns: list[int] = []
        # The first piece of each word.
        firsts: list[int] = []
        for ids, words in self._pieces(sentences):
            done = len(rows)
            firsts += [
                done + place for place, word in enumerate(words)
                if not place or word != words[place - 1]
            ]  # fmt: skip
            for begin, end, first, last in windows_of(len(ids), self._settings["window"]):
                rows += [len(windows)] * (last - first)
                columns += range(len(before) + first - begin, len(before) + last - begin)
                windows.append([*before, *ids[begin:end], *after])
        if not rows:
            return numpy.zeros((0, self._settings["size"]), numpy.float32)
        states = self._read(windows, numpy.array(rows), numpy.array(columns))
        counts = numpy.diff(firsts, append=len(rows))
        if len(firsts) == len(rows):
            return states
        return numpy.add.reduceat(states, firsts, axis=0) / counts[:, None].astype(numpy.float32)

    def _pieces(self, sentences: Sequence[Sequence[str]]) -> list[tuple[list[int], list[int]]]:
        """The numbers of each sentence's pieces, and the word of each piece."""
        texts = [" ".join(words) for words in sentences]
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [
            pieces_of(words, encoding.ids, encoding.offsets, self._settings["unknown"])
            for words, encoding in zip(sentences, encodings)
        ]

    def _read(self, windows: list[list[int]], rows: ndarray, columns: ndarray) -> ndarray:
        """The states of the used pieces. Shape: (pieces, size)."""
        found = numpy.empty((len(rows), self._settings["size"]), numpy.float32)
        # The used pieces of each window lie together.
        bounds = numpy.searchsorted(rows, numpy.arange(len(windows) + 1))
        for group in groups_of([len(window) for window in windows]):
            width = len(windows[group[0]])
            pieces = numpy.full((len(group), width), self._settings["padding"], numpy.int64)
            mask = numpy.zeros((len(group), width), numpy.int64)
            for row, number in enumerate(group):
                window = windows[number]
                pieces[row, : len(window)] = window
                mask[row, : len(window)] = 1
            states = self._session.run(pieces=pieces, mask=mask)["states"]
            for row, number in enumerate(group):
                some = slice(bounds[number], bounds[number + 1])
                found[some] = states[row, columns[some]]
        return found


def groups_of(lengths: Sequence[int]) -> list[list[int]]:
    """Windows that are read together: of similar length, so that there is little padding.

    The encoder takes most of the time, and sentences with equally many tokens may have very
    different numbers of pieces. Each group has its longest window first.
    """
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= MAX_PIECES_AT_ONCE:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def pieces_of(
    words: Sequence[str], ids: Sequence[int], offsets: Sequence[tuple[int, int]], unknown: int
) -> tuple[list[int], list[int]]:
    """The pieces of a sentence and the word of each. A word without pieces gets the unknown one.

    # Parameters

    words : `Sequence[str]`
        The words, which are joined by spaces.
    ids, offsets : `Sequence`
        The pieces, and the characters that each covers.
    unknown : `int`
        The unknown piece.
    """
    ends: list[int] = []
    position = 0
    for word in words:
        position += len(word)
        ends.append(position)
        position += 1
    found: list[int] = []
    owners: list[int] = []
    owner = 0
    for number, (begin, end) in zip(ids, offsets):
        if begin == end:
            continue
        # A piece may begin with the space before its word, so its last character decides.
        while ends[owner] < end:
            owner += 1
        for missing in range(owners[-1] + 1 if owners else 0, owner):
            found.append(unknown)
            owners.append(missing)
        found.append(number)
        owners.append(owner)
    for missing in range(owners[-1] + 1 if owners else 0, len(words)):
        found.append(unknown)
        owners.append(missing)
    return found, owners


def windows_of(length: int, size: int | None) -> list[tuple[int, int, int, int]]:
    """The windows in which a sentence of `length` pieces is read; see `TransformerEmbedder`.

    Each has its begin and end, and the begin and end of the pieces whose vectors it provides.
    """
    if size is None or length <= size:
        return [(0, length, 0, length)] if length else []
    begins = list(range(0, length - size, size - size // 2)) + [length - size]
    ends = [begin + size for begin in begins]
    meeting = [(end + begin) // 2 for end, begin in zip(ends, begins[1:])]
    return list(zip(begins, ends, [0, *meeting], [*meeting, length]))
