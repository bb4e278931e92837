"""Runs several batches at once on the cores of a processor."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

# More threads would wait for one another, because Python itself runs in one thread at a time.
MAX_THREADS = 4


def map_in_threads(run: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Calls `run` for each item, several at once, and returns the results in order.

    If a single batch runs on all cores, all but one core wait whenever Python prepares the next
    matrix product. With one batch per core, no core waits. At most as many batches run at once as
    PyTorch has threads, so with `torch.set_num_threads(1)` or `OMP_NUM_THREADS=1` they run one
    after the other.

    # Parameters

    run : `Callable[[T], R]`
        Called in new threads, which have PyTorch's default settings: for example, inference mode is
        off.
    items : `Sequence[T]`
        They should be of similar size.
    """
    threads = torch.get_num_threads()
    at_once = min(threads, len(items), MAX_THREADS)
    if at_once <= 1:
        return [run(item) for item in items]

    def begin() -> None:
        # PyTorch sets a thread's number at its first use, so use it before changing it.
        torch.get_num_threads()
        torch.set_num_threads(threads // at_once)

    try:
        with ThreadPoolExecutor(at_once, initializer=begin) as pool:
            return list(pool.map(run, items))
    finally:
        # The number also holds for threads that start later.
        torch.set_num_threads(threads)
