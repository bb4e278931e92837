"""The protocol of whatever finds entities: subclass `EntityFinder` to exchange it."""

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

    A subclass has to implement `score`, `loss`, `find` and `probabilities`.

    The model passes two constructor arguments, which no configuration holds. A subclass names
    those that it needs:

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
        """Computes what the other methods need of the states, so that it is done once a batch.

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

        The losses leave them and their relations out; metrics count them as missed. Default: all
        can be found. `gold.levels` tells entities that overlap apart (`tag_codec.tag_levels`).
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
            A scalar. It has to be finite, and differentiable, for sentences without entities, too.
        """
        raise NotImplementedError

    def find(self, scores: Any, mask: Tensor) -> EntitySpans:
        """The entities, in any order and each once. They may overlap.

        # Parameters

        scores : `Any`
            What `score` returned.
        mask : `Tensor`
            Shape: (batch, length).
        """
        raise NotImplementedError

    def probabilities(self, scores: Any, mask: Tensor, spans: EntitySpans) -> Tensor:
        """How probable each entity is, in [0, 1]. Shape: (batch, entities).

        # Parameters

        scores : `Any`
            What `score` returned.
        mask : `Tensor`
            Shape: (batch, length).
        spans : `EntitySpans`
            What `find` returned, in another order; any number will do where their mask is false.
        """
        raise NotImplementedError

    def labels(self, spans: EntitySpans) -> Tensor:
        """Which embedding the relation scorer looks up for each entity. Shape: (batch, entities).

        Numbers from 0 to `num_labels - 1`, also where `spans.mask` is false. Default: the entity
        types. (The paper: the tag of the entity's last token.)
        """
        return spans.types
