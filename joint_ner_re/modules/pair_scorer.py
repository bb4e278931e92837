"""The paper's relation scorer: DistMult, a cosine and hidden features of both entities."""

from typing import NamedTuple

import torch
from allennlp.common import Lazy
from allennlp.nn import Activation
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.modules.bounds import check_probability, check_size
from joint_ner_re.modules.entity_spans import EntitySpans
from joint_ner_re.modules.pair_layer import PairLayer
from joint_ner_re.modules.relation_scorer import RelationScorer


@RelationScorer.register("crone")
class PairScorer(RelationScorer):
    """Scores every relation type for every ordered pair of entities (Crone 2020).

    An entity `g` is its last token's state, concatenated with the embedding of its label (the tag
    of that token). With `f = activation(W1 g)`, the scores of the pair (i, j) are

        W2 [ f_i ; f_j ; cos(f_i, f_j) ; distmult_1 .. distmult_R ] + b,
        distmult_k = g_i · diag(m_k) · g_j    (Yang et al. 2014, with m_k learned)

    W2 is applied block by block, so that no tensor of pairs times features is needed: its first two
    blocks act on entities, and its last block is merged into the m_k.

    # Parameters

    input_size : `int`
        Size of a token's state; inferred in a model.
    num_labels : `int`
        Number of entity labels; inferred in a model.
    num_relations : `int`
        Number of relation types; inferred in a model.
    hidden_size : `int`, optional (default = `128`)
        Size of `f`.
    activation : `Activation`, optional (default = `relu`)
        By AllenNLP's name for it.
    tag_embedding_size : `int`, optional (default = `25`)
        Size of a label's embedding; 0 leaves it out.
    dropout : `float`, optional (default = `0.5`)
        On `g`, in training.
    pair_layer : `Lazy[PairLayer]`, optional (default = `None`)
        Adds scores that depend on the tokens between two entities. Not in the paper.

    # Raises

    `ConfigurationError`
        If a size or probability is impossible.
    """

    def __init__(
        self,
        input_size: int,
        num_labels: int,
        num_relations: int,
        hidden_size: int = 128,
        activation: Activation = None,
        tag_embedding_size: int = 25,
        dropout: float = 0.5,
        pair_layer: Lazy[PairLayer] | None = None,
    ) -> None:
        super().__init__(num_relations)
        check_size("hidden_size", hidden_size)
        check_size("tag_embedding_size", tag_embedding_size, 0)
        check_probability("dropout", dropout)
        size = input_size + tag_embedding_size
        self.tag_embedding = (
            nn.Embedding(num_labels, tag_embedding_size) if tag_embedding_size else None
        )
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(size, hidden_size)
        self.activation = activation or Activation.by_name("relu")()
        # Row k is the diagonal m_k.
        self.distmult = nn.Parameter(torch.empty(num_relations, size))
        nn.init.normal_(self.distmult)
        self.output = nn.Linear(2 * hidden_size + 1 + num_relations, num_relations)
        self.pair_layer: PairLayer | None = None
        if pair_layer is not None:
            self.pair_layer = pair_layer.construct(
                input_size=input_size, entity_size=size, num_relations=num_relations
            )

    @property
    def numbers_per_pair(self) -> int:
        """The wider of the logits and the pair layer's hidden units."""
        if self.pair_layer is None:
            return self.num_relations
        return max(self.num_relations, self.pair_layer.output.in_features)

    def represent(self, states: Tensor, labels: Tensor, spans: EntitySpans) -> "_Represented":
        """`g` and `f` of each entity, and what the pair layer needs from the tokens."""
        places = spans.lasts.unsqueeze(2).expand(-1, -1, states.size(2))
        entities = states.gather(1, places)
        if self.tag_embedding is not None:
            entities = torch.cat([entities, self.tag_embedding(labels)], dim=2)
        entities = self.dropout(entities)
        hidden = self.activation(self.hidden(entities))
        between = self.pair_layer.prepare(states) if self.pair_layer is not None else []
        return _Represented(spans, entities, hidden, between)

    def score(self, represented: "_Represented", heads: slice) -> Tensor:
        """The logits of these heads with all tails."""
        spans, entities, hidden, between = represented
        width, relations = hidden.size(2), self.num_relations
        as_head, as_tail, cosine_weight, mixture = self.output.weight.split(
            [width, width, 1, relations], dim=1
        )
        direction = F.normalize(hidden, dim=2)
        # Shape: (batch, heads, entities)
        cosine = direction[:, heads] @ direction.transpose(1, 2)
        # Distmult is linear in m, so W2's last block can mix the m_k instead of the products.
        # Shape: (num_relations, size)
        diagonals = mixture @ self.distmult
        # Shape: (batch, heads, num_relations, size)
        scaled = entities[:, heads].unsqueeze(2) * diagonals
        # Shape: (batch, heads, num_relations, entities)
        products = (scaled.flatten(1, 2) @ entities.transpose(1, 2)).unflatten(
            1, (cosine.size(1), relations)
        )
        scores = (
            products.transpose(2, 3)
            + cosine.unsqueeze(3) * cosine_weight.squeeze(1)
            + F.linear(hidden[:, heads], as_head, self.output.bias).unsqueeze(2)
            + F.linear(hidden, as_tail).unsqueeze(1)
        )
        if self.pair_layer is not None:
            scores = scores + self.pair_layer(between, entities, spans, heads)
        return scores


class _Represented(NamedTuple):
    """What all blocks of heads need, computed once per batch.

    `entities` and `hidden` are `g` and `f`, of shapes (batch, entities, size) and (batch,
    entities, hidden_size); `between` is what the pair layer needs from the tokens.
    """

    spans: EntitySpans
    entities: Tensor
    hidden: Tensor
    between: list[Tensor]
