"""Chooses which scored relations are predicted: thresholds, signatures, and a limit."""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor

from joint_ner_re.documents import Thresholds

logger = logging.getLogger(__name__)


def check_thresholds(thresholds: Thresholds, types: Sequence[str]) -> None:
    """Raises a `ConfigurationError` unless all are in [0, 1] and each type has one."""
    if not isinstance(thresholds, dict):
        check_share("relation_threshold", thresholds)
        return
    for problem, names in (
        ("lacks", [name for name in types if name not in thresholds]),
        ("has the unknown", [name for name in thresholds if name not in types]),
    ):
        if names:
            raise ConfigurationError(
                f"relation_threshold {problem} {', '.join(map(repr, names))}; expected one number, "
                f"or one for each of the relation types {', '.join(map(repr, types))}"
            )
    for name, value in thresholds.items():
        check_share(f"relation_threshold of {name!r}", value)


def threshold_list(thresholds: Thresholds, types: Sequence[str]) -> list[float]:
    """The threshold of each relation type."""
    if isinstance(thresholds, dict):
        return [thresholds[name] for name in types]
    return [thresholds] * len(types)


def check_share(name: str, value: float) -> None:
    """Raises a `ConfigurationError` unless `value` is in [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{name} is {value}; expected 0 to 1")


class Arguments(NamedTuple):
    """Which relation types are possible between which entities.

    # Parameters

    types : `Tensor`
        The type of each entity. Shape: (batch, entities).
    signatures : `Tensor`
        The relation type, and the entity types of head and tail, of what is possible. Shape:
        (signatures, 3).
    num_types : `int`
        The number of entity types.
    """

    types: Tensor
    signatures: Tensor
    num_types: int

    def fit(self, relations: Tensor) -> Tensor:
        """Whether each is possible, by the sentence, head, tail and type of each.

        A list of what is possible is searched, because a table of all relation types and pairs of
        entity types would be large where there are many.

        Shapes: (relations, 4), and (relations,).
        """
        rows, heads, tails, numbers = relations.unbind(dim=1)
        found = self._codes(numbers, self.types[rows, heads], self.types[rows, tails])
        return torch.isin(found, self._codes(*self.signatures.unbind(dim=1)))

    def _codes(self, relations: Tensor, heads: Tensor, tails: Tensor) -> Tensor:
        """A different number for each signature."""
        return (relations * self.num_types + heads) * self.num_types + tails


def chosen_relations(
    blocks: Iterable[tuple[slice, Tensor]],
    pairs: Tensor,
    thresholds: Tensor,
    max_relations: int,
    arguments: Arguments | None = None,
    entity_probabilities: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The relations whose probability is at least their threshold.

    # Parameters

    blocks : `Iterable[tuple[slice, Tensor]]`
        Heads and their logits, as `RelationScorer.by_head` yields them.
    pairs : `Tensor`
        True at pairs that may have relations. Shape: (batch, entities, entities).
    thresholds : `Tensor`
        Shape: (relation types,).
    max_relations : `int`
        How many relations of a sentence are kept, the most probable ones. A warning counts the
        others.
    arguments : `Arguments`, optional (default = `None`)
        What is possible; the other relations are left out, whatever their threshold.
    entity_probabilities : `Tensor`, optional (default = `None`)
        With these, a relation's probability is multiplied by those of its entities. Shape: (batch,
        entities).

    # Returns

    `tuple[Tensor, Tensor]`
        The sentence, head, tail and type of each relation, of shape (relations, 4), and its
        probability, of shape (relations,).
    """
    indices = [pairs.new_empty(0, 4, dtype=torch.long)]
    scores = [thresholds.new_empty(0)]
    dropped = 0
    for heads, logits in blocks:
        # Shape: (batch, heads, entities, relation types)
        probabilities = logits.sigmoid()
        if entity_probabilities is not None:
            # Shape: (batch, heads, entities)
            both = entity_probabilities[:, heads].unsqueeze(2) * entity_probabilities.unsqueeze(1)
            probabilities = probabilities * both.unsqueeze(3)
        chosen = (probabilities >= thresholds) & pairs[:, heads].unsqueeze(3)
        found = chosen.nonzero()
        probable = probabilities[found.unbind(dim=1)]
        found[:, 1] += heads.start
        if arguments is not None:
            possible = arguments.fit(found)
            found, probable = found[possible], probable[possible]
        scores.append(probable)
        indices.append(found)
        if sum(map(len, scores)) > max_relations:
            kept = _most_probable(torch.cat(indices), torch.cat(scores), max_relations)
            dropped += sum(map(len, scores)) - len(kept[1])
            indices, scores = [kept[0]], [kept[1]]
    if dropped:
        logger.warning(
            "the %d least probable relations were left out: a sentence may have %d "
            "(most_relations). Was the model trained?",
            dropped,
            max_relations,
        )
    return torch.cat(indices), torch.cat(scores)


def _most_probable(indices: Tensor, scores: Tensor, max_relations: int) -> tuple[Tensor, Tensor]:
    """Each sentence's relations with the highest scores, in the given order."""
    counts = torch.bincount(indices[:, 0])
    if int(counts.max()) <= max_relations:
        return indices, scores
    chosen = torch.ones_like(scores, dtype=torch.bool)
    for row in (counts > max_relations).nonzero().flatten():
        places = (indices[:, 0] == row).nonzero().flatten()
        order = scores[places].sort(descending=True, stable=True).indices
        chosen[places[order[max_relations:]]] = False
    return indices[chosen], scores[chosen]
