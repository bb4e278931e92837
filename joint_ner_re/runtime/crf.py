"""Decoding and span probabilities of a linear-chain CRF; `modules/crf.py` in numpy.

All functions take padded batches whose real tokens come first, with at least one token each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy
from numpy import ndarray

# Lower bound for scores, relative to the best score of their token, as in `modules/crf.py`.
MIN_SCORE = -200.0


class Crf(NamedTuple):
    """The transitions of one level of tags; impossible ones are -inf. All in single precision.

    # Parameters

    transitions : `ndarray`
        Shape: (tags before, tags after).
    start, end : `ndarray`
        Shape of each: (tags,).
    joins : `ndarray`
        True where a tag continues the entity of the tag before it. Shape: (tags before, tags
        after).
    """

    transitions: ndarray
    start: ndarray
    end: ndarray
    joins: ndarray

    def viterbi(self, scores: ndarray, lengths: ndarray) -> ndarray:
        """The most probable tags.

        # Parameters

        scores : `ndarray`
            Shape: (batch, length, tags).
        lengths : `ndarray`
            The tokens of each sentence, 1 or more. Shape: (batch,).

        # Returns

        `ndarray`
            Shape: (batch, length), 0 at padding.
        """
        count, length, tags = scores.shape
        rows = numpy.arange(count)
        # Shape: (tags after, tags before)
        entering = numpy.ascontiguousarray(self.transitions.T)
        best = numpy.empty((length, count, tags), numpy.float32)
        pointers = numpy.empty((length, count, tags), numpy.intp)
        best[0] = self.start + scores[:, 0]
        for place in range(1, length):
            paths = best[place - 1][:, None, :] + entering
            pointers[place] = paths.argmax(axis=2)
            numpy.add(paths.max(axis=2), scores[:, place], out=best[place])
        found = numpy.zeros((count, length), numpy.intp)
        tag = (best[lengths - 1, rows] + self.end).argmax(axis=1)
        for place in range(length - 1, -1, -1):
            inside = place < lengths
            found[inside, place] = tag[inside]
            if place:
                tag = numpy.where(inside, pointers[place, rows, tag], tag)
        return found

    def span_probabilities(
        self,
        scores: ndarray,
        lengths: ndarray,
        tags: ndarray,
        rows: ndarray,
        starts: ndarray,
        ends: ndarray,
    ) -> ndarray:
        """The probability that an entity of exactly this span and type is in the sentence.

        # Parameters

        scores : `ndarray`
            Shape: (batch, length, tags).
        lengths : `ndarray`
            Shape: (batch,).
        tags : `ndarray`
            The tags that hold the entities. Shape: (batch, length).
        rows, starts, ends : `ndarray`
            The sentence of each entity, its first token, and the token after its last. Shape of
            each: (entities,).

        # Returns

        `ndarray`
            Shape: (entities,), in [0, 1].
        """
        if not len(rows):
            return numpy.zeros(0, numpy.float32)
        with numpy.errstate(divide="ignore"):
            sums = _Sums.of(scores.astype(numpy.float64), lengths, self)
            path = self._path_scores(scores, tags)
            lasts = ends - 1
            before = sums.up_to(rows, starts, tags[rows, starts])
            inside = path[rows, lasts] - path[rows, starts]
            # Under BIO a tag that continues the entity may follow, but not after the entity's end.
            leaving = numpy.where(self.joins, -numpy.inf, self.transitions)
            after = sums.onwards_from(rows, lasts, tags[rows, lasts], leaving, self.end, lengths)
            total = sums.total(self.end, lengths)[rows]
        return numpy.minimum(numpy.exp(before + inside + after - total), 1.0)

    def _path_scores(self, scores: ndarray, tags: ndarray) -> ndarray:
        """The score of the path through `tags` up to each token. Shape: (batch, length).

        Values at padding have no meaning.
        """
        added = numpy.take_along_axis(scores, tags[..., None], axis=2)[..., 0]
        added[:, 0] += self.start[tags[:, 0]]
        added[:, 1:] += self.transitions[tags[:, :-1], tags[:, 1:]]
        # Double precision: the sum over padding may be infinite, and must not spoil what precedes.
        return added.astype(numpy.float64).cumsum(axis=1)


class _Sums(NamedTuple):
    """Sums over paths (the forward-backward algorithm), in double precision.

    Each token's sums are divided by their total, whose logarithm is kept (Rabiner 1989, section
    V.A). Values at padding have no meaning.

    # Parameters

    until : `ndarray`
        Over all paths that end in this tag here. Shape: (batch, length, tags).
    until_scale : `ndarray`
        Log of what `until` was divided by. Shape: (batch, length).
    since, since_scale : `ndarray`
        The same over all paths that start with this tag here, including its own score.
    """

    until: ndarray
    until_scale: ndarray
    since: ndarray
    since_scale: ndarray

    @classmethod
    def of(cls, scores: ndarray, lengths: ndarray, crf: Crf) -> _Sums:
        """The sums of these scores."""
        count, length, tags = scores.shape
        peaks = scores.max(axis=2)
        weights = numpy.exp(numpy.maximum(scores - peaks[..., None], MIN_SCORE))
        # The second direction reads each sentence from its end.
        places = numpy.arange(length)
        order = numpy.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
        rows = numpy.arange(count)[:, None]
        # Shape: (length, 2, batch, tags)
        both = numpy.stack([weights, weights[rows, order]]).transpose(2, 0, 1, 3).copy()
        scales = numpy.empty((length, 2, count))
        matrices = numpy.exp(
            numpy.stack([crf.transitions, crf.transitions.T]).astype(numpy.float64)
        )
        coming = numpy.exp(numpy.stack([crf.start, crf.end]).astype(numpy.float64))[:, None]
        for place in range(length):
            state = both[place]
            state *= coming
            scale = state.sum(axis=2)
            state /= scale[..., None]
            scales[place] = scale
            coming = state @ matrices
        logs = numpy.log(scales).transpose(1, 2, 0)
        until_scale = (logs[0] + peaks).cumsum(axis=1)
        since_scale = (logs[1] + peaks[rows, order]).cumsum(axis=1)
        states = both.transpose(1, 2, 0, 3)
        return cls(states[0], until_scale, states[1][rows, order], since_scale[rows, order])

    def up_to(self, rows: ndarray, places: ndarray, tags: ndarray) -> ndarray:
        """Log sums over all paths to these tags at these places. Shape: (entities,)."""
        return numpy.log(self.until[rows, places, tags]) + self.until_scale[rows, places]

    def onwards_from(
        self,
        rows: ndarray,
        places: ndarray,
        tags: ndarray,
        transitions: ndarray,
        end: ndarray,
        lengths: ndarray,
    ) -> ndarray:
        """Log sums over all ways to continue after these tags. Shape: (entities,)."""
        nexts = numpy.minimum(places + 1, self.since.shape[1] - 1)
        leaving = numpy.exp(transitions.astype(numpy.float64))[tags]
        sums = (self.since[rows, nexts] * leaving).sum(axis=1)
        logs = numpy.log(sums) + self.since_scale[rows, nexts]
        return numpy.where(places + 1 >= lengths[rows], end.astype(numpy.float64)[tags], logs)

    def total(self, end: ndarray, lengths: ndarray) -> ndarray:
        """Log sum over all paths. Shape: (batch,)."""
        rows = numpy.arange(len(lengths))
        ended = self.until[rows, lengths - 1] @ numpy.exp(end.astype(numpy.float64))
        tiny = numpy.finfo(numpy.float64).tiny
        return numpy.log(numpy.maximum(ended, tiny)) + self.until_scale[rows, lengths - 1]
