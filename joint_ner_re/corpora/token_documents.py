"""From documents whose file gives their tokens and their sentences to `Sentence` objects."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from joint_ner_re.corpora.changes import CROSSING, CUT
from joint_ner_re.corpora.errors import CorpusFormatError, PathLike, located
from joint_ner_re.corpora.units import Unit, check_unit, in_units
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Entity, Relation, Sentence


def sentence_starts(sentences: Sequence[Sequence[str]]) -> list[int]:
    """Where each sentence begins, counted in the tokens of the document; last, its length."""
    return list(accumulate((len(tokens) for tokens in sentences), initial=0))


def numbered_id(document: str, number: int) -> str:
    """The id of a document's sentence: `report:0` is the first one of `report`."""
    return f"{document}:{number}"


def divide(
    path: PathLike,
    line: int,
    name: str,
    sentences: Sequence[Sequence[str]],
    entities: Sequence[Entity],
    relations: Sequence[Relation],
    changes: Counter[str],
    unit: Unit = "sentence",
) -> list[Sentence]:
    """The sentences of a document, or its larger units, with the ids of `numbered_id`.

    An entity over the end of a sentence is left out, and so are relations of such an entity and
    relations between two sentences; `changes` counts them.

    # Parameters

    path : `str`
        The file.
    line : `int`
        The line where the document begins.
    name : `str`
        The document's id.
    sentences : `Sequence[Sequence[str]]`
        The tokens of each sentence.
    entities : `Sequence[Entity]`
        Spans of the document's tokens, each inside the document and not empty.
    relations : `Sequence[Relation]`
        Links between two members of `entities`.
    changes : `Counter[str]`
        Counts what was changed or left out, by what it was.
    unit : `str` or `int`, optional (default = `"sentence"`)
        `"sentence"`; `"document"`, which gives the document as one sentence with its id; or how
        many neighbouring sentences are given as one.

    # Raises

    `ValueError`
        If there is no such unit.
    `CorpusFormatError`
        If a relation links an entity to itself.
    """
    check_unit(unit)
    sentences = in_units(sentences, unit)
    starts = sentence_starts(sentences)
    kept: list[list[Entity]] = [[] for _ in sentences]
    place_of: list[dict[tuple[str, int, int], int]] = [{} for _ in sentences]
    # For each entity its sentence, and its place among the entities there.
    places: list[tuple[int, int] | None] = []
    for entity in entities:
        home = bisect_right(starts, entity.start) - 1
        if entity.end > starts[home + 1]:
            changes[CUT] += 1
            places.append(None)
            continue
        base = starts[home]
        moved = Entity(entity.type, entity.start - base, entity.end - base, entity.score)
        place = place_of[home].setdefault(moved.key, len(kept[home]))
        if place == len(kept[home]):
            kept[home].append(moved)
        else:
            changes["mentions with the type and the tokens of another one, kept once"] += 1
        places.append((home, place))
    links = _links(path, line, len(sentences), places, relations, changes)
    with located(path, line):
        return [
            Sentence(
                tokens,
                kept[number],
                links[number],
                name if unit == "document" else numbered_id(name, number),
                source=f"{path}:{line}",
            )
            for number, tokens in enumerate(sentences)
        ]


def _links(
    path: PathLike,
    line: int,
    count: int,
    places: Sequence[tuple[int, int] | None],
    relations: Sequence[Relation],
    changes: Counter[str],
) -> list[list[Relation]]:
    """The relations of each of `count` sentences."""
    links: list[dict[tuple[str, int, int], Relation]] = [{} for _ in range(count)]
    for relation in relations:
        head, tail = places[relation.head], places[relation.tail]
        if relation.head == relation.tail:
            raise CorpusFormatError(
                path,
                line,
                f"a relation {quote(relation.type, 40)} links a mention to itself; expected two "
                "different ones",
            )
        if head is None or tail is None:
            changes["relations of mentions that were left out, left out"] += 1
        elif head[0] != tail[0]:
            changes[CROSSING] += 1
        elif head == tail:
            changes["relations between two mentions that became one, left out"] += 1
        else:
            key = (relation.type, head[1], tail[1])
            if key in links[head[0]]:
                changes["relations given more than once, kept once"] += 1
            links[head[0]].setdefault(key, Relation(*key, relation.score))
    return [list(found.values()) for found in links]
