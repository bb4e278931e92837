"""The base class of relation scorers: subclass `RelationScorer` to use your own."""

from collections.abc import Iterator
from typing import Any

from allennlp.common import Registrable
from torch import Tensor, nn

from joint_ner_re.modules.entity_spans import EntitySpans


class RelationScorer(nn.Module, Registrable):
    """Scores every relation type for every ordered pair of entities.

    Register a subclass and choose it with `"relation_scorer": {"type": NAME}`; docs/vary.md has a
    complete example. A subclass must implement `represent`, which is called once per batch, and
    `score`, which is called for all pairs at once (for the loss) or for one block of heads after
    the other (at prediction, to bound memory).

    For the loss the entities are the gold ones and, with the model's option `spurious_entities`,
    wrong ones; at prediction they are the found ones. The model ignores the logits of padding and
    of an entity with itself.

    The model passes three constructor arguments, which do not belong in a configuration. A subclass
    accepts those that it needs:

    - `input_size : int`, the size of a token's state;
    - `num_labels : int`, see `EntityFinder.labels`;
    - `num_relations : int`, the number of relation types, which can be 0.

    # Parameters

    num_relations : `int`
        Number of relation types.
    """

    default_implementation = "crone"

    def __init__(self, num_relations: int) -> None:
        super().__init__()
        self.num_relations = num_relations

    def represent(self, states: Tensor, labels: Tensor, spans: EntitySpans) -> Any:
        """Computes once per batch what `score` needs.

        # Parameters

        states : `Tensor`
            Shape: (batch, length, input_size).
        labels : `Tensor`
            From 0 to `num_labels - 1`. Shape: (batch, entities).
        spans : `EntitySpans`
            The entities; `spans.mask` is false at padding.
        """
        raise NotImplementedError

    def score(self, represented: Any, heads: slice) -> Tensor:
        """The logits of these heads with all tails.

        # Parameters

        represented : `Any`
            What `represent` returned.
        heads : `slice`
            The entities that are heads.

        # Returns

        `Tensor`
            Shape: (batch, heads, entities, num_relations).
        """
        raise NotImplementedError

    @property
    def numbers_per_pair(self) -> int:
        """How many numbers `score` holds at once for one pair. It determines the size of a block.

        Default: one per relation type. Override it if `score` makes a larger tensor.
        """
        return self.num_relations

    def forward(self, states: Tensor, labels: Tensor, spans: EntitySpans) -> Tensor:
        """The logits of all pairs; the parameters are those of `represent`.

        # Returns

        `Tensor`
            Logits of (head, tail, type). Shape: (batch, entities, entities, num_relations).
        """
        return self.score(self.represent(states, labels, spans), slice(None))

    def by_head(
        self, states: Tensor, labels: Tensor, spans: EntitySpans, max_numbers: int
    ) -> Iterator[tuple[slice, Tensor]]:
        """What `forward` returns, in blocks of heads, to bound memory.

        # Parameters

        states, labels, spans
            As for `represent`.
        max_numbers : `int`
            How many numbers a block may hold. A block has at least one head.

        # Returns

        `Iterator[tuple[slice, Tensor]]`
            The heads of a block and their logits. Shape: (batch, heads, entities, num_relations).
        """
        represented = self.represent(states, labels, spans)
        batch, count = spans.mask.shape
        step = max(1, max_numbers // max(1, batch * count * self.numbers_per_pair))
        for start in range(0, count, step):
            heads = slice(start, start + step)
            yield heads, self.score(represented, heads)
