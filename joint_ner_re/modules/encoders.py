"""Recurrent layers: those that both tasks share, and those of each task."""

from threading import Lock
from typing import Any

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import FromParams
from allennlp.modules import InputVariationalDropout, Seq2SeqEncoder
from overrides import overrides
from torch import Tensor, nn

from joint_ner_re.modules.bi_gru import bi_gru
from joint_ner_re.modules.bi_lstm import ReadyBiLstm, bi_lstm, kernel_weights
from joint_ner_re.modules.bounds import (
    MAX_LAYERS,
    check_probability,
    check_size,
    check_weights,
)
from joint_ner_re.modules.change_detector import ChangeDetector
from joint_ner_re.modules.dropout import Dropout

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}
# Without gradients and for fewer sentences, PyTorch's GRU is faster than ours in 16 bits.
MIN_LOW_GRU_BATCH = 16
# Several threads may predict at once. The lock is held briefly, so one is enough for all layers.
_READY_LOCK = Lock()


class BiRnnLayer(nn.Module):
    """One bidirectional recurrent layer over padded batches.

    Each direction is a network of its own over dense batches; the backward one reads each sentence
    from its last real token. The result equals that of a packed bidirectional network. Dense
    batches are faster on CPUs: LSTMs run on PyTorch's fused kernel, which does not take packed
    batches, and GRUs train with `bi_gru` (benchmarks/ measures both). Under `torch.autocast`
    products are computed in its type, except by GRUs that predict for a few sentences.

    # Parameters

    input_size : `int`
    hidden_size : `int`
        Per direction.
    cell : `str`, optional (default = `"lstm"`)
        `"lstm"` or `"gru"`.
    """

    def __init__(self, input_size: int, hidden_size: int, cell: str = "lstm") -> None:
        super().__init__()
        if cell not in CELLS:
            raise ConfigurationError(f"unknown cell {cell!r}; expected {' or '.join(CELLS)}")
        if input_size < 1:
            raise ConfigurationError(f"input_size is {input_size}; expected 1 or more")
        check_size("hidden_size", hidden_size)
        check_weights(
            f"hidden_size is {hidden_size} and input_size {input_size}",
            weights_of(input_size, hidden_size, cell),
        )
        self.hidden_size = hidden_size
        self.forwards = CELLS[cell](input_size, hidden_size, batch_first=True)
        self.backwards = CELLS[cell](input_size, hidden_size, batch_first=True)
        self._changes = ChangeDetector(list(self.parameters()))
        # For prediction: made once for all batches.
        self._ready: ReadyBiLstm | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Weights in the kernel's arrangement can be neither copied nor pickled.
        return {**self.__dict__, "_ready": None}

    @overrides
    def train(self, mode: bool = True) -> "BiRnnLayer":
        if mode:
            self._changes.forget()
        return super().train(mode)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """
        # Parameters

        inputs : `Tensor`
            Shape: (batch, length, input_size).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens, which come first.

        # Returns

        `Tensor`
            Shape: (batch, length, 2 * hidden_size), 0 at padding.
        """
        if inputs.device.type != "cpu":
            return self._by_pytorch(inputs, mask)
        low = torch.is_autocast_cpu_enabled()
        if isinstance(self.forwards, nn.LSTM):
            return self._bi_lstm(inputs.to(torch.bfloat16) if low else inputs, mask)
        return self._bi_gru(inputs.float() if low else inputs, mask, low)

    def _bi_gru(self, inputs: Tensor, mask: Tensor, low: bool) -> Tensor:
        learns = torch.is_grad_enabled()
        if low and (learns or len(inputs) >= MIN_LOW_GRU_BATCH):
            return bi_gru(self.forwards, self.backwards, inputs, mask, torch.bfloat16)
        if learns:
            return bi_gru(self.forwards, self.backwards, inputs, mask, inputs.dtype)
        # Without gradients PyTorch's own GRU is faster.
        with torch.autocast("cpu", enabled=False):
            return self._by_pytorch(inputs, mask)

    def _by_pytorch(self, inputs: Tensor, mask: Tensor) -> Tensor:
        order = reversal(mask)
        ahead = self.forwards(inputs)[0]
        back = _reorder(self.backwards(_reorder(inputs, order))[0], order)
        return torch.cat([ahead, back], dim=2) * mask.unsqueeze(2)

    def _bi_lstm(self, inputs: Tensor, mask: Tensor) -> Tensor:
        dtype = inputs.dtype
        if self.training or torch.is_grad_enabled() or not ReadyBiLstm.is_possible(dtype):
            weights = [kernel_weights(n, dtype) for n in (self.forwards, self.backwards)]
            return bi_lstm(weights, inputs, mask, reversal(mask), self.training)
        with _READY_LOCK:
            if self._changes.changed() or self._ready is None or self._ready.dtype != dtype:
                self._ready = ReadyBiLstm(self.forwards, self.backwards, dtype)
            ready = self._ready
        return ready(inputs, mask)

    def last_states(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """The state of each direction after its last token.

        Shape: (batch, 2 * hidden_size)
        """
        states = self(inputs, mask)
        last = (mask.sum(dim=1) - 1).clamp(min=0)
        rows = torch.arange(len(states), device=states.device)
        return torch.cat(
            [states[rows, last, : self.hidden_size], states[:, 0, self.hidden_size :]], dim=1
        )


def weights_of(input_size: int, hidden_size: int, cell: str) -> int:
    """How many weights a `BiRnnLayer` has."""
    gates = 3 if cell == "gru" else 4
    return 2 * gates * hidden_size * (input_size + hidden_size + 2)


def reversal(mask: Tensor) -> Tensor:
    """The positions, with those of the real tokens reversed. It is its own inverse.

    Shape: (batch, length), as `mask`.
    """
    positions = torch.arange(mask.size(1), device=mask.device).expand(mask.shape)
    return torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - positions, positions)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    return states.gather(1, order.unsqueeze(2).expand_as(states))


@Seq2SeqEncoder.register("bi_rnn")
class BiRnnStack(Seq2SeqEncoder):
    """Any number of bidirectional recurrent layers, with dropout before each.

    With 0 layers it is the identity.

    # Parameters

    input_size : `int`
        Inferred in a `joint_ner_re` model, so do not give it there.
    num_layers : `int`
        0 or more.
    hidden_size : `int`, optional (default = `256`)
        Per direction.
    cell : `str`, optional (default = `"lstm"`)
        `"lstm"` or `"gru"`.
    dropout : `float`, optional (default = `0.0`)
        The probability of dropping an input of a layer in training.
    variational_dropout : `bool`, optional (default = `False`)
        Whether to drop the same inputs at all tokens of a sentence (Gal and Ghahramani 2016,
        arXiv 1512.05287).

    # Raises

    `ConfigurationError`
        If a depth, size or probability is impossible.
    """

    def __init__(
        self,
        input_size: int,
        num_layers: int,
        hidden_size: int = 256,
        cell: str = "lstm",
        dropout: float = 0.0,
        variational_dropout: bool = False,
    ) -> None:
        super().__init__()
        check_size("num_layers", num_layers, 0, MAX_LAYERS)
        check_size("hidden_size", hidden_size)
        check_probability("dropout", dropout)
        sizes = [input_size] + [2 * hidden_size] * num_layers
        check_weights(
            f"num_layers is {num_layers} and hidden_size {hidden_size}",
            sum(weights_of(size, hidden_size, cell) for size in sizes[:-1]),
        )
        self.layers = nn.ModuleList(
            BiRnnLayer(sizes[number], hidden_size, cell) for number in range(num_layers)
        )
        self.dropout = (InputVariationalDropout if variational_dropout else Dropout)(dropout)
        self._input_dim = input_size
        self._output_dim = sizes[-1]

    @overrides
    def get_input_dim(self) -> int:
        return self._input_dim

    @overrides
    def get_output_dim(self) -> int:
        return self._output_dim

    @overrides
    def is_bidirectional(self) -> bool:
        return True

    @overrides(check_signature=False)
    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """
        # Parameters

        inputs : `Tensor`
            Shape: (batch, length, input_size).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens, which come first.

        # Returns

        `Tensor`
            Shape: (batch, length, 2 * hidden_size), or that of `inputs` with 0 layers.
        """
        for layer in self.layers:
            inputs = layer(self.dropout(inputs), mask)
        return inputs


class SharedAndSpecificEncoder(nn.Module, FromParams):
    """Layers shared by both tasks, then separate layers for each task (Crone 2020).

    The shared layers run once. Each of the three encoders can be any `Seq2SeqEncoder` with an
    `input_size`, which is inferred.

    # Parameters

    input_size : `int`
        Size of a token's vector; inferred in a model.
    shared : `Lazy[Seq2SeqEncoder]`
        The shared layers.
    ner : `Lazy[Seq2SeqEncoder]`
        The layers for entities, above the shared ones.
    relation : `Lazy[Seq2SeqEncoder]`
        The layers for relations, above the shared ones.
    """

    def __init__(
        self,
        input_size: int,
        shared: Lazy[Seq2SeqEncoder],
        ner: Lazy[Seq2SeqEncoder],
        relation: Lazy[Seq2SeqEncoder],
    ) -> None:
        super().__init__()
        self.shared = shared.construct(input_size=input_size)
        size = self.shared.get_output_dim()
        self.ner = ner.construct(input_size=size)
        self.relation = relation.construct(input_size=size)

    def forward(self, inputs: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """
        # Parameters

        inputs : `Tensor`
            Shape: (batch, length, input_size).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens, which come first.

        # Returns

        `dict[str, Tensor]`
            Under `"ner"` and `"relation"`. Shape: (batch, length, the encoder's output size).
        """
        shared = self.shared(inputs, mask)
        return {"ner": self.ner(shared, mask), "relation": self.relation(shared, mask)}
