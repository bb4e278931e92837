"""As many batches for each process of a distributed training."""

from typing import Any, Dict, Iterator, Optional

import torch
from allennlp.common.util import is_distributed
from allennlp.data import DataLoader, TensorDict, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.nn.util import dist_reduce_sum, distributed_device
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions


@DataLoader.register("even")
class EvenDataLoader(CheckedOptions, MultiProcessDataLoader):
    """AllenNLP's `multiprocess` data loader, with its options, for any number of processes.

    Each process reads its own share of the sentences. AllenNLP ends an epoch, and a validation,
    in all of them as soon as one has no more batches, so that the rest of the others' is left
    out. Here a process goes on with batches of no sentences until all have come to their end.
    In a single process there is no difference.
    """

    _most_batches: Optional[int] = None

    @overrides
    def index_with(self, vocab: Vocabulary) -> None:
        super().index_with(vocab)
        if is_distributed() and self.max_instances_in_memory is None:
            # Here, where all processes come by: the progress bar of one asks for the length, too.
            self._most_batches = _largest(super().__len__())

    @overrides
    def __len__(self) -> int:
        # Of this a learning rate's schedule is made, which must be the same in all processes.
        return super().__len__() if self._most_batches is None else self._most_batches

    @overrides
    def __iter__(self) -> Iterator[TensorDict]:
        if not is_distributed():
            yield from super().__iter__()
            return
        batches = super().__iter__()
        while True:
            batch = next(batches, None)
            if not dist_reduce_sum(int(batch is not None)):
                return
            yield _of_no_sentences() if batch is None else batch


def _of_no_sentences() -> Dict[str, Any]:
    """A batch of `JointReader`'s fields, as the model takes it."""
    return {"tokens": {}, "metadata": [], "annotation": {}}


def _largest(number: int) -> int:
    """The largest of the processes' numbers."""
    largest = torch.tensor(number, device=distributed_device())
    torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
    return int(largest)
