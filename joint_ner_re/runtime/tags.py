"""Tags to entities and back for a batch; `modules/span_tagger.py` in numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy
from numpy import ndarray

from joint_ner_re.tag_codec import TagCodec


class Spans(NamedTuple):
    """The entities of a batch in a flat list. Shape of each: (entities,).

    # Parameters

    rows : `ndarray`
        The sentence of each.
    starts, ends : `ndarray`
        The first token, and the token after the last.
    types : `ndarray`
        The number of the type.
    levels : `ndarray`
        The level of tags on which it was found.
    """

    rows: ndarray
    starts: ndarray
    ends: ndarray
    types: ndarray
    levels: ndarray

    def chosen(self, which: ndarray) -> Spans:
        """Some of the entities, by a mask or by their indices."""
        return Spans(*(values[which] for values in self))

    def ordered(self) -> Spans:
        """Sorted by sentence, then by start, longer ones first, then by level."""
        return self.chosen(numpy.lexsort((self.levels, -self.ends, self.starts, self.rows)))


class Tables:
    """The rules of a `TagCodec` as arrays.

    # Parameters

    codec : `TagCodec`
    """

    def __init__(self, codec: TagCodec) -> None:
        tags = codec.tags
        self.prefixes = len(codec.prefixes)
        self.joins = numpy.array(
            [[codec.joins(before, tag) for tag in tags] for before in tags], bool
        )
        self.no_transition = numpy.array(
            [[not codec.may_follow(before, tag) for tag in tags] for before in tags], bool
        )
        self.no_start = numpy.array([not codec.may_start(tag) for tag in tags], bool)
        self.no_end = numpy.array([not codec.may_end(tag) for tag in tags], bool)
        # By whether the token is the entity's first and whether it is its last.
        self.prefix_numbers = numpy.array(
            [
                [codec.prefixes.index(codec.prefix(first, last)) for last in (False, True)]
                for first in (False, True)
            ]
        )

    def decode(self, tags: ndarray, level: int) -> Spans:
        """The entities of `tags`, of shape (batch, length), which are 0 at padding."""
        carried = numpy.zeros(tags.shape, bool)
        carried[:, 1:] = self.joins[tags[:, :-1], tags[:, 1:]]
        carries_on = numpy.zeros(tags.shape, bool)
        carries_on[:, :-1] = carried[:, 1:]
        # Both list the same entities in the same order, row by row.
        rows, starts = numpy.nonzero((tags > 0) & ~carried)
        ends = numpy.nonzero((tags > 0) & ~carries_on)[1] + 1
        types = (tags[rows, starts] - 1) // self.prefixes
        return Spans(rows, starts, ends, types, numpy.full(len(rows), level))

    def encode(self, spans: Spans, shape: tuple[int, int]) -> ndarray:
        """The tags of entities that do not overlap. Shape: (batch, length), which is `shape`."""
        tags = numpy.zeros(shape, numpy.intp)
        for row, start, end, kind, _ in zip(*(values.tolist() for values in spans)):
            for place in range(start, end):
                prefix = self.prefix_numbers[int(place == start), int(place == end - 1)]
                tags[row, place] = 1 + kind * self.prefixes + prefix
        return tags

    def last_tags(self, spans: Spans) -> ndarray:
        """The tag of each entity's last token. Shape: (entities,)."""
        one_token = (spans.ends - spans.starts == 1).astype(numpy.intp)
        return 1 + spans.types * self.prefixes + self.prefix_numbers[one_token, 1]
