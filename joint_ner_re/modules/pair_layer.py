"""A hidden layer over pairs of entities that also reads the tokens between them."""

import torch
from allennlp.common.from_params import FromParams
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.modules.bounds import check_probability, check_size
from joint_ner_re.modules.entity_spans import EntitySpans

# Tokens between two entities: 0 (or an overlap), 1, 2, 3, 4, 5-7, 8-15, 16-31, 32 and more.
_DISTANCES = (0, 1, 2, 3, 4, 7, 15, 31)


class PairLayer(nn.Module, FromParams):
    """Adds to the scores of an ordered pair (i, j) those of a hidden layer,

        U relu(A g_i + B g_j + max_t P h_t + d_ij)

    where t runs over the tokens between the two (Eberts and Ulges 2019 pool the same way) and d is
    an embedding of their number and of the direction. Not in the paper.

    # Parameters

    input_size : `int`
        Size of a token's state h; inferred in a model.
    entity_size : `int`
        Size of an entity's g; inferred in a model.
    num_relations : `int`
        Inferred in a model.
    hidden_size : `int`, optional (default = `128`)
        Width of the hidden layer.
    dropout : `float`, optional (default = `0.5`)
        On the tokens' states and on the hidden layer, in training.

    # Raises

    `ConfigurationError`
        If a size or probability is impossible.
    """

    def __init__(
        self,
        input_size: int,
        entity_size: int,
        num_relations: int,
        hidden_size: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_size("hidden_size", hidden_size)
        check_probability("dropout", dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(entity_size, hidden_size)
        self.tail = nn.Linear(entity_size, hidden_size, bias=False)
        self.between = nn.Linear(input_size, hidden_size, bias=False)
        self.distance = nn.Embedding(2 * (len(_DISTANCES) + 1), hidden_size)
        self.output = nn.Linear(hidden_size, num_relations, bias=False)

    def forward(
        self, tables: list[Tensor], entities: Tensor, spans: EntitySpans, heads: slice
    ) -> Tensor:
        """The additional logits of these heads with all tails.

        # Parameters

        tables : `list[Tensor]`
            What `prepare` returned.
        entities : `Tensor`
            g. Shape: (batch, entities, entity_size).
        spans : `EntitySpans`
        heads : `slice`

        # Returns

        `Tensor`
            Shape: (batch, heads, entities, num_relations).
        """
        starts, ends = spans.starts, spans.ends
        # Shape of each: (batch, heads, entities)
        begins = torch.minimum(ends[:, heads].unsqueeze(2), ends.unsqueeze(1))
        stops = torch.maximum(starts[:, heads].unsqueeze(2), starts.unsqueeze(1))
        order = (starts[:, heads].unsqueeze(2) > starts.unsqueeze(1)).long()
        limits = torch.tensor(_DISTANCES, device=starts.device)
        buckets = torch.bucketize((stops - begins).clamp(min=0), limits)
        # Shape: (batch, heads, entities, hidden_size)
        hidden = (
            self.head(entities[:, heads]).unsqueeze(2)
            + self.tail(entities).unsqueeze(1)
            + self.distance(2 * buckets + order)
            + range_maximum(tables, begins, stops)
        )
        return self.output(self.dropout(hidden.relu()))

    def prepare(self, states: Tensor) -> list[Tensor]:
        """What `forward` needs from the states, of shape (batch, length, input_size)."""
        return maximum_tables(self.between(self.dropout(states)))


def maximum_tables(values: Tensor) -> list[Tensor]:
    """Tables of maxima: table k holds at t the maximum of `values` over the 2**k positions from t.

    `values` has the shape (batch, length, size). There are about log2(length) tables.
    """
    tables = [values]
    width = 1
    while 2 * width <= values.size(1):
        last = tables[-1]
        tables.append(torch.maximum(last[:, :-width], last[:, width:]))
        width *= 2
    return tables


def range_maximum(tables: list[Tensor], begins: Tensor, ends: Tensor) -> Tensor:
    """The maxima over positions from `begins` to `ends`, exclusive; 0 over empty ranges.

    # Parameters

    tables : `list[Tensor]`
        What `maximum_tables` returned for values of shape (batch, length, size).
    begins, ends : `Tensor`
        Shape of each: (batch, heads, tails).

    # Returns

    `Tensor`
        Shape: (batch, heads, tails, size).
    """
    lengths = ends - begins
    result = tables[0].new_zeros(*begins.shape, tables[0].size(2))
    rows = torch.arange(len(begins), device=begins.device).view(-1, 1, 1).expand_as(begins)
    for power, table in enumerate(tables):
        width = 1 << power
        here = (lengths >= width) & (lengths < 2 * width)
        values, row = table.flatten(0, 1), rows[here] * table.size(1)
        # Two ranges of 2**k positions cover any range of up to 2**(k + 1). We avoid `values[row]`,
        # because several threads add up its gradient in random order.
        result[here] = torch.maximum(
            F.embedding(row + begins[here], values), F.embedding(row + ends[here] - width, values)
        )
    return result
