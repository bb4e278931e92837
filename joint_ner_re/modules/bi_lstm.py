"""A bidirectional LSTM layer for CPUs, around PyTorch's fused kernel for one direction."""

from typing import Any, List, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# In 16 bits the kernel takes several times as long for inputs of other sizes.
MULTIPLE = 32


def bi_lstm(
    forwards: nn.LSTM, backwards: nn.LSTM, inputs: Tensor, mask: Tensor, order: Tensor
) -> Tensor:
    """What two one-direction LSTMs of one layer give.

    # Parameters

    forwards, backwards : `nn.LSTM`
        One layer and one direction each, of equal sizes.
    inputs : `Tensor`
        Its type is that of the products, too. Shape: (batch, length, input_size).
    mask : `Tensor`
        Shape: (batch, length), true at real tokens, which come first.
    order : `Tensor`
        In which the second direction reads; its own inverse. Shape: (batch, length).

    # Returns

    `Tensor`
        Shape: (batch, length, 2 * hidden_size), 0 at padding.
    """
    batch, length, size = inputs.shape
    dtype = inputs.dtype
    padding = -size % MULTIPLE if dtype == torch.bfloat16 else 0
    # Shape: (batch * length, input_size)
    tokens = F.pad(inputs, (0, padding)).flatten(0, 1)
    start = tokens.new_zeros(1, batch, forwards.hidden_size)
    sentence = torch.arange(batch, device=order.device).unsqueeze(1)
    outputs: List[Tensor] = []
    for network, places in (
        (forwards, torch.arange(length, device=order.device).expand_as(order)),
        (backwards, order),
    ):
        # The kernel has time first: where it reads what, and where what it gives belongs.
        reading = (sentence * length + places).t().flatten()
        writing = (places * batch + sentence).flatten()
        read = _Permuted.apply(tokens, reading, writing).view(length, batch, -1)
        w_ih, *weights = (getattr(network, f"{name}_l0").to(dtype) for name in _WEIGHTS)
        states = torch.lstm(
            read,
            (start, start),
            [F.pad(w_ih, (0, padding)), *weights],
            True,
            1,
            0.0,
            network.training,
            False,
            False,
        )[0]
        outputs.append(_Permuted.apply(states.flatten(0, 1), writing, reading))
    return torch.cat(outputs, dim=1).view(batch, length, -1) * mask.unsqueeze(2)


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


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
