"""Converts annotated documents, as annotation tools export them, to sentences.

A tokenizer splits the documents into sentences and tokens, and the character offsets of the
annotations are converted to tokens. The ids of the sentences have their offsets in the document,
and joining their texts gives the document again.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple, Protocol

from joint_ner_re.corpora.annotations import Document, Link, Mention
from joint_ner_re.corpora.changes import CROSSING, JOINED, WIDENED
from joint_ner_re.corpora.changes import log_changes as log_changes
from joint_ner_re.corpora.concepts import CONCEPT_RELATIONS, linked_concepts
from joint_ner_re.corpora.errors import (
    CorpusFormatError,
    ErrorHandler,
    handled,
)
from joint_ner_re.corpora.mentions import DISCONTINUOUS, in_one_piece
from joint_ner_re.corpora.text import Span, check_length, in_batches, words
from joint_ner_re.corpora.units import Unit, check_unit, in_units
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence

_BATCH = 64
_SENTENCE_ID = re.compile(r"(.+):([0-9]{1,12})-([0-9]{1,12})", re.DOTALL)


class DocumentTokenizer(Protocol):
    """The interface of a tokenizer that splits sentences; `TextTokenizer` has it."""

    def split(self, texts: Iterable[str]) -> Iterable[Sequence[Sequence[Span]]]:
        """The sentences of each text, as the `(begin, end)` offsets of their tokens."""


class _SentenceSpan(NamedTuple):
    """A sentence of a document: tokens `start` to `end`, characters `begin` to `stop`."""

    start: int
    end: int
    begin: int
    stop: int


def sentence_id(document: str, begin: int, end: int) -> str:
    """The id of a sentence of a document: `report:120-245` for these characters of `report`."""
    return f"{document}:{begin}-{end}"


def line_name(sentence: Sentence) -> str:
    """The name of a document without an id, by its line: `line 12`, which no plain number is."""
    line = (sentence.source or "").rpartition(":")[2]
    return f"line {line}" if line.isdigit() else ""


def parse_sentence_id(sentence: Sentence) -> tuple[str, int]:
    """The document of a sentence, and the position where the sentence begins in it.

    A sentence without an id of the form `sentence_id`, or whose text has another length than its
    id says, is a document of its own.
    """
    match = _SENTENCE_ID.fullmatch(sentence.id)
    if match and sentence.text is not None:
        begin, end = int(match.group(2)), int(match.group(3))
        if end - begin == len(sentence.text):
            return match.group(1), begin
    return sentence.id, 0


def parsed(
    items: Iterable[Any],
    parse: Callable[..., Document | None],
    on_error: ErrorHandler | None,
) -> Iterator[Document]:
    """The results of `parse(*item)`, without those that are `None` or an error.

    # Raises

    `CorpusFormatError`
        If `parse` raises one and there is no `on_error`.
    """
    for item in items:
        document = None
        with handled(on_error):
            parsed_item = parse(*item)
            if parsed_item is not None:
                check_length(parsed_item.path, parsed_item.line, parsed_item.text)
            document = parsed_item
        if document is not None:
            yield document


def sentences_of(
    documents: Iterable[Document],
    tokenizer: DocumentTokenizer | None,
    unit: Unit,
    changes: Counter[str],
    on_error: ErrorHandler | None = None,
    discontinuous: str = "drop",
    concept_relations: str = "nearest",
) -> Iterator[Sentence]:
    """The sentences of each document, or its larger units, in order.

    # Parameters

    documents : `Iterable[Document]`
        The documents, which are consumed in batches.
    tokenizer : `DocumentTokenizer`, optional
        `None` means `TextTokenizer()`, as in the reader `joint_ner_re`.
    unit : `str` or `int`
        `"sentence"`; `"document"`, which gives each document as one sentence; or how many
        neighbouring sentences of a document are given as one.
    changes : `Counter[str]`
        Counts what was changed or left out, by a description of the change.
    on_error : `ErrorHandler`, optional
        Called with the error of an annotation, which is left out.
    discontinuous : `str`, optional (default = `"drop"`)
        What becomes of mentions in pieces, one of `mentions.DISCONTINUOUS`.
    concept_relations : `str`, optional (default = `"nearest"`)
        Which mentions of related concepts are related, one of `concepts.CONCEPT_RELATIONS`.

    # Raises

    `ValueError`
        If an option has no such value.
    `CorpusFormatError`
        If an annotation does not fit its text, without `on_error`.
    """
    for name, value, known in (
        ("discontinuous", discontinuous, DISCONTINUOUS),
        ("concept_relations", concept_relations, CONCEPT_RELATIONS),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")
    check_unit(unit)
    if tokenizer is None:
        # Imported late, because spaCy takes a second.
        from joint_ner_re.tokenization import TextTokenizer

        tokenizer = TextTokenizer()
    for batch in in_batches(documents, lambda document: document.text, _BATCH):
        splits = list(tokenizer.split([document.text for document in batch]))
        if len(splits) != len(batch):
            raise ValueError(f"the tokenizer gave {len(splits)} lists for {len(batch)} texts")
        for document, parts in zip(batch, splits):
            document = in_one_piece(document, discontinuous, changes, on_error)
            units = in_units(_broken(document, parts), unit)
            yield from _sentences(document, units, unit, concept_relations, changes, on_error)


def _broken(document: Document, split: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """The sentences that the tokenizer found, divided where the file says that one begins."""
    if not document.breaks:
        return [list(part) for part in split]
    breaks = sorted(document.breaks)
    broken: list[list[Span]] = []
    last = 0
    for number, part in enumerate(split):
        for index, token in enumerate(part):
            begins = index == 0 and (number == 0 or not document.sentences_given)
            for begin, end in _cut(token, breaks):
                passed = bisect_right(breaks, begin)
                if begins or passed > last or not broken:
                    broken.append([])
                broken[-1].append((begin, end))
                begins, last = False, passed
    return broken


def _cut(token: Span, breaks: Sequence[int]) -> Iterator[Span]:
    """The token, in pieces where a sentence begins inside of it."""
    begin, end = token
    for place in breaks[bisect_right(breaks, begin) : bisect_left(breaks, end)]:
        yield begin, place
        begin = place
    yield begin, end


def _sentences(
    document: Document,
    split: Sequence[Sequence[Span]],
    unit: Unit,
    concept_relations: str,
    changes: Counter[str],
    on_error: ErrorHandler | None,
) -> Iterator[Sentence]:
    offsets = [token for sentence in split for token in sentence]
    begins, ends = [begin for begin, _ in offsets], [end for _, end in offsets]
    spans: list[Span | None] = []
    for mention in document.mentions:
        span = None
        with handled(on_error):
            span = _tokens(document, mention, begins, ends, changes)
        spans.append(span)
    if not offsets:
        changes["documents without a word, left out"] += 1
        lost = len(document.links) + len(document.concept_links)
        if lost:
            changes["relations of documents without a word, left out"] += lost
        return
    sentences = _sentence_spans(document.text, begins, split, spans, changes)
    firsts = [sentence.start for sentence in sentences]
    homes = [-1 if span is None else bisect_right(firsts, span[0]) - 1 for span in spans]
    links_of: list[list[Link]] = [[] for _ in sentences]
    links = linked_concepts(document, homes, concept_relations, changes, on_error)
    for link in chain(document.links, links):
        head, tail = homes[link.head], homes[link.tail]
        if min(head, tail) < 0:
            changes["relations of mentions that were left out"] += 1
        elif head == tail:
            links_of[head].append(link)
        else:
            changes[CROSSING] += 1
    mentions_of: list[dict[int, Span]] = [{} for _ in sentences]
    for index, (home, span) in enumerate(zip(homes, spans)):
        if span is not None:
            mentions_of[home][index] = span
    for sentence, mentions, links in zip(sentences, mentions_of, links_of):
        places = range(sentence.start, sentence.end)
        begin, stop = sentence.begin, sentence.stop
        entities, place_of = _entities(document, sentence, mentions, changes)
        relations = _relations(document, links, place_of, changes, on_error)
        yield Sentence(
            words(document.text, [offsets[place] for place in places]),
            entities,
            relations,
            document.id if unit == "document" else sentence_id(document.id, begin, stop),
            document.text[begin:stop],
            [(begins[place] - begin, ends[place] - begin) for place in places],
            f"{os.fspath(document.path)}:{_first_line(document, mentions)}",
        )


def _first_line(document: Document, mentions: Iterable[int]) -> int:
    return min((document.mentions[index].line for index in mentions), default=document.line)


def _tokens(
    document: Document,
    mention: Mention,
    begins: Sequence[int],
    ends: Sequence[int],
    changes: Counter[str],
) -> Span:
    """The tokens of a mention."""
    text, begin, end = document.text, mention.begin, mention.end
    if not 0 <= begin < end <= len(text):
        raise CorpusFormatError(
            document.path,
            mention.line,
            f"a mention of type {quote(mention.type, 40)} has the offsets {begin} to {end}; "
            f"expected 0 <= begin < end <= {len(text)}, the length of the text",
        )
    surface = text[begin:end]
    # Tokens have no white space, so without it the mention may be whole tokens.
    begin += len(surface) - len(surface.lstrip())
    end -= len(surface) - len(surface.rstrip())
    if end - begin != len(surface):
        changes["mentions with white space at an edge, which was left out"] += 1
    start, stop = bisect_right(ends, begin), bisect_left(begins, end)
    if start >= stop:
        raise CorpusFormatError(
            document.path,
            mention.line,
            f"the mention {quote(surface)} at {mention.begin} to {mention.end} contains no word; "
            "remove it or widen it",
        )
    if (begins[start], ends[stop - 1]) != (begin, end):
        changes[WIDENED] += 1
    return (start, stop)


def _sentence_spans(
    text: str,
    begins: Sequence[int],
    split: Sequence[Sequence[Span]],
    spans: Iterable[Span | None],
    changes: Counter[str],
) -> list[_SentenceSpan]:
    """The sentences of a document. Sentences that share a mention are joined."""
    firsts = [0, *accumulate(len(sentence) for sentence in split)]
    firsts.pop()
    inside = {
        place
        for span in spans
        if span is not None
        for place in firsts[bisect_right(firsts, span[0]) : bisect_left(firsts, span[1])]
    }
    if inside:
        changes[JOINED] += len(inside)
        firsts = [first for first in firsts if first not in inside]
    borders = [0, *(begins[first] for first in firsts[1:]), len(text)]
    return [
        _SentenceSpan(start, end, begin, stop)
        for start, end, begin, stop in zip(firsts, [*firsts[1:], len(begins)], borders, borders[1:])
    ]


def _entities(
    document: Document, sentence: _SentenceSpan, mentions: dict[int, Span], changes: Counter[str]
) -> tuple[list[Entity], dict[int, int]]:
    """The entities of a sentence, and the index of each mention's entity."""
    entities: list[Entity] = []
    places: dict[tuple[str, int, int], int] = {}
    place_of: dict[int, int] = {}
    for index, (start, end) in mentions.items():
        mention = document.mentions[index]
        base = sentence.start
        entity = Entity(mention.type, start - base, end - base, mention.score)
        place_of[index] = places.setdefault(entity.key, len(entities))
        if place_of[index] == len(entities):
            entities.append(entity)
        else:
            changes["mentions with the type and the tokens of another one, kept once"] += 1
    return entities, place_of


def _relations(
    document: Document,
    links: Iterable[Link],
    place_of: dict[int, int],
    changes: Counter[str],
    on_error: ErrorHandler | None,
) -> list[Relation]:
    relations: dict[tuple[str, int, int], Relation] = {}
    for link in links:
        key = (link.type, place_of[link.head], place_of[link.tail])
        if link.head == link.tail:
            with handled(on_error):
                raise CorpusFormatError(
                    document.path,
                    link.line,
                    f"a relation {quote(link.type, 40)} links a mention to itself; expected two "
                    "different ones",
                )
        elif key[1] == key[2]:
            changes["relations between two mentions that became one, left out"] += 1
        elif key in relations:
            changes["relations given more than once, kept once"] += 1
        else:
            relations[key] = Relation(*key, link.score)
    return list(relations.values())
