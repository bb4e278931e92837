"""Converts entities to tags and tags to entities.

This module alone knows the rules of the two tag schemes. `TagCodec.joins` decides whether a tag
continues the entity of the tag before it. Encoding, decoding, the CRF's transition constraints and
its span probabilities all use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from joint_ner_re.sentence import Entity

OUTSIDE = "O"
SCHEMES = {"BIO": "BI", "BIOUL": "BIUL"}


class TagCodec:
    """The tags of a set of entity types.

    Tag 0 is `"O"`. The tag of `types[t]` with `prefixes[p]` has the number
    `1 + t * len(prefixes) + p`.

    # Parameters

    types : `Sequence[str]`
        The entity types, in the order in which their tags are numbered.
    scheme : `str`, optional (default = `"BIOUL"`)
        `"BIO"` (begin, inside, outside) or `"BIOUL"` (and a unit's only and last token).

    # Raises

    `ValueError`
        If the scheme is unknown or a type occurs twice.
    """

    def __init__(self, types: Sequence[str], scheme: str = "BIOUL") -> None:
        if scheme not in SCHEMES:
            raise ValueError(f"unknown tag scheme {scheme!r}; expected one of {', '.join(SCHEMES)}")
        if len(set(types)) != len(types):
            raise ValueError(f"an entity type occurs twice: {', '.join(types)}")
        self.types = tuple(types)
        self.scheme = scheme
        self.prefixes = SCHEMES[scheme]
        self.tags: list[str] = [OUTSIDE]
        self.tags += [f"{prefix}-{name}" for name in self.types for prefix in self.prefixes]

    def __len__(self) -> int:
        return len(self.tags)

    def encode(self, entities: Iterable[Entity], length: int) -> list[str]:
        """The tags of a sentence of `length` tokens with these entities.

        # Raises

        `ValueError`
            If two entities overlap (see `tag_levels`), or a type is not among `types`.
        """
        tags = [OUTSIDE] * length
        for entity in entities:
            if entity.type not in self.types:
                raise ValueError(f"unknown type {entity.type!r}; known: {', '.join(self.types)}")
            span = range(entity.start, entity.end)
            if any(tags[position] != OUTSIDE for position in span):
                raise ValueError(f"{entity} overlaps another entity; tags hold no overlaps")
            for position in span:
                prefix = self.prefix(position == entity.start, position == entity.end - 1)
                tags[position] = f"{prefix}-{entity.type}"
        return tags

    def prefix(self, first: bool, last: bool) -> str:
        """The prefix of a token, given whether it is the first and the last of its entity."""
        if self.scheme == "BIOUL" and last:
            return "U" if first else "L"
        return "B" if first else "I"

    def decode(self, tags: Sequence[str]) -> list[Entity]:
        """The entities of a sequence of tags, sorted by position.

        The sequence may be ill-formed: a tag that does not continue the entity before it starts a
        new entity, as in the CoNLL evaluation script.
        """
        entities: list[Entity] = []
        start = 0
        for position, tag in enumerate(tags):
            if position == 0 or not self.joins(tags[position - 1], tag):
                start = position
            ends = position + 1 == len(tags) or not self.joins(tag, tags[position + 1])
            if tag != OUTSIDE and ends:
                entities.append(Entity(split_tag(tag)[1], start, position + 1))
        return entities

    def joins(self, before: str, tag: str) -> bool:
        """Whether `tag` continues the entity of the tag `before` it."""
        (first, before_type), (second, tag_type) = split_tag(before), split_tag(tag)
        return first in "BI" and second in "IL" and before_type == tag_type

    def may_follow(self, before: str, tag: str) -> bool:
        """Whether a well-formed sequence may have `tag` directly after `before`."""
        return self.joins(before, tag) if self._needs_before(tag) else self.may_end(before)

    def may_start(self, tag: str) -> bool:
        """Whether a well-formed sequence may start with `tag`."""
        return not self._needs_before(tag)

    def may_end(self, tag: str) -> bool:
        """Whether a well-formed sequence may end with `tag`."""
        return self.scheme == "BIO" or split_tag(tag)[0] not in "BI"

    def _needs_before(self, tag: str) -> bool:
        return split_tag(tag)[0] in "IL"


def split_tag(tag: str) -> tuple[str, str]:
    """`("B", "Drug")` for `"B-Drug"`, `("O", "")` for `"O"`."""
    prefix, _, name = tag.partition("-")
    return prefix, name


def tag_levels(entities: Sequence[Entity]) -> list[int]:
    """The level of each entity, from 0. Entities of one level do not overlap, so one sequence of
    tags can hold them.

    Entities are placed in this order: longer ones first, then by start, by type, and by position
    in the list. Each gets the lowest level where it overlaps no other entity. SpERT and others use
    other orders; see docs/evaluation.md.
    """
    by_length = sorted(
        range(len(entities)),
        key=lambda i: (entities[i].start - entities[i].end, entities[i].start, entities[i].type, i),
    )
    levels = [-1] * len(entities)
    for index in by_length:
        taken = {
            level
            for entity, level in zip(entities, levels)
            if level >= 0 and entity.overlaps(entities[index])
        }
        levels[index] = next(level for level in count() if level not in taken)
    return levels


def flatten(entities: Sequence[Entity]) -> list[int]:
    """The indices of the entities of level 0 (see `tag_levels`), sorted by their start."""
    levels = tag_levels(entities)
    return sorted(
        (index for index, level in enumerate(levels) if level == 0),
        key=lambda index: entities[index].start,
    )
