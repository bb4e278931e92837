"""What stands above the encoders: a scorer of tags, and a scorer of entity pairs."""

from typing import Iterator, List, NamedTuple, Optional, Tuple

import torch
from allennlp.common import Lazy
from allennlp.common.from_params import FromParams
from allennlp.nn import Activation
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.modules.bounds import check_probability, check_size
from joint_ner_re.modules.entity_spans import EntitySpans
from joint_ner_re.modules.pair_layer import PairLayer

# With nine tags 98 of 100 tokens are outside.
_OUTSIDE_AT_FIRST = 6.0


class TagScorer(nn.Module, FromParams):
    """`W2 · activation(W1 · h + b1) + b2` for every token (Crone 2020).

    # Parameters

    input_size : `int`
        Size of a token's state; inferred in a model.
    num_tags : `int`
        Inferred in a model.
    hidden_size : `int`, optional (default = `32`)
        Width of the hidden layer; 0 leaves it out.
    activation : `Activation`, optional (default = `tanh`)
        By AllenNLP's name for it.
    dropout : `float`, optional (default = `0.0`)
        Before the first matrix, in training.

    # Raises

    `ConfigurationError`
        If a size or probability is impossible.
    """

    def __init__(
        self,
        input_size: int,
        num_tags: int,
        hidden_size: int = 32,
        activation: Activation = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_size("hidden_size", hidden_size, 0)
        check_probability("dropout", dropout)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(input_size, hidden_size) if hidden_size else None
        self.activation = activation or Activation.by_name("tanh")()
        self.output = nn.Linear(hidden_size or input_size, num_tags)

    def forward(self, states: Tensor) -> Tensor:
        """From shape (batch, length, input_size) to shape (batch, length, num_tags)."""
        states = self.dropout(states)
        if self.hidden is not None:
            states = self.activation(self.hidden(states))
        return self.output(states)

    def expect_outside(self) -> None:
        """Begin with scores by which nearly every token is outside (tag 0).

        Where entities are rare, training would else begin with losses that have little to do with
        them (Lin et al. 2017, "Focal Loss for Dense Object Detection", section 3.3).
        """
        with torch.no_grad():
            self.output.bias[0] = _OUTSIDE_AT_FIRST


class RelationScorer(nn.Module, FromParams):
    """Scores every relation type for every ordered pair of entities (Crone 2020).

    An entity is its last token's state beside the embedding of that token's tag, `g`. With
    `f = activation(W1 g)`, the scores of the pair (i, j) are

        W2 [ f_i ; f_j ; cos(f_i, f_j) ; distmult_1 .. distmult_R ] + b,
        distmult_k = g_i · diag(m_k) · g_j    (Yang et al. 2014, with m_k learned)

    W2 is applied part by part, so that no tensor of pairs times features is ever made: its
    first two parts act on entities, and its last part is merged into the m_k.

    # Parameters

    input_size : `int`
        Size of a token's state; inferred in a model.
    num_tags : `int`
        Inferred in a model.
    num_relations : `int`
        Number of relation types; inferred in a model.
    hidden_size : `int`, optional (default = `128`)
        Size of `f`.
    activation : `Activation`, optional (default = `relu`)
        By AllenNLP's name for it.
    tag_embedding_size : `int`, optional (default = `25`)
        0 leaves the tag's embedding out.
    dropout : `float`, optional (default = `0.5`)
        On `g`, in training.
    pair_layer : `Lazy[PairLayer]`, optional (default = `None`)
        Adds scores of its own, which see what stands between two entities. Not in the paper.

    # Raises

    `ConfigurationError`
        If a size or probability is impossible.
    """

    def __init__(
        self,
        input_size: int,
        num_tags: int,
        num_relations: int,
        hidden_size: int = 128,
        activation: Activation = None,
        tag_embedding_size: int = 25,
        dropout: float = 0.5,
        pair_layer: Optional[Lazy[PairLayer]] = None,
    ) -> None:
        super().__init__()
        check_size("hidden_size", hidden_size)
        check_size("tag_embedding_size", tag_embedding_size, 0)
        check_probability("dropout", dropout)
        size = input_size + tag_embedding_size
        self.tag_embedding = (
            nn.Embedding(num_tags, tag_embedding_size) if tag_embedding_size else None
        )
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(size, hidden_size)
        self.activation = activation or Activation.by_name("relu")()
        # Row k is the diagonal m_k.
        self.distmult = nn.Parameter(torch.empty(num_relations, size))
        nn.init.normal_(self.distmult)
        self.output = nn.Linear(2 * hidden_size + 1 + num_relations, num_relations)
        self.pair_layer: Optional[PairLayer] = None
        if pair_layer is not None:
            self.pair_layer = pair_layer.construct(
                input_size=input_size, entity_size=size, num_relations=num_relations
            )

    def forward(self, states: Tensor, tags: Tensor, spans: EntitySpans) -> Tensor:
        """
        # Parameters

        states : `Tensor`
            Shape: (batch, length, input_size).
        tags : `Tensor`
            The tag of each entity's last token. Shape: (batch, entities).
        spans : `EntitySpans`
            The entities.

        # Returns

        `Tensor`
            Logits of (head, tail, type). Shape: (batch, entities, entities, num_relations).
        """
        return self._score(self._represent(states, tags, spans), spans, slice(None))

    def by_head(
        self, states: Tensor, tags: Tensor, spans: EntitySpans, most: int
    ) -> Iterator[Tuple[slice, Tensor]]:
        """What `forward` gives, in blocks of heads, so that memory is bounded.

        # Parameters

        states, tags, spans
            As in `forward`.
        most : `int`
            How many numbers may be held for a block; it has at least one head.

        # Returns

        `Iterator[Tuple[slice, Tensor]]`
            The heads of a block and their logits. Shape: (batch, heads, entities, num_relations).
        """
        represented = self._represent(states, tags, spans)
        batch, count = tags.shape
        width = self.distmult.size(0)
        if self.pair_layer is not None:
            width = max(width, self.pair_layer.output.in_features)
        step = max(1, most // max(1, batch * count * width))
        for start in range(0, count, step):
            heads = slice(start, start + step)
            yield heads, self._score(represented, spans, heads)

    def _represent(self, states: Tensor, tags: Tensor, spans: EntitySpans) -> "_Represented":
        places = spans.lasts.unsqueeze(2).expand(-1, -1, states.size(2))
        entities = states.gather(1, places)
        if self.tag_embedding is not None:
            entities = torch.cat([entities, self.tag_embedding(tags)], dim=2)
        entities = self.dropout(entities)
        hidden = self.activation(self.hidden(entities))
        between = self.pair_layer.prepare(states) if self.pair_layer is not None else []
        return _Represented(entities, hidden, between)

    def _score(self, represented: "_Represented", spans: EntitySpans, heads: slice) -> Tensor:
        """The logits of these heads with all tails."""
        entities, hidden, between = represented
        width = hidden.size(2)
        relations = self.distmult.size(0)
        as_head, as_tail, cosine_weight, mixture = self.output.weight.split(
            [width, width, 1, relations], dim=1
        )
        direction = F.normalize(hidden, dim=2)
        # Shape: (batch, heads, entities)
        cosine = direction[:, heads] @ direction.transpose(1, 2)
        # W2's part for distmult mixes products that are linear in m: mix the m_k instead.
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
    """What is made of a batch's entities once, however many blocks of heads there are.

    `g` and `f`, of shapes (batch, entities, size) and (batch, entities, hidden_size), and what
    the pair layer needs of the tokens.
    """

    entities: Tensor
    hidden: Tensor
    between: List[Tensor]
