"""Parts of a corpus file: `corpus.rel#train`, `#dev`, `#test` and `#entities`.

The test part is one fold. The development part is a share of the other sentences, and the training
part is the rest. `#entities` is for corpora where only some sentences have annotated relations.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from joint_ner_re.corpora.documents import parse_sentence_id
from joint_ner_re.corpora.folds import k_folds, read_folds, shuffled, split_dev
from joint_ner_re.sentence import Sentence

logger = logging.getLogger(__name__)

ENTITIES_ALONE = "entities"
PARTS = ("train", "dev", "test", ENTITIES_ALONE)
DIVIDE = ("sentences", "documents")

# A sentence's number in its document, and a section of a drug label.
_NUMBER = re.compile(r":[0-9]{1,12}\Z")
_SECTION = re.compile(r"/S[0-9]{1,3}\Z")


class PartitionError(ValueError):
    """The options do not define this part, or do not fit the file."""


def split_part(file_path: str) -> tuple[str, str | None]:
    """`("a.rel", "dev")` for `"a.rel#dev"`; an existing file with `#` in its name has no part."""
    path, separator, part = file_path.rpartition("#")
    if not separator or os.path.exists(file_path):
        return file_path, None
    return path, part


@dataclass(frozen=True)
class Partition:
    """How a file is divided into parts.

    # Parameters

    fold : `int`, optional (default = `None`)
        The index of the fold that is the test part; `None` means no test part.
    folds : `str`, optional (default = `None`)
        A JSON file with a list of folds, each a list of sentence ids. `None` means new folds.
    num_folds : `int`, optional (default = `10`)
        The number of new folds. They depend only on the ids and on `fold_seed`. The position in
        the file replaces a missing id.
    fold_seed : `int`, optional (default = `0`)
        The seed of the pseudorandom folds.
    dev_fraction : `float`, optional (default = `0.15`)
        The share of the development part in the sentences outside the fold, taken from the start
        of the file as in PFN (Yan et al. 2021). 0 means no development part.
    divide : `str`, optional (default = `"sentences"`)
        `"sentences"`: new folds are drawn by sentences. `"documents"`: new folds and the
        development part are drawn by documents, so that all sentences of a document are in one
        part. Parts then differ in size, as documents do. See `document_of`.

    # Raises

    `PartitionError`
        If an option is out of range.
    """

    fold: int | None = None
    folds: str | None = None
    num_folds: int = 10
    fold_seed: int = 0
    dev_fraction: float = 0.15
    divide: str = "sentences"

    def __post_init__(self) -> None:
        if self.divide not in DIVIDE:
            raise PartitionError(f"divide is {self.divide!r}; expected one of {', '.join(DIVIDE)}")
        if not 0 <= self.dev_fraction < 1:
            raise PartitionError(
                f"dev_fraction is {self.dev_fraction}; expected at least 0 and less than 1"
            )
        for name, value, minimum in (("fold", self.fold, 0), ("num_folds", self.num_folds, 2)):
            if value is not None and value < minimum:
                raise PartitionError(f"{name} is {value}; expected {minimum} or more")

    def count_folds(self) -> int:
        """The number of folds in the file `folds`, or `num_folds` without one."""
        return self.num_folds if self.folds is None else len(read_folds(self.folds))

    def part(self, path: str, name: str, corpus: Iterable[Sentence]) -> list[Sentence]:
        """One part of a file.

        # Parameters

        path : `str`
            The file, for messages.
        name : `str`
            One of `PARTS`.
        corpus : `Iterable[Sentence]`
            All sentences of the file. They are consumed only if there is such a part.

        # Raises

        `PartitionError`
            If there is no such part.
        `CorpusFormatError`
            If the file `folds` cannot be read.
        """
        if name not in PARTS:
            raise PartitionError(
                f"{path}#{name}: unknown part {name!r}; expected one of {', '.join(PARTS)}"
            )
        if name == "test" and self.fold is None:
            raise PartitionError(f"{path}#test: set the reader's option 'fold'")
        sentences = list(corpus)
        if name == ENTITIES_ALONE:
            return without_relations(path, sentences)
        test = self._test_positions(path, sentences)
        if name == "test":
            return [s for position, s in enumerate(sentences) if position in test]
        if name == "train" and self.folds is None and self.divide == "sentences":
            _warn_of_shared_documents(path, sentences, test)
        training = [s for position, s in enumerate(sentences) if position not in test]
        if not self.dev_fraction:
            if name == "dev":
                raise PartitionError(
                    f"{path}#dev: dev_fraction is 0, so there is no development part; set "
                    "dev_fraction, or set validation_data_path to null"
                )
            return training
        try:
            if self.divide == "documents":
                train, dev = self._documents_for_dev(training)
            else:
                train, dev = split_dev(training, self.dev_fraction)
        except ValueError as error:
            raise PartitionError(f"{path}#{name}: dev_fraction: {error}") from error
        return train if name == "train" else dev

    def _test_positions(self, path: str, sentences: Sequence[Sentence]) -> set[int]:
        """The positions of the test sentences in the file."""
        if self.fold is None:
            return set()
        if self.folds is None and self.divide == "documents":
            return self._test_documents(path, sentences)
        positions = _positions(path, sentences, may_repeat=self.folds is None)
        if self.folds is None:
            source = f"num_folds: {self.num_folds}"
            try:
                folds = k_folds(positions, self.num_folds, self.fold_seed)
            except ValueError as error:
                raise PartitionError(f"{path}: num_folds: {error}") from error
        else:
            source = os.path.basename(self.folds)
            folds = read_folds(self.folds)
        if not 0 <= self.fold < len(folds):
            raise PartitionError(f"fold is {self.fold}; expected 0 to {len(folds) - 1} ({source})")
        test = folds[self.fold]
        missing = set(test).difference(positions)
        if missing:
            raise PartitionError(
                f"{path}: fold {self.fold} of {source} names {len(missing)} sentences that are "
                f"not in the file, such as id {min(missing)!r}; expected the file that the folds "
                "were made for"
            )
        return {positions[name] for name in test}

    def _test_documents(self, path: str, sentences: Sequence[Sentence]) -> set[int]:
        """The positions of the sentences of the documents that the fold holds."""
        assert self.fold is not None
        documents = _documents(sentences)
        try:
            folds = k_folds(documents, self.num_folds, self.fold_seed)
        except ValueError as error:
            raise PartitionError(
                f"{path}: it has {len(documents)} documents, and divide is 'documents': {error}; "
                "set fewer num_folds, or divide: 'sentences'"
            ) from error
        if self.fold >= len(folds):
            raise PartitionError(
                f"fold is {self.fold}; expected 0 to {len(folds) - 1} (num_folds: {self.num_folds})"
            )
        return {position for name in folds[self.fold] for position in documents[name]}

    def _documents_for_dev(
        self, training: Sequence[Sentence]
    ) -> tuple[list[Sentence], list[Sentence]]:
        """Draws documents until they have the wanted share of the sentences."""
        documents = _documents(training)
        wanted = self.dev_fraction * len(training)
        chosen: set[int] = set()
        for name in shuffled(documents, self.fold_seed):
            # The document comes in if that brings the share nearer to the wanted one.
            if len(chosen) + len(documents[name]) / 2 > wanted and chosen:
                break
            chosen.update(documents[name])
        if not 0 < len(chosen) < len(training):
            raise ValueError(
                f"{self.dev_fraction} of {len(documents)} documents is none or all of them; "
                "expected both parts non-empty"
            )
        train = [s for position, s in enumerate(training) if position not in chosen]
        return train, [training[position] for position in sorted(chosen)]


def document_of(sentence: Sentence) -> str:
    """The name of the document that a sentence is from, as its id says; "" without an id.

    Ids are `report:120-245` (characters) or `report:3` (the number of the sentence). The sections
    of a drug label, `adcetris/S1`, count as one document. Any other id is a document of its own.
    """
    name, _ = parse_sentence_id(sentence)
    if name == sentence.id:
        name = _NUMBER.sub("", name)
    return _SECTION.sub("", name)


def _documents(sentences: Sequence[Sentence]) -> dict[str, list[int]]:
    """The positions of each document's sentences. A sentence without an id is a document."""
    documents: dict[str, list[int]] = {}
    for position, sentence in enumerate(sentences):
        documents.setdefault(document_of(sentence) or f"#{position}", []).append(position)
    return documents


def _warn_of_shared_documents(path: str, sentences: Sequence[Sentence], test: set[int]) -> None:
    shared = [
        name
        for name, positions in _documents(sentences).items()
        if 0 < sum(position in test for position in positions) < len(positions)
    ]
    if shared:
        logger.warning(
            "%s: %d documents, such as %r, have sentences in the test part and outside. Scores "
            "will be too good for new documents; set divide: 'documents' in the reader",
            path,
            len(shared),
            shared[0],
        )


def without_relations(path: str, sentences: Sequence[Sentence]) -> list[Sentence]:
    """The part `#entities`: the sentences without relations, without duplicates.

    Sentences whose words are those of a sentence with relations are left out, too.
    """
    related = [sentence for sentence in sentences if sentence.relations]
    seen = set(map(_letters, related))
    kept = []
    for sentence in sentences:
        letters = _letters(sentence)
        if letters not in seen:
            seen.add(letters)
            kept.append(sentence)
    repeated = len(sentences) - len(related) - len(kept)
    logger.info(
        "%s: %d sentences with relations and %d duplicates were left out",
        path,
        len(related),
        repeated,
    )
    return kept


def _letters(sentence: Sentence) -> str:
    """The letters and digits of a sentence, in lower case: a key to find duplicates."""
    return "".join(filter(str.isalnum, "".join(sentence.tokens))).casefold()


def _positions(path: str, sentences: Sequence[Sentence], may_repeat: bool) -> dict[str, int]:
    """The position of each sentence in the file, by its id or, without an id, by `#position`.

    Ids that repeat, such as those of exports that were put together, get a number if they may.
    """
    positions: dict[str, int] = {}
    names = {sentence.id for sentence in sentences}
    repeated = 0
    example = ""
    for position, sentence in enumerate(sentences):
        name = sentence.id or f"#{position}"
        if name in positions:
            if not may_repeat:
                raise PartitionError(
                    f"{path}: the sentences {positions[name]} and {position}, counted from 0, both "
                    f"have the id {name!r}, so a file of folds does not tell them apart; give each "
                    "an id of its own: joint-ner-re convert FILE OUT --id-prefix NAME"
                )
            repeated, example = repeated + 1, example or name
            number = 2
            while f"{name}#{number}" in positions or f"{name}#{number}" in names:
                number += 1
            name = f"{name}#{number}"
        positions[name] = position
    if repeated:
        logger.warning(
            "%s: %d ids repeat earlier ones, such as %r; each sentence counts as one of its own. "
            "If several exports were put together, convert each with --id-prefix NAME",
            path,
            repeated,
            example,
        )
    return positions
