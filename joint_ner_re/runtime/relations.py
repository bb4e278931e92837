"""Pairs of entities, the tokens between them, and which of their relations are predicted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy
from numpy import ndarray

from joint_ner_re.runtime.tags import Spans

logger = logging.getLogger(__name__)

# Numbers in memory at once for the pairs of a block.
MAX_NUMBERS = 4_000_000
# Tokens between two entities, as in `modules/pair_layer.py`.
DISTANCES = (0, 1, 2, 3, 4, 7, 15, 31)


def pair_blocks(spans: Spans, numbers_per_pair: int) -> Iterator[tuple[ndarray, ndarray]]:
    """The ordered pairs of two different entities of a sentence, in blocks.

    # Parameters

    spans : `Spans`
        Sorted by sentence.
    numbers_per_pair : `int`
        How many numbers are in memory for a pair; it determines the size of a block.

    # Returns

    `Iterator[tuple[ndarray, ndarray]]`
        Heads and tails of each block, as indices into `spans`, sorted by head, then by tail.
    """
    total = len(spans.rows)
    if not total:
        return
    # The first entity of each entity's sentence, and the one after the last.
    first = numpy.searchsorted(spans.rows, spans.rows, "left")
    last = numpy.searchsorted(spans.rows, spans.rows, "right")
    done = numpy.concatenate([[0], (last - first).cumsum()])
    most = max(1, MAX_NUMBERS // numbers_per_pair)
    begin = 0
    while begin < total:
        end = max(begin + 1, int(numpy.searchsorted(done, done[begin] + most, "right")) - 1)
        counts = (last - first)[begin:end]
        heads = numpy.repeat(numpy.arange(begin, end), counts)
        within = numpy.arange(len(heads)) - numpy.repeat(counts.cumsum() - counts, counts)
        tails = first[heads] + within
        different = heads != tails
        yield heads[different], tails[different]
        begin = end


def gaps(spans: Spans, heads: ndarray, tails: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """The tokens between the entities of each pair, and the row of their number and direction.

    # Returns

    `tuple[ndarray, ndarray, ndarray]`
        The first token between the two and the token after the last (not before the first where
        there is none), and the row in the pair layer's table. Shape of each: (pairs,).
    """
    begins = numpy.minimum(spans.ends[heads], spans.ends[tails])
    stops = numpy.maximum(spans.starts[heads], spans.starts[tails])
    after = (spans.starts[heads] > spans.starts[tails]).astype(numpy.int64)
    buckets = numpy.searchsorted(DISTANCES, numpy.maximum(stops - begins, 0))
    return begins, stops, 2 * buckets + after


def maximum_tables(values: ndarray) -> list[ndarray]:
    """Table k holds at t the maximum over the 2**k positions from t on.

    Shape of `values`: (batch, length, size). There are about log2(length) tables.
    """
    tables = [values]
    width = 1
    while 2 * width <= values.shape[1]:
        last = tables[-1]
        tables.append(numpy.maximum(last[:, :-width], last[:, width:]))
        width *= 2
    return tables


def range_maxima(
    tables: Sequence[ndarray], rows: ndarray, begins: ndarray, stops: ndarray
) -> ndarray:
    """The maxima over the positions from `begins` to `stops`, exclusive; 0 over none.

    # Parameters

    tables : `Sequence[ndarray]`
        What `maximum_tables` returned.
    rows, begins, stops : `ndarray`
        The sentence and the range of each pair. Shape of each: (pairs,).

    # Returns

    `ndarray`
        Shape: (pairs, size).
    """
    result = numpy.zeros((len(rows), tables[0].shape[2]), numpy.float32)
    lengths = stops - begins
    for power, table in enumerate(tables):
        width = 1 << power
        here = numpy.nonzero((lengths >= width) & (lengths < 2 * width))[0]
        if len(here):
            # Two ranges of 2**k positions cover any range of up to 2**(k + 1).
            result[here] = numpy.maximum(
                table[rows[here], begins[here]], table[rows[here], stops[here] - width]
            )
    return result


def sigmoid(logits: ndarray) -> ndarray:
    """The probabilities of these logits, without overflow."""
    small = numpy.exp(-numpy.abs(logits))
    return numpy.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(numpy.float32)


class Signatures:
    """Which relation types are possible between which entity types.

    # Parameters

    possible : `Sequence[tuple[int, int, int]]`
        The numbers of the relation type and of the entity types of head and tail.
    num_types : `int`
        The number of entity types.
    """

    def __init__(self, possible: Sequence[tuple[int, int, int]], num_types: int) -> None:
        self._num_types = num_types
        # A list, not a table: the table of a stranger's many types would fill the memory.
        self._codes = self._code(*numpy.array(possible, numpy.int64).reshape(-1, 3).T)

    def fit(self, relations: ndarray, heads: ndarray, tails: ndarray) -> ndarray:
        """Whether each is possible, by its type and the types of its entities.

        Shape of each: (relations,).
        """
        return numpy.isin(self._code(relations, heads, tails), self._codes)

    def _code(self, relations: ndarray, heads: ndarray, tails: ndarray) -> ndarray:
        """A different number for each signature."""
        return (relations * self._num_types + heads) * self._num_types + tails


class Chosen:
    """Collects the relations whose probability reaches the threshold, at most so many a sentence.

    # Parameters

    thresholds : `Sequence[float]`
        The least probability of each relation type.
    most : `int`
        How many relations of a sentence are kept, the most probable ones. A warning counts the
        others.
    signatures : `Signatures`, optional (default = `None`)
        What is possible; the other relations are left out, whatever their threshold.
    entity_probabilities : `ndarray`, optional (default = `None`)
        With these, a relation's probability is multiplied by those of its entities. Shape:
        (entities,).
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        most: int,
        signatures: Signatures | None = None,
        entity_probabilities: ndarray | None = None,
    ) -> None:
        self._thresholds = numpy.array(thresholds, numpy.float32)
        self._most = most
        self._signatures = signatures
        self._entity_probabilities = entity_probabilities
        self._found: list[tuple[ndarray, ...]] = []
        self._dropped = 0

    def add(self, spans: Spans, heads: ndarray, tails: ndarray, logits: ndarray) -> None:
        """Take the relations of a block of pairs of entities.

        # Parameters

        spans : `Spans`
            The entities.
        heads, tails : `ndarray`
            Indices into `spans`. Shape of each: (pairs,).
        logits : `ndarray`
            Shape: (pairs, relation types).
        """
        probabilities = sigmoid(logits)
        if self._entity_probabilities is not None:
            both = self._entity_probabilities[heads] * self._entity_probabilities[tails]
            probabilities = probabilities * both[:, None].astype(numpy.float32)
        pairs, types = numpy.nonzero(probabilities >= self._thresholds)
        if self._signatures is not None:
            ends = spans.types[heads[pairs]], spans.types[tails[pairs]]
            possible = self._signatures.fit(types, *ends)
            pairs, types = pairs[possible], types[possible]
        heads, tails = heads[pairs], tails[pairs]
        self._found.append((spans.rows[heads], heads, tails, types, probabilities[pairs, types]))
        if sum(len(block[0]) for block in self._found) > self._most:
            self._found = [self._most_probable(self._together())]

    def relations(self) -> tuple[ndarray, ...]:
        """Sentence, head, tail, type and probability of each, sorted by sentence and head."""
        if self._dropped:
            logger.warning(
                "the %d least probable relations were left out: a sentence may have %d "
                "(most_relations). Was the model trained?",
                self._dropped,
                self._most,
            )
        return self._together()

    def _together(self) -> tuple[ndarray, ...]:
        if not self._found:
            none = numpy.zeros(0, numpy.intp)
            return none, none, none, none, numpy.zeros(0, numpy.float32)
        return tuple(numpy.concatenate(parts) for parts in zip(*self._found))

    def _most_probable(self, found: tuple[ndarray, ...]) -> tuple[ndarray, ...]:
        rows, scores = found[0], found[4]
        kept = numpy.ones(len(rows), bool)
        counts = numpy.bincount(rows)
        for row in numpy.nonzero(counts > self._most)[0]:
            places = numpy.nonzero(rows == row)[0]
            order = numpy.argsort(-scores[places], kind="stable")
            kept[places[order[self._most :]]] = False
        self._dropped += int((~kept).sum())
        return tuple(values[kept] for values in found)
