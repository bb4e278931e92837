"""Whether weights are those of before, so that what was made of them need not be made again."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor


class Unchanged:
    """Tells, at each call, whether weights are the same as at the call before.

    Fused optimizers, and changes through `.data`, leave no trace: whoever asks outside training
    has to `forget` when training begins. Weights that were made in PyTorch's inference mode never
    have one, and always count as others.

    # Parameters

    weights : `Sequence[Tensor]`
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._weights = list(weights)
        self._state: list[tuple[int, int]] | None = None

    def __call__(self) -> bool:
        if any(weight.is_inference() for weight in self._weights):
            return False
        state = [(weight.data_ptr(), weight._version) for weight in self._weights]
        unchanged = state == self._state
        self._state = state
        return unchanged

    def forget(self) -> None:
        """The next call says no."""
        self._state = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy of a model has other tensors, which may come to stand at the same addresses.
        return {**self.__dict__, "_state": None}
