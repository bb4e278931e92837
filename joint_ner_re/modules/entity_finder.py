"""The base class of entity finders: subclass `EntityFinder` to use your own."""

from typing import Any

from allennlp.common import Registrable
from torch import Tensor, nn

from joint_ner_re.modules.entity_spans import EntitySpans


class EntityFinder(nn.Module, Registrable):
    """Finds a sentence's entities from the states of its tokens.

    Register a subclass and choose it with `"entity_finder": {"type": NAME}`; docs/vary.md has a
    complete example. For each batch the model calls

    - `score` once;
    - with gold annotations: `findable`, then `loss` and `labels` with what it returned;
    - at prediction: `find`, then `probabilities` and `labels` with what it returned;
    - in training, for the model's option `spurious_entities`: `find` and `labels`.

    A subclass must implement `score`, `loss`, `find` and `probabilities`.

    The model passes two constructor arguments, which do not belong in a configuration. A subclass
    accepts those that it needs:

    - `input_size : int`, the size of a token's state;
    - `entity_types : list[str]`, the entity types by name. `EntitySpans.types` has their indices.

    # Parameters

    num_labels : `int`
        The labels are 0 to `num_labels - 1`.
    """

    default_implementation = "crf"

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        self.num_labels = num_labels

    def score(self, states: Tensor, mask: Tensor) -> Any:
        """Computes once per batch what the other methods need from the states.

        # Parameters

        states : `Tensor`
            Shape: (batch, length, input_size).
        mask : `Tensor`
            True at real tokens, which come first. Shape: (batch, length).

        # Returns

        `Any`
            Passed on as `scores`. In training with `spurious_entities`, `find` gets the same
            scores under `torch.no_grad()`.
        """
        raise NotImplementedError

    def findable(self, gold: EntitySpans) -> EntitySpans:
        """Masks the gold entities that this finder can never find.

        The losses ignore them and their relations; metrics count them as missed. By default all can
        be found. Entities on one of the `gold.levels` do not overlap (`tag_codec.tag_levels`).
        """
        return gold

    def loss(self, scores: Any, mask: Tensor, gold: EntitySpans) -> Tensor:
        """The loss, summed over the sentences of the batch; the model averages over sentences.

        # Parameters

        scores : `Any`
            What `score` returned.
        mask : `Tensor`
            Shape: (batch, length).
        gold : `EntitySpans`
            What `findable` returned. Look only at entities where `gold.mask` is true.

        # Returns

        `Tensor`
            A scalar. It must be finite and differentiable even without entities.
        """
        raise NotImplementedError

    def find(self, scores: Any, mask: Tensor) -> EntitySpans:
        """The entities, in any order, without duplicates. They may overlap.

        # Parameters

        scores : `Any`
            What `score` returned.
        mask : `Tensor`
            Shape: (batch, length).
        """
        raise NotImplementedError

    def probabilities(self, scores: Any, mask: Tensor, spans: EntitySpans) -> Tensor:
        """The probability of each entity, in [0, 1]. Shape: (batch, entities).

        # Parameters

        scores : `Any`
            What `score` returned.
        mask : `Tensor`
            Shape: (batch, length).
        spans : `EntitySpans`
            What `find` returned, in another order. Where the mask is false, any result is fine.
        """
        raise NotImplementedError

    def labels(self, spans: EntitySpans) -> Tensor:
        """The label of each entity, which the relation scorer can embed. Shape: (batch, entities).

        Labels are numbers from 0 to `num_labels - 1`, also where `spans.mask` is false. By default
        they are the entity types; the paper uses the tag of the entity's last token.
        """
        return spans.types
