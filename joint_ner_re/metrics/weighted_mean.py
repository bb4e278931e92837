"""A mean that does not depend on the batches and processes."""

import torch
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.metrics import Metric
from overrides import overrides
from torch import Tensor


@Metric.register("weighted_mean")
class WeightedMean(Metric):
    """The sum divided by the count over all batches of all processes.

    AllenNLP's `Average` is a mean of batch means: a small last batch weighs as much as a full one,
    and all processes must have the same number of batches.
    """

    supports_distributed = True

    def __init__(self) -> None:
        self.reset()

    @overrides(check_signature=False)
    def __call__(self, total: float | Tensor, count: float | Tensor) -> None:
        """Add the values of a batch.

        # Parameters

        total : `float | Tensor`
            The sum of the values.
        count : `float | Tensor`
            The number of values.
        """
        self._total += float(total)
        self._count += float(count)

    @overrides
    def reset(self) -> None:
        self._total = self._count = 0.0

    @overrides
    def get_metric(self, reset: bool = False) -> float:
        """The mean over all processes; 0 if there are no values."""
        # Shape: (total and count,)
        local = torch.tensor([self._total, self._count], dtype=torch.double)
        total, count = dist_reduce_sum(local).tolist()
        if reset:
            self.reset()
        return total / count if count else 0.0
