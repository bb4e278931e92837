"""Which settings a corpus calls for: `joint-ner-re init` writes a configuration with them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from joint_ner_re.checking.check import Progress, without_progress
from joint_ner_re.checking.statistics import Distribution
from joint_ner_re.corpora import detect_format, format_options, read_corpus
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike
from joint_ner_re.corpora.partitions import document_of
from joint_ner_re.corpora.units import Unit
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import tag_levels

MAX_TAG_LEVELS = 3
"""More levels than this cost more time than they find entities."""

WORTHWHILE = 0.02
"""The least share of entities or relations for which an option departs from its default."""

MANY_LOST = 0.3
"""The share of relations between sentences from which a longer unit is proposed.

BioRED has a fifth of them there, and its scores fall with the length of the unit: the longer it is,
the fewer of all pairs are relations.
"""

MAX_UNIT_TOKENS = 512
"""The longest document (95th percentile, in tokens) that is proposed as one sequence."""

UPDATES = 1200
"""Weight updates after which the shipped configurations have learned nearly all that they learn."""

MIN_DOCUMENTS = 20
"""From so many documents on, parts are drawn by documents."""

_SPANS = (3, 5)


@dataclass
class Count:
    """What a corpus holds when it is read in one way."""

    sentences: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    lengths: Distribution = field(default_factory=Distribution)
    levels: Counter[int] = field(default_factory=Counter)
    errors: int = 0
    documents: set[str] = field(default_factory=set)

    @property
    def has_documents(self) -> bool:
        """Whether sentences share documents, of which there are enough to divide them."""
        return MIN_DOCUMENTS <= len(self.documents) < self.sentences

    def add(self, sentence: Sentence) -> None:
        """Add a sentence."""
        self.sentences += 1
        self.lengths.add(len(sentence.tokens))
        # A sentence without an id is a document of its own.
        self.documents.add(document_of(sentence) or f"#{self.sentences}")
        self.entities.update(entity.type for entity in sentence.entities)
        self.relations.update(relation.type for relation in sentence.relations)
        self.levels.update(tag_levels(sentence.entities))


@dataclass
class Proposal:
    """Settings for a corpus, and why.

    # Parameters

    reader : `dict[str, Any]`
        Options of the reader `joint_ner_re`.
    tag_levels : `int`
        How many levels of tags find nearly all entities.
    batch_size, epochs : `int`
        So that small corpora are learned, too.
    reasons : `dict[str, str]`
        A comment for each setting that is not a default, by its name.
    count : `Count`
        What the training part holds with these options.
    """

    reader: dict[str, Any]
    tag_levels: int
    batch_size: int
    epochs: int
    reasons: dict[str, str]
    count: Count


def propose(
    path: PathLike,
    format: str | None = None,
    options: dict[str, Any] | None = None,
    has_dev: bool = True,
    progress: Progress = without_progress,
) -> Proposal:
    """Look at a corpus and propose settings for it.

    # Parameters

    path : `str`
        The training data.
    format : `str`, optional (default = `None`)
        Its format; detected if not given.
    options : `dict[str, Any]`, optional
        Options of `read_corpus` that are decided already. Only others are proposed.
    has_dev : `bool`, optional (default = `True`)
        Whether the development data are a file of their own. Otherwise a part of this one is
        development data, so that less is trained on.
    progress : `Callable`, optional
        Wraps the sentences of each reading; it also gets the path.

    # Raises

    `CorpusFormatError`
        If the corpus cannot be read.
    `ValueError`
        If it holds no entity: nothing could be learned from it.
    """
    format = format or detect_format(path)
    known = format_options(format)
    chosen = dict(options or {})
    if "tokenizer" in known and "tokenizer" not in chosen:
        from joint_ner_re.tokenization import TextTokenizer

        # Made once for all readings.
        chosen["tokenizer"] = TextTokenizer()

    def counted(**more: Any) -> Count:
        count = Count()
        for sentence in progress(read_corpus(path, format, **{**chosen, **more}), path):
            count.add(sentence)
        return count

    def tried(**more: Any) -> Count:
        """The same for options that may not be chosen: errors are counted, and nothing logged."""
        errors: list[CorpusFormatError] = []
        log = logging.getLogger("joint_ner_re.corpora")
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            count = counted(on_error=errors.append, **more)
        finally:
            log.setLevel(level)
        count.errors = len(errors)
        return count

    reasons: dict[str, str] = {}
    reader: dict[str, Any] = {}
    count = counted()
    if not count.entities:
        raise ValueError(
            f"{os.fspath(path)} holds {count.sentences} sentences, but no entity; expected "
            "annotated training data"
        )
    if "discontinuous" in known and "discontinuous" not in chosen:
        covered = tried(discontinuous="cover")
        added = covered.entities.total() - count.entities.total()
        if added >= WORTHWHILE * covered.entities.total():
            chosen["discontinuous"] = reader["discontinuous"] = "cover"
            count = covered
            reasons["discontinuous"] = (
                f"{added} of {covered.entities.total()} mentions are in pieces. They are read with "
                "the words between."
            )
    if "unit" in known and "unit" not in chosen:
        unit, longer, reason = _unit(count, tried)
        if reason:
            reasons["unit"] = reason
        if unit is not None:
            reader["unit"] = unit
            count = longer
    if "concept_relations" in known and "concept_relations" not in chosen:
        same = {"unit": reader["unit"]} if "unit" in reader else {}
        together = tried(concept_relations="sentence", **same)
        if together.relations.total() > count.relations.total():
            reader["concept_relations"] = "sentence"
            reasons["concept_relations"] = (
                f"Relations between concepts stand for {together.relations.total()} pairs of "
                f"mentions; from the nearest alone, {count.relations.total()}, less is learned."
            )
            count = together
    if count.errors:
        reader["on_error"] = "skip"
        reasons["on_error"] = (
            f"{count.errors} annotations do not fit their text; they are left out, and logged."
        )
    levels = _levels(count, reasons)
    trained = count.sentences if has_dev else ceil(count.sentences * 0.7)
    batch_size = 4 if trained < 200 else 8 if trained < 2000 else 16
    epochs = min(max(ceil(UPDATES * batch_size / max(trained, 1)), 8), 40)
    reasons["epochs"] = f"For {trained} training sentences; more sentences need fewer epochs."
    return Proposal(reader, levels, batch_size, epochs, reasons, count)


def _unit(count: Count, tried: Callable[..., Count]) -> tuple[Unit | None, Count, str]:
    """The shortest unit that holds nearly all relations, if sentences hold too few."""
    whole = tried(unit="document")
    total, inside = whole.relations.total(), count.relations.total()
    lost = total - inside
    if lost < WORTHWHILE * total:
        return None, count, ""
    if lost < MANY_LOST * total:
        reason = (
            f"{lost} of {total} relations link two sentences and are left out; --unit 3 reaches "
            "most of them, but is harder to learn from."
        )
        return None, count, reason
    fits = whole.lengths.percentile(95) <= MAX_UNIT_TOKENS
    spans = [(size, tried(unit=size)) for size in _SPANS]
    units: Sequence[tuple[Unit, Count]] = [*spans, *([("document", whole)] if fits else [])]
    needed = inside + 0.9 * lost
    enough = [pair for pair in units if pair[1].relations.total() >= needed]
    unit, longer = enough[0] if enough else units[-1]
    reason = (
        f"Of {total} relations, {lost} link two sentences; with this unit "
        f"{longer.relations.total()} are learned."
    )
    return unit, longer, reason


def _levels(count: Count, reasons: dict[str, str]) -> int:
    total = count.entities.total()
    beyond = total - count.levels[0]
    if beyond < WORTHWHILE * total:
        return 1
    highest = max(count.levels)
    levels = next(
        number
        for number in range(2, MAX_TAG_LEVELS + 1)
        if number > highest
        or number == MAX_TAG_LEVELS
        or sum(count.levels[level] for level in range(number)) >= (1 - WORTHWHILE) * total
    )
    reasons["tag_levels"] = (
        f"{beyond} of {total} entities overlap another one; so many levels of tags find "
        f"{sum(count.levels[level] for level in range(levels))}."
    )
    return levels
