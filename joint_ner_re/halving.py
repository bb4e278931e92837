"""Splits a batch that fails into halves, so that all other documents are still predicted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory did not suffice. PyTorch and ONNX Runtime report this in several ways."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or (
        (isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime"))
        and any(sign in message for sign in ("out of memory", "allocate memory", "bad allocation"))
    )


def in_halves(
    predict: Callable[[list[T]], Sequence[R]],
    items: list[T],
    give_up: Callable[[T, Exception], R] | None = None,
    may_help: Callable[[Exception], bool] = is_out_of_memory,
) -> list[R]:
    """Predicts for all items at once or, where that fails, for each half. Keeps the order.

    # Parameters

    predict : `Callable[[list[T]], Sequence[R]]`
        Returns one result for each item.
    items : `list[T]`
    give_up : `Callable[[T, Exception], R]`, optional (default = `None`)
        Returns the result of an item that fails on its own. Default: raise the exception.
    may_help : `Callable[[Exception], bool]`, optional (default: `is_out_of_memory`)
        Whether fewer items may succeed after this exception. If not, it is raised.
    """
    if not items:
        return []
    try:
        return list(predict(items))
    except Exception as error:
        if not may_help(error) or (len(items) == 1 and give_up is None):
            raise
        # The traceback would keep the tensors in memory.
        failure = error.with_traceback(None)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        # Release the memory that PyTorch keeps for later.
        torch.cuda.empty_cache()
    if len(items) == 1 and give_up is not None:
        return [give_up(items[0], failure)]
    middle = len(items) // 2
    return [
        result
        for half in (items[:middle], items[middle:])
        for result in in_halves(predict, half, give_up, may_help)
    ]
