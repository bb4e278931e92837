"""Detects changed weights, to invalidate what was cached from them."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor


class ChangeDetector:
    """Says, at each call, whether weights have changed since the call before.

    Fused optimizers and changes through `.data` go unnoticed, so call `forget` when training
    begins. Weights that were made in PyTorch's inference mode always count as changed.

    # Parameters

    weights : `Sequence[Tensor]`
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._weights = list(weights)
        self._state: list[tuple[int, int]] | None = None

    def changed(self) -> bool:
        """Whether a weight differs from the call before; true at the first call."""
        if any(weight.is_inference() for weight in self._weights):
            return True
        state = [(weight.data_ptr(), weight._version) for weight in self._weights]
        changed = state != self._state
        self._state = state
        return changed

    def forget(self) -> None:
        """Count the weights as changed at the next call."""
        self._state = None

    def __getstate__(self) -> dict[str, Any]:
        # A copied model has tensors of its own, which may get the addresses of the old ones.
        return {**self.__dict__, "_state": None}
