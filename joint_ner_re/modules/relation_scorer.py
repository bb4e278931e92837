"""The protocol of whatever scores relations: subclass `RelationScorer` to exchange it."""

from collections.abc import Iterator
from typing import Any

from allennlp.common import Registrable
from torch import Tensor, nn

from joint_ner_re.modules.entity_spans import EntitySpans


class RelationScorer(nn.Module, Registrable):
    """Scores every relation type for every ordered pair of entities.

    Register a subclass and choose it with `"relation_scorer": {"type": NAME}`; docs/vary.md has a
    complete example. A subclass has to implement `represent`, which is called once a batch, and
    `score`, which is called for all pairs at once (the loss) or for one block of heads after the
    other (prediction, in bounded memory).

    The entities are the gold ones in a loss, together with wrong ones under the model's option
    `spurious_entities`, and the found ones at prediction. The model ignores the logits of padding
    and of an entity with itself.

    The model passes three constructor arguments, which no configuration holds. A subclass names
    those that it needs:

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
        """Computes what `score` needs, so that it is done once a batch.

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
            Which of the entities are heads.

        # Returns

        `Tensor`
            Shape: (batch, heads, entities, num_relations).
        """
        raise NotImplementedError

    @property
    def numbers_per_pair(self) -> int:
        """How many numbers `score` holds at once for one pair; this bounds the size of a block.

        Default: one for each relation type. Override it where `score` makes a larger tensor.
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
        """What `forward` returns, in blocks of heads, so that memory is bounded.

        # Parameters

        states, labels, spans
            As for `represent`.
        max_numbers : `int`
            How many numbers a block may hold. It has at least one head.

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
