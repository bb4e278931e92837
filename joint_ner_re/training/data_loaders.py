"""A data loader that gives each process of a distributed training equally many batches."""

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import is_distributed
from allennlp.data import DataLoader, Instance, TensorDict, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.nn.util import dist_reduce_sum, distributed_device
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions


@DataLoader.register("balanced")
@DataLoader.register("even")  # Its name in archives of the format 0.1.0.
class BalancedDataLoader(CheckedOptions, MultiProcessDataLoader):
    """AllenNLP's `multiprocess` data loader, with the same options but without two faults.

    In distributed training each process reads its own share of the sentences. AllenNLP's loader
    ends an epoch or validation in all processes when the first one has no more batches, so it
    leaves out sentences of the others. Here a process that has finished yields empty batches until
    all have finished. In a single process there is no difference.

    Workers (`num_workers`) use one thread each. A forked worker would wait forever for PyTorch's
    threads, because a fork does not copy them.
    """

    _max_batches: int | None = None

    def known_relations(self) -> list[Instance]:
        """The sentences whose relations are known; those of `#entities` are not.

        # Raises

        `ConfigurationError`
            If there are none, or if the loader does not keep its sentences in memory.
        """
        if self.max_instances_in_memory is not None:
            raise ConfigurationError(
                "sentences without known relations can only be left out where all are kept in "
                "memory; expected a data_loader without max_instances_in_memory"
            )
        every = list(self.iter_instances())
        known = [one for one in every if one["annotation"].relations_known]  # type: ignore[attr-defined]
        if not known:
            raise ConfigurationError(
                f"none of the {len(every)} sentences for training has known relations; expected a "
                "train_data_path that is not only '#entities'"
            )
        return known

    def keep_known_relations(self) -> None:
        """Leave out the sentences whose relations are not known.

        The others come more often, so that an epoch has as many batches as before: a schedule of
        the learning rate counts on that.

        # Raises

        `ConfigurationError`
            As `known_relations`.
        """
        known, places = self.known_relations(), len(list(self.iter_instances()))
        self._instances = list(islice(cycle(known), places))

    @overrides
    def index_with(self, vocab: Vocabulary) -> None:
        super().index_with(vocab)
        if is_distributed() and self.max_instances_in_memory is None:
            # Here, because all processes must take part. `__len__` may be called in one process
            # alone, by its progress bar.
            self._max_batches = _largest(super().__len__())

    @overrides
    def __len__(self) -> int:
        # Learning rate schedules depend on it and must be the same in all processes.
        return super().__len__() if self._max_batches is None else self._max_batches

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
            yield _empty_batch() if batch is None else batch

    @overrides(check_signature=False)
    def _instance_worker(self, *args: Any) -> None:
        torch.set_num_threads(1)
        super()._instance_worker(*args)

    @overrides(check_signature=False)
    def _batch_worker(self, *args: Any) -> None:
        torch.set_num_threads(1)
        super()._batch_worker(*args)


def _empty_batch() -> dict[str, Any]:
    """A batch without sentences, with `JointReader`'s fields."""
    return {"tokens": {}, "metadata": [], "annotation": {}}


def _largest(number: int) -> int:
    """The largest number among all processes."""
    largest = torch.tensor(number, device=distributed_device())
    torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
    return int(largest)
