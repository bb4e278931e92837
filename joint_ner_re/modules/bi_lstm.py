"""A bidirectional LSTM layer for CPUs, on PyTorch's fused kernel for one direction.

`bi_lstm` computes gradients. `ReadyBiLstm` does not, and arranges the weights for the kernel only
once for many batches.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# In 16 bits the kernel is several times slower for input sizes that are no multiple of this.
MULTIPLE = 32
# Score of the input gates at padding: their sigmoid is 0.
CLOSED = -1e4


def kernel_weights(network: nn.LSTM, dtype: torch.dtype) -> list[Tensor]:
    """The weights of a one-layer, one-direction LSTM as `bi_lstm` takes them."""
    w_ih, *others = (getattr(network, f"{name}_l0").to(dtype) for name in _WEIGHTS)
    return [_padded(w_ih), *others]


def bi_lstm(
    weights: Sequence[list[Tensor]],
    inputs: Tensor,
    mask: Tensor,
    order: Tensor,
    training: bool,
) -> Tensor:
    """The output of a bidirectional layer made of two one-direction LSTMs.

    # Parameters

    weights : `Sequence[list[Tensor]]`
        The `kernel_weights` of two networks of equal sizes, in the type of `inputs`.
    inputs : `Tensor`
        Shape: (batch, length, input_size). Products are computed in its type.
    mask : `Tensor`
        Shape: (batch, length), true at real tokens, which come first.
    order : `Tensor`
        The positions in the order in which the backward direction reads them; its own inverse.
        Shape: (batch, length).
    training : `bool`
        Whether gradients will be computed.

    # Returns

    `Tensor`
        Shape: (batch, length, 2 * hidden_size), 0 at padding.
    """
    batch, length, _ = inputs.shape
    # Shape: (batch * length, input_size)
    tokens = _padded(inputs).flatten(0, 1)
    start = tokens.new_zeros(1, batch, weights[0][1].size(1))
    sentence = torch.arange(batch, device=order.device).unsqueeze(1)
    outputs: list[Tensor] = []
    in_place = torch.arange(length, device=order.device).expand_as(order)
    for own_weights, places in zip(weights, (in_place, order)):
        # The kernel puts time before the batch. `reading` finds its inputs, `writing` its outputs.
        reading = (sentence * length + places).t().flatten()
        writing = (places * batch + sentence).flatten()
        read = _Permuted.apply(tokens, reading, writing).view(length, batch, -1)
        states = torch.lstm(
            read, (start, start), own_weights, True, 1, 0.0, training, False, False
        )[0]
        outputs.append(_Permuted.apply(states.flatten(0, 1), writing, reading))
    return torch.cat(outputs, dim=1).view(batch, length, -1) * mask.unsqueeze(2)


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _padded(tensor: Tensor) -> Tensor:
    """Pads the last dimension with zeros to a size for which the kernel is fast."""
    padding = -tensor.size(-1) % MULTIPLE if tensor.dtype == torch.bfloat16 else 0
    # `F.pad` copies even if there is nothing to add.
    return F.pad(tensor, (0, padding)) if padding else tensor


class ReadyBiLstm:
    """A bidirectional layer made of two one-direction LSTMs, without gradients.

    The constructor copies the weights in the kernel's own arrangement, so later changes of the
    networks have no effect. No direction needs reordered inputs: an additional input closes the
    input gates at padding, so the backward direction still has the state 0 when it reaches the last
    real token.

    # Parameters

    forwards, backwards : `nn.LSTM`
        One-layer networks of equal sizes.
    dtype : `torch.dtype`
        Type in which matrices are multiplied.
    """

    def __init__(self, forwards: nn.LSTM, backwards: nn.LSTM, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._hidden_size = forwards.hidden_size
        # One more for the additional input.
        self._width = forwards.input_size + 1 + -(forwards.input_size + 1) % MULTIPLE
        self._weights = [
            self._arranged(network, reverse)
            for network, reverse in ((forwards, False), (backwards, True))
        ]

    @staticmethod
    def is_possible(dtype: torch.dtype) -> bool:
        """Whether this PyTorch and this processor have the kernel."""
        if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, _ARRANGE):
            return False
        if dtype == torch.bfloat16:
            return torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return dtype == torch.float32

    def __call__(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """
        # Parameters

        inputs : `Tensor`
            Of the type `dtype`. Shape: (batch, length, input_size), neither of the first two 0.
        mask : `Tensor`
            Shape: (batch, length), true at real tokens, which come first.

        # Returns

        `Tensor`
            Shape: (batch, length, 2 * hidden_size), 0 at padding.
        """
        batch, length, size = inputs.shape
        # The kernel puts time before the batch.
        real = mask.t().unsqueeze(2)
        more = inputs.new_zeros(length, batch, self._width - size)
        more[:, :, :1] = ~real
        read = torch.cat([inputs.transpose(0, 1), more], dim=2)
        start = inputs.new_zeros(1, batch, self._hidden_size)
        states = [
            torch.mkldnn_rnn_layer(
                read, *weights, start, start, reverse, [], _LSTM, self._hidden_size, 1,
                has_biases=True, bidirectional=False, batch_first=False, train=False,
            )[0]
            for weights, reverse in zip(self._weights, (False, True))
        ]  # fmt: skip
        return torch.cat(states, dim=2).mul_(real).transpose(0, 1)

    def _arranged(self, network: nn.LSTM, reverse: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        w_ih, w_hh, *biases = (getattr(network, f"{name}_l0").detach() for name in _WEIGHTS)
        w_ih = F.pad(w_ih, (0, self._width - w_ih.size(1)))
        # The gates' order is input, forget, cell, output.
        w_ih[: self._hidden_size, network.input_size] = CLOSED
        w_ih, w_hh = getattr(torch.ops.mkldnn, _ARRANGE)(
            w_ih.to(self.dtype), w_hh.to(self.dtype), self._hidden_size, reverse, True, False, None
        )
        b_ih, b_hh = (bias.to(self.dtype) for bias in biases)
        return w_ih, w_hh, b_ih, b_hh


_ARRANGE = "_reorder_mkldnn_rnn_layer_weight"
# PyTorch's number of this cell type.
_LSTM = 2


class _Permuted(torch.autograd.Function):
    """Reorders rows. Its gradient needs no sums, unlike that of `index_select`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (inverse,) = ctx.saved_tensors
        return grad.index_select(0, inverse), None, None
