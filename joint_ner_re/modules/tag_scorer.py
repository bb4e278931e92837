"""Scores the tags of every token."""

import torch
from allennlp.common.from_params import FromParams
from allennlp.nn import Activation
from torch import Tensor, nn

from joint_ner_re.modules.bounds import check_probability, check_size

# With nine tags, the initial probability of outside is 98 %.
_INITIAL_OUTSIDE_BIAS = 6.0


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
        """Initialise the bias so that nearly every token is outside (tag 0).

        Otherwise the many outside tokens dominate the loss at first (Lin et al. 2017, "Focal Loss
        for Dense Object Detection", section 3.3).
        """
        with torch.no_grad():
            self.output.bias[0] = _INITIAL_OUTSIDE_BIAS
