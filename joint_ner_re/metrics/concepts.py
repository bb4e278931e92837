"""Scores relations between concepts of a document, whatever mentions were found to be related.

PubTator and BioRED annotate that two concepts are related in a document, not where. A model relates
mentions. A mention names the concepts that gold gives for its span, so a predicted relation between
mentions is one between their concepts.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable
from itertools import product
from typing import Any

from joint_ner_re.corpora.annotations import Document
from joint_ner_re.corpora.documents import parse_sentence_id
from joint_ner_re.corpora.text import Span
from joint_ner_re.metrics.score import Counts
from joint_ner_re.sentence import Sentence

Key = tuple[str, Hashable]


def score_concepts(
    documents: Iterable[Document], predicted: Iterable[Sentence], symmetric: Iterable[str] = ()
) -> dict[str, Any]:
    """Score the relations between concepts of each document, each counted once.

    # Parameters

    documents : `Iterable[Document]`
        The gold documents, as `corpora.pubtator.documents` and `corpora.bioc.documents` give them.
    predicted : `Iterable[Sentence]`
        Predictions for whole documents, or for units of them, with ids such as `10000001:0-54`.
    symmetric : `Iterable[str]`, optional (default = `()`)
        Relation types whose direction does not matter. In BioRED none does.

    # Returns

    `dict[str, Any]`
        `precision`, `recall` and `f1`, micro averages; `per_type`, the same with `support` for each
        type. A predicted relation of a mention that gold does not have, or of one without a
        concept, is wrong. Mentions of parts of words have the whole words, as in reading.

    # Raises

    `ValueError`
        If a prediction is of no gold document, or two gold documents have the same id.
    """
    undirected = frozenset(symmetric)
    golds: dict[str, _Gold] = {}
    for document in documents:
        if document.id in golds:
            raise ValueError(f"two gold documents have the id {document.id!r}; expected one")
        golds[document.id] = _Gold(document, undirected)
    found: dict[str, set[Key]] = {name: set() for name in golds}
    for sentence in predicted:
        name, begin = parse_sentence_id(sentence)
        if name not in golds:
            raise ValueError(
                f"the predicted sentence {sentence.id!r} is of no gold document; expected an id "
                f"such as {next(iter(golds), '10000001')!r}: predict documents with their ids"
            )
        if sentence.offsets is None:
            raise ValueError(
                f"the predicted sentence {sentence.id!r} has no text; expected text and offsets"
            )
        if sentence.relations:
            found[name] |= golds[name].found_in(sentence, begin)
    counts = Counts()
    for name, gold in golds.items():
        counts.add(found[name], gold.relations)
    return {
        **vars(counts.micro()),
        "per_type": {
            name: {**vars(scores), "support": counts.gold[name]}
            for name, scores in counts.per_type().items()
        },
    }


class _Gold:
    """The concepts of a document: which mentions name them, and which are related."""

    def __init__(self, document: Document, undirected: frozenset[str]) -> None:
        self._document = document
        self._undirected = undirected
        self.relations = {
            self._key(link.type, link.head, link.tail) for link in document.concept_links
        }

    def _key(self, type: str, head: Hashable, tail: Hashable) -> Key:
        return type, frozenset((head, tail)) if type in self._undirected else (head, tail)

    def found_in(self, sentence: Sentence, begin: int) -> set[Key]:
        """The relations that those of a sentence stand for, which begins at this character."""
        concepts = self._concepts(sentence, begin)
        found: set[Key] = set()
        for relation in sentence.relations:
            head, tail = (
                (sentence.entities[index].start, sentence.entities[index].end)
                for index in (relation.head, relation.tail)
            )
            pairs = product(concepts.get(head, ()), concepts.get(tail, ()))
            right = {self._key(relation.type, *pair) for pair in pairs} & self.relations
            if not right:
                # A wrong one: of these concepts or, where there are none, of these places.
                names = (
                    tuple(sorted(concepts[span])) if concepts.get(span) else (begin, *span)
                    for span in (head, tail)
                )
                right = {self._key(relation.type, *names)}
            found |= right
        return found

    def _concepts(self, sentence: Sentence, begin: int) -> dict[Span, set[str]]:
        """The concepts that gold gives for spans of the sentence's tokens."""
        begins = [begin + first for first, _ in sentence.offsets or ()]
        ends = [begin + last for _, last in sentence.offsets or ()]
        concepts: dict[Span, set[str]] = defaultdict(set)
        for mention in self._document.mentions:
            # As they are read: a mention of a part of a word has the whole word.
            span = bisect_right(ends, mention.begin), bisect_left(begins, mention.end)
            if span[0] < span[1]:
                for concept in mention.concepts:
                    # A mention of several concepts names each: "D003711|D009410".
                    concepts[span].update({concept, *re.split(r"[,|;]", concept)} - {""})
        return concepts
