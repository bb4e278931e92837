"""Relations between concepts of a document, to relations between mentions.

PubTator, and BioC made of it, say that "D008687 induces D009325 in this document", and which
mentions name each of the two. Which mentions are related is not said: the option
`concept_relations` chooses them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from joint_ner_re.corpora.annotations import ConceptLink, Document, Link, Mention
from joint_ner_re.corpora.changes import UNSHARED
from joint_ner_re.corpora.errors import CorpusFormatError, ErrorHandler, handled
from joint_ner_re.messages import quote

CONCEPT_RELATIONS = ("nearest", "sentence", "all")
"""Which mentions of two related concepts are related: the pair that is nearest to one another, in
one sentence if there is such a pair; all pairs in one sentence; or all pairs."""

MAX_PAIRS = 1_000_000
"""How many related pairs of mentions a document may have."""

_COUNTED = {
    "nearest": "relations between concepts, read of their nearest mentions",
    "sentence": "relations between concepts, read of all their mentions in one sentence",
    "all": "relations between concepts, read of all their mentions",
}


def linked_concepts(
    document: Document,
    homes: Sequence[int],
    concept_relations: str,
    changes: Counter[str],
    on_error: ErrorHandler | None,
) -> list[Link]:
    """The relations between mentions that the document's relations between concepts stand for.

    # Parameters

    document : `Document`
        With mentions in one piece.
    homes : `Sequence[int]`
        The sentence of each mention; -1 for one that is left out.
    concept_relations : `str`
        One of `CONCEPT_RELATIONS`.
    changes : `Counter[str]`
        Counts what was changed or left out, by what it was.
    on_error : `ErrorHandler`, optional
        Takes the error of a relation, which is left out.

    # Raises

    `CorpusFormatError`
        If the relations stand for more than `MAX_PAIRS` pairs of mentions.
    """
    if not document.concept_links:
        return []
    carriers = _Carriers(document.mentions, homes)
    links: list[Link] = []
    # Only the lines differ between relations that are given twice.
    for concept_link in {(c.type, c.head, c.tail): c for c in document.concept_links}.values():
        pairs: list[tuple[int, int]] = []
        with handled(on_error):
            pairs = _pairs(document, carriers, concept_link, concept_relations, len(links), changes)
        links += [Link(concept_link.line, concept_link.type, *pair) for pair in pairs]
    repeated = len(document.concept_links) - len({c[1:] for c in document.concept_links})
    if repeated:
        changes["relations between concepts given more than once, kept once"] += repeated
    return links


def _pairs(
    document: Document,
    carriers: _Carriers,
    concept_link: ConceptLink,
    concept_relations: str,
    known: int,
    changes: Counter[str],
) -> list[tuple[int, int]]:
    heads, tails = carriers.of(concept_link.head), carriers.of(concept_link.tail)
    if not heads or not tails:
        changes["relations of a concept that no mention names, left out"] += 1
        return []
    if concept_relations == "nearest":
        pairs = carriers.nearest(heads, tails)
    else:
        pairs = []
        for pair in carriers.all(heads, tails, concept_relations == "sentence"):
            if known + len(pairs) == MAX_PAIRS:
                raise CorpusFormatError(
                    document.path,
                    concept_link.line,
                    f"the relations between concepts of {quote(document.id, 40)} stand for more "
                    f"than {MAX_PAIRS} pairs of mentions; expected fewer: choose "
                    "concept_relations: nearest",
                )
            pairs.append(pair)
    if pairs:
        changes[_COUNTED[concept_relations]] += 1
    elif concept_relations == "sentence":
        changes[UNSHARED] += 1
    else:
        changes["relations of a concept to itself that one mention names, left out"] += 1
    return pairs


class _Carriers:
    """Which mentions name which concept."""

    def __init__(self, mentions: Sequence[Mention], homes: Sequence[int]) -> None:
        self._mentions = mentions
        self._homes = homes
        self._by_id: dict[str, list[int]] = defaultdict(list)
        self._by_part: dict[str, list[int]] = defaultdict(list)
        kept = [index for index, home in enumerate(homes) if home >= 0]
        for index in sorted(kept, key=lambda index: mentions[index].begin):
            for concept in set(mentions[index].concepts):
                self._by_id[concept].append(index)
                for part in set(re.split(r"[,|;]", concept)) - {concept, ""}:
                    self._by_part[part].append(index)

    def of(self, concept: str) -> list[int]:
        """The mentions of a concept, in the text's order.

        A mention of several concepts ("D003711|D009410") names each of them where no other
        mention does.
        """
        return self._by_id.get(concept) or self._by_part.get(concept) or []

    def all(
        self, heads: Iterable[int], tails: Sequence[int], in_sentence: bool
    ) -> Iterator[tuple[int, int]]:
        of_home = self._by_home(tails)
        for head in heads:
            for tail in of_home.get(self._homes[head], ()) if in_sentence else tails:
                if head != tail:
                    yield head, tail

    def nearest(self, heads: Sequence[int], tails: Sequence[int]) -> list[tuple[int, int]]:
        """The pair with the fewest characters between, in one sentence if there is one."""
        of_home = self._by_home(tails)
        inside = [
            pair
            for head in heads
            for pair in self._neighbours(head, of_home.get(self._homes[head], []))
        ]
        pairs = inside or [p for head in heads for p in self._neighbours(head, tails)]
        return [min(pairs, key=self._distance)] if pairs else []

    def _by_home(self, mentions: Iterable[int]) -> dict[int, list[int]]:
        of_home: dict[int, list[int]] = defaultdict(list)
        for index in mentions:
            of_home[self._homes[index]].append(index)
        return of_home

    def _neighbours(self, head: int, tails: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The head with the tails that begin next to it, before and after."""
        begin = self._mentions[head].begin
        place = bisect_left(tails, begin, key=lambda index: self._mentions[index].begin)
        # One more, because the head itself may be among them.
        for tail in tails[max(place - 2, 0) : place + 2]:
            if tail != head:
                yield head, tail

    def _distance(self, pair: tuple[int, int]) -> tuple[int, int, int]:
        head, tail = (self._mentions[index] for index in pair)
        between = max(head.begin, tail.begin) - min(head.end, tail.end)
        return between, min(head.begin, tail.begin), head.begin
