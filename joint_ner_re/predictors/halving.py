"""A batch that fails is halved, so that what can be predicted is."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less at once may do. Neither PyTorch's class nor its words are always the same."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in message or "allocate memory" in message)
    )


def in_halves(
    predict: Callable[[list[T]], Sequence[R]],
    items: list[T],
    give_up: Callable[[T, Exception], R] | None = None,
    may_help: Callable[[Exception], bool] = is_out_of_memory,
) -> list[R]:
    """What `predict` gives for the items, in order; where it fails, what it gives for halves.

    # Parameters

    predict : `Callable[[list[T]], Sequence[R]]`
        Gives one result for each item.
    items : `list[T]`
    give_up : `Callable[[T, Exception], R]`, optional (default = `None`)
        Gives the result of an item that fails on its own. Without, its exception is raised.
    may_help : `Callable[[Exception], bool]`, optional (default: whether memory did not suffice)
        Whether fewer items may do better after this exception; if not, it is raised.
    """
    if not items:
        return []
    try:
        return list(predict(items))
    except Exception as error:
        if not may_help(error) or (len(items) == 1 and give_up is None):
            raise
        # Without the traceback, which holds on to the tensors.
        failure = error.with_traceback(None)
    if torch.cuda.is_available():
        # What PyTorch keeps of the memory for later.
        torch.cuda.empty_cache()
    if len(items) == 1 and give_up is not None:
        return [give_up(items[0], failure)]
    middle = len(items) // 2
    return [
        result
        for half in (items[:middle], items[middle:])
        for result in in_halves(predict, half, give_up, may_help)
    ]
