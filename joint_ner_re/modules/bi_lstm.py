"""A bidirectional LSTM layer for CPUs, around PyTorch's fused kernel for one direction: with
gradients, and without, when weights are made ready once for many batches."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# In 16 bits the kernel takes several times as long for inputs of other sizes.
MULTIPLE = 32
# What padding adds to the input gates: their sigmoid is 0.
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
    """What two one-direction LSTMs of one layer give.

    # Parameters

    weights : `Sequence[list[Tensor]]`
        Of the two networks, of equal sizes: their `kernel_weights` of the type of `inputs`.
    inputs : `Tensor`
        Its type is that of the products, too. Shape: (batch, length, input_size).
    mask : `Tensor`
        Shape: (batch, length), true at real tokens, which come first.
    order : `Tensor`
        In which the second direction reads; its own inverse. Shape: (batch, length).
    training : `bool`
        Whether there are gradients to come.

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
        # The kernel has time first: where it reads what, and where what it gives belongs.
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
    """With zeros at the end of the last dimension, where the kernel is faster with them."""
    padding = -tensor.size(-1) % MULTIPLE if tensor.dtype == torch.bfloat16 else 0
    # With nothing to add, `F.pad` would still copy.
    return F.pad(tensor, (0, padding)) if padding else tensor


class ReadyBiLstm:
    """Two one-direction LSTMs of one layer as they are now, for batches without gradients.

    The kernel's own arrangement of the weights is made here, once. Neither direction needs its
    input in another order: at padding one more input closes the input gates, so that the state,
    which begins as 0, is 0 still when the second direction comes to the last real token.

    # Parameters

    forwards, backwards : `nn.LSTM`
        One-layer networks of equal sizes.
    dtype : `torch.dtype`
        Of the products.
    """

    def __init__(self, forwards: nn.LSTM, backwards: nn.LSTM, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._hidden_size = forwards.hidden_size
        # With the one more input.
        self._width = forwards.input_size + 1 + -(forwards.input_size + 1) % MULTIPLE
        self._weights = [
            self._arranged(network, reverse)
            for network, reverse in ((forwards, False), (backwards, True))
        ]

    @staticmethod
    def is_possible(dtype: torch.dtype) -> bool:
        """Whether this PyTorch and processor can do it."""
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
        # The kernel has time first.
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
# PyTorch's number for this kind of cell.
_LSTM = 2


class _Permuted(torch.autograd.Function):
    """Rows in another order. Unlike that of a selection, the gradient needs no sums."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (inverse,) = ctx.saved_tensors
        return grad.index_select(0, inverse), None, None
