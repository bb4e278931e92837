"""A bidirectional GRU layer for CPUs, at nearly the speed of its matrix products.

PyTorch has a fused CPU kernel for LSTMs but none for GRUs. This module computes every product that
does not depend on another time step at once, for all tokens and both directions, and can multiply
in bfloat16. benchmarks/ measures the gain.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Score of the update gate at padding: sigmoid(KEEP) = 1 keeps the state, which starts at 0.
KEEP = 1e4


def bi_gru(
    forwards: nn.GRU, backwards: nn.GRU, inputs: Tensor, mask: Tensor, dtype: torch.dtype
) -> Tensor:
    """The output of a bidirectional layer made of two one-direction GRUs.

    # Parameters

    forwards, backwards : `nn.GRU`
        One layer and one direction each, of equal sizes.
    inputs : `Tensor`
        Shape: (batch, length, input_size).
    mask : `Tensor`
        Shape: (batch, length), true at real tokens, which come first.
    dtype : `torch.dtype`
        Type in which matrices are multiplied. States, gates and sums keep the type of `inputs`.

    # Returns

    `Tensor`
        Shape: (batch, length, 2 * hidden_size), 0 at padding.
    """

    def both(name: str) -> Tensor:
        return torch.stack([getattr(forwards, f"{name}_l0"), getattr(backwards, f"{name}_l0")])

    weights = [both(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return _BiGru.apply(inputs, mask, dtype, *weights)


class _BiGru(torch.autograd.Function):
    """In the shapes below L is the length, B the batch size, H the hidden size, D the input size.

    Tensors over steps have the shape (L, 2, B, ...): at step s the forward direction reads token s
    and the backward direction token L - 1 - s. Gates are in PyTorch's order (reset, update, new):

        r, z = sigmoid(a + U h);  n = tanh(b + r * m), m = V h + c;  h' = n + z * (h - n)
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        inputs: Tensor,
        mask: Tensor,
        dtype: torch.dtype,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
    ) -> Tensor:
        batch, length, _ = inputs.shape
        size = w_hh.size(2)
        # Values at padding may be infinite, and 0 times infinity is NaN.
        inputs = inputs.masked_fill(~mask.unsqueeze(2), 0)
        # Shape: (L * B, D)
        tokens = inputs.transpose(0, 1).flatten(0, 1).to(dtype)
        w_ih, w_hh = w_ih.to(dtype), w_hh.to(dtype)
        read = (tokens @ w_ih.flatten(0, 1).t()).view(length, batch, 2, 3 * size)
        # The gates' scores; each step below turns its row into gates, in place.
        gates = _by_step(read.unbind(2)).to(inputs.dtype)
        gates += b_ih.unsqueeze(1)
        gates[..., : 2 * size] += b_hh[:, : 2 * size].unsqueeze(1)
        # Shape: (L, 2, B, 1)
        padding = ~_by_step([mask.t()] * 2).unsqueeze(3)
        gates[..., size : 2 * size].masked_fill_(padding, KEEP)

        recurrent = w_hh.transpose(1, 2).contiguous()
        bias = b_hh[:, 2 * size :].unsqueeze(1)
        # Before the first step, and after each.
        states = gates.new_zeros(length + 1, 2, batch, size)
        # m in the class's formula.
        memories = gates.new_empty(length, 2, batch, size)
        rows = [t.unbind(0) for t in (gates, memories, states)]
        for gate, memory, state, next_state in zip(*rows, rows[2][1:]):
            product = torch.bmm(state.to(dtype), recurrent)
            sharp, new = gate[..., : 2 * size], gate[..., 2 * size :]
            sharp.add_(product[..., : 2 * size]).sigmoid_()
            torch.add(product[..., 2 * size :], bias, out=memory)
            new.addcmul_(sharp[..., :size], memory).tanh_()
            torch.lerp(new, state, sharp[..., size:], out=next_state)
        ctx.save_for_backward(tokens, mask, w_ih, w_hh, gates, memories, states)
        ahead, back = _by_token(states[1:])
        return torch.cat([ahead, back], dim=2).transpose(0, 1) * mask.unsqueeze(2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        tokens, mask, w_ih, w_hh, gates, memories, states = ctx.saved_tensors
        length, _, batch, size = memories.shape
        reset, update, new = gates.split(size, dim=3)
        # Derivatives of a state by the scores of r and z and by m, and by the score of n (to_new).
        to_new = (1 - update) * (1 - new * new)
        slopes = torch.stack(
            [
                to_new * memories * reset * (1 - reset),
                (states[:-1] - new) * update * (1 - update),
                to_new * reset,
            ],
            dim=3,
        )
        # Gradients of the states. Each step adds what flows back into the step before it.
        of_states = _by_step((grad * mask.unsqueeze(2)).transpose(0, 1).split(size, dim=2))
        of_gates = torch.empty_like(slopes, dtype=tokens.dtype)
        rows = [list(reversed(t.unbind(0))) for t in (of_states, slopes, of_gates, update)]
        for step, (of_state, slope, of_gate, kept) in enumerate(zip(*rows)):
            torch.mul(of_state.unsqueeze(2), slope, out=of_gate)
            if step < length - 1:
                earlier = rows[0][step + 1]
                earlier.add_(torch.bmm(of_gate.flatten(2), w_hh)).addcmul_(of_state, kept)

        # Shape: (2, 3H, L * B)
        flat = of_gates.permute(1, 3, 4, 0, 2).flatten(3).flatten(1, 2)
        before = states[:-1].to(tokens.dtype).transpose(0, 1).flatten(1, 2)
        of_w_hh = torch.bmm(flat, before)
        of_b_hh = of_gates.sum(dim=(0, 2), dtype=grad.dtype).flatten(1)
        # From here on the third gate is n instead of m.
        torch.mul(of_states, to_new, out=of_gates[..., 2, :])
        of_b_ih = of_gates.sum(dim=(0, 2), dtype=grad.dtype).flatten(1)
        # Shape: (L * B, 6H)
        by_token = torch.cat(_by_token(of_gates.flatten(3)), dim=2).flatten(0, 1)
        of_w_ih = (by_token.t() @ tokens).view_as(w_ih)
        of_inputs = (by_token @ w_ih.flatten(0, 1)).view(length, batch, -1).transpose(0, 1)
        of_inputs, of_w_ih, of_w_hh = (t.to(grad.dtype) for t in (of_inputs, of_w_ih, of_w_hh))
        return of_inputs, None, None, of_w_ih, of_w_hh, of_b_ih, of_b_hh


def _by_step(directions: Sequence[Tensor]) -> Tensor:
    """Stacks two tensors over tokens, of shape (L, B, ...), by step. Shape: (L, 2, B, ...)"""
    ahead, back = directions
    return torch.stack([ahead, back.flip(0)], dim=1)


def _by_token(steps: Tensor) -> list[Tensor]:
    """The inverse of `_by_step`."""
    return [steps[:, 0], steps[:, 1].flip(0)]
