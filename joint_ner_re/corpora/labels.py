"""Renames, merges and leaves out types while a corpus is read, and gives undirected relations one
order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from joint_ner_re.sentence import Entity, Relation, Sentence

Labels = Mapping[str, str | None]
"""New types of entities and relations by their old ones; `None` leaves a type out."""


def check_labels(labels: Labels) -> None:
    """Check such a map.

    # Raises

    `ValueError`
        If it is no map of names to names or `None`.
    """
    if not isinstance(labels, Mapping):
        raise ValueError(f"labels is {labels!r}; expected new types by their old ones")
    for old, new in labels.items():
        if not isinstance(old, str) or not (new is None or (isinstance(new, str) and new.strip())):
            raise ValueError(
                f"labels has {old!r}: {new!r}; expected the name of a type, or null to leave the "
                "type out"
            )


def relabelled(
    sentences: Iterable[Sentence],
    labels: Labels,
    symmetric: Iterable[str],
    changes: Counter[str],
) -> Iterator[Sentence]:
    """The sentences with other types.

    Entities that have the same span and type afterwards are merged. So are relations, if they link
    the same entities with the same type.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences.
    labels : `Mapping[str, str | None]`
        The types to change, of entities and relations.
    symmetric : `Iterable[str]`
        The new names of relation types without a direction: their heads stand before their tails.
    changes : `Counter[str]`
        Counts what was left out and merged, when all sentences have been read. It also counts
        types of `labels` and `symmetric` that no sentence has: they may be misspelt.

    # Raises

    `ValueError`
        If `labels` is no such map.
    """
    check_labels(labels)
    undirected = frozenset(symmetric)
    unseen = {f"the type {name!r} in labels" for name in labels}
    unseen |= {f"the type {name!r} in symmetric" for name in undirected}
    for sentence in sentences:
        unseen -= {f"the type {item.type!r} in labels" for item in _annotations(sentence)}
        sentence = _relabelled(sentence, labels, changes)
        unseen -= {f"the type {r.type!r} in symmetric" for r in sentence.relations}
        ordered = sentence.in_one_order(undirected)
        fewer = len(sentence.relations) - len(ordered.relations)
        if fewer:
            changes["relations of symmetric types given in both orders, kept once"] += fewer
        yield ordered
    for what in unseen:
        changes[f"{what}, which does not occur: is it misspelt?"] += 1


def _annotations(sentence: Sentence) -> Iterator[Entity | Relation]:
    yield from sentence.entities
    yield from sentence.relations


def _relabelled(sentence: Sentence, labels: Labels, changes: Counter[str]) -> Sentence:
    if all(item.type not in labels for item in _annotations(sentence)):
        return sentence
    entities: list[Entity] = []
    places: list[int | None] = []
    place_of: dict[tuple[str, int, int], int] = {}
    for entity in sentence.entities:
        name = labels.get(entity.type, entity.type)
        if name is None:
            changes[f"entities of the type {entity.type}, left out by labels"] += 1
            places.append(None)
            continue
        renamed = replace(entity, type=name)
        place = place_of.setdefault(renamed.key, len(entities))
        if place == len(entities):
            entities.append(renamed)
        else:
            changes["entities that became another one by labels, kept once"] += 1
        places.append(place)
    relations: dict[tuple[str, int, int], Relation] = {}
    for relation in sentence.relations:
        name = labels.get(relation.type, relation.type)
        head, tail = places[relation.head], places[relation.tail]
        if name is None:
            changes[f"relations of the type {relation.type}, left out by labels"] += 1
        elif head is None or tail is None:
            changes["relations of entities that labels leave out, left out"] += 1
        elif head == tail:
            changes["relations between two entities that labels made one, left out"] += 1
        elif (name, head, tail) in relations:
            changes["relations that became another one by labels, kept once"] += 1
        else:
            relations[name, head, tail] = Relation(name, head, tail, relation.score)
    return replace(sentence, entities=entities, relations=list(relations.values()))
