"""A bidirectional LSTM layer for CPUs, around PyTorch's fused kernel for one direction."""

from typing import Any, List, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# In 16 bits the kernel takes several times as long for inputs of other sizes.
MULTIPLE = 32


def kernel_weights(network: nn.LSTM, dtype: torch.dtype) -> List[Tensor]:
    """The weights of a one-layer, one-direction LSTM as `bi_lstm` takes them."""
    w_ih, *others = (getattr(network, f"{name}_l0").to(dtype) for name in _WEIGHTS)
    return [_padded(w_ih), *others]


def bi_lstm(
    weights: Sequence[List[Tensor]],
    inputs: Tensor,
    mask: Tensor,
    order: Tensor,
    training: bool,
) -> Tensor:
    """What two one-direction LSTMs of one layer give.

    # Parameters

    weights : `Sequence[List[Tensor]]`
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
    outputs: List[Tensor] = []
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


class _Permuted(torch.autograd.Function):
    """Rows in another order. Unlike that of a selection, the gradient needs no sums."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tuple[Tensor, None, None]:  # type: ignore[override]
        (inverse,) = ctx.saved_tensors
        return grad.index_select(0, inverse), None, None
