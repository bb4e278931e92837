"""Several batches at once on the cores of one processor."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

# Python itself runs in one thread at a time: more would wait for one another.
MOST_AT_ONCE = 4


def side_by_side(run: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What `run` gives for each item, in order; several run at once, with fewer threads each.

    Of a batch by itself all cores share the products, and all but one wait while Python goes from
    one product to the next. With a batch for each core there is always something to do. As many
    run at once as PyTorch may have threads, so that `torch.set_num_threads(1)` or
    `OMP_NUM_THREADS=1` leaves one after the other.

    # Parameters

    run : `Callable[[T], R]`
        Called in other threads: what PyTorch keeps for each, such as inference mode, is as in a
        new one.
    items : `Sequence[T]`
        Of similar size, at best.
    """
    threads = torch.get_num_threads()
    at_once = min(threads, len(items), MOST_AT_ONCE)
    if at_once <= 1:
        return [run(item) for item in items]

    def begin() -> None:
        # A thread takes the number that was set last when it first asks; then its own can be set.
        torch.get_num_threads()
        torch.set_num_threads(threads // at_once)

    try:
        with ThreadPoolExecutor(at_once, initializer=begin) as pool:
            return list(pool.map(run, items))
    finally:
        # For the threads that begin later; those of the pool have ended by now.
        torch.set_num_threads(threads)
