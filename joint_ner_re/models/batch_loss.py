"""The loss of a batch, from sums over its sentences, also across several processes."""

import math
from collections.abc import Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import is_distributed
from allennlp.nn.util import dist_reduce_sum
from torch import Tensor

from joint_ner_re.metrics import WeightedMean
from joint_ner_re.sentence import Sentence

# Above this weight the NER loss is lost to float32 rounding.
MAX_LOSS_WEIGHT = 1e6
RELATION_LOSSES = ("pair_mean", "sentence_mean")


class BatchLoss:
    """`ner_loss + weight * relation_loss`, and the means of both over an epoch.

    # Parameters

    weight : `float`
        The model's option `relation_loss_weight`.
    average : `str`
        The model's option `relation_loss_average`.

    # Raises

    `ConfigurationError`
        If an option has an impossible value.
    """

    def __init__(self, weight: float, average: str) -> None:
        if not 0 <= weight <= MAX_LOSS_WEIGHT:
            raise ConfigurationError(
                f"relation_loss_weight is {weight}; expected 0 or more, at most {MAX_LOSS_WEIGHT:g}"
            )
        if average not in RELATION_LOSSES:
            raise ConfigurationError(
                f"relation_loss_average is {average!r}; expected {' or '.join(RELATION_LOSSES)}"
            )
        self._weight = weight
        self._by_pairs = average == "pair_mean"
        self._means = {"ner_loss": WeightedMean(), "relation_loss": WeightedMean()}

    def __call__(
        self,
        ner_loss: Tensor,
        relation_loss: Tensor,
        sentences: Sequence[Sentence],
        known: Tensor,
        pairs: Tensor,
        training: bool,
    ) -> Tensor:
        """The loss of the batch. In training, a loss that is not finite raises a `ValueError`.

        In distributed training each process has a share of the batch. The mean of their return
        values, which is what the gradient is taken of, is the loss of the complete batch.

        # Parameters

        ner_loss : `Tensor`
            Summed over the sentences. A scalar, like all others.
        relation_loss : `Tensor`
            Summed over the pairs and types of sentences whose relations are known.
        sentences : `Sequence[Sentence]`
            The sentences of the batch.
        known : `Tensor`
            The number of sentences whose relations are known.
        pairs : `Tensor`
            The number of their entity pairs, times the number of types.
        training : `bool`
            Whether the loss is used to train.
        """
        weighted = ner_loss.detach() + self._weight * relation_loss.detach()
        broken = ~torch.isfinite(weighted)
        related = pairs if self._by_pairs else known.to(pairs.dtype)
        # The denominators of both means, and the number of broken losses. Shape: (3,)
        counts = torch.stack(
            [pairs.new_tensor(float(len(sentences))), related, broken.to(pairs.dtype)]
        )
        self._means["ner_loss"](ner_loss.detach(), len(sentences))
        self._means["relation_loss"](relation_loss.detach(), related)
        processes = torch.distributed.get_world_size() if is_distributed() else 1
        counts = dist_reduce_sum(counts)
        # Reading the count waits for the GPU, which AllenNLP's trainer does anyway to show the
        # loss. All processes stop in the same batch, so that none waits for one that has ended.
        if training and counts[2]:
            _stop(weighted.item(), sentences)
        sentences_in_all, related_in_all = counts[:2].clamp(min=1) / processes
        return ner_loss / sentences_in_all + self._weight * relation_loss / related_in_all

    def get_metrics(self, reset: bool) -> dict[str, float]:
        """The mean `ner_loss` and `relation_loss` since the last reset."""
        return {name: mean.get_metric(reset) for name, mean in self._means.items()}


def _stop(loss: float, sentences: Sequence[Sentence]) -> None:
    """Stops the training before its weights become NaN."""
    if math.isfinite(loss):
        raise ValueError("another process has a batch whose loss is not finite: see its log")
    names = ", ".join(repr(s.id or " ".join(s.tokens[:5])) for s in sentences)
    raise ValueError(
        f"the loss of a training batch is {loss}; expected a finite number. The batch's sentences: "
        f"{names}. Look for anything unusual in them, or try a lower trainer.optimizer.lr, a lower "
        "trainer.grad_norm or model.bfloat16 false"
    )
