"""Runs `allennlp` and reports each step at which a kill may matter.

    python fuzz/watched_command.py PIPE PLACE ARGUMENTS...

writes one byte to the file descriptor PIPE for each operation on files in PLACE, and for each
change in Optuna's storage. `fuzz/kills.py` runs it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

_OPERATIONS = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate"}


def main() -> None:
    pipe, place = int(sys.argv[1]), sys.argv[2]

    def tell(*_: Any) -> None:
        os.write(pipe, b".")

    def on_event(event: str, given: Any) -> None:
        if event == "open":
            writes = isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in _OPERATIONS
        if writes and isinstance(given[0], str) and given[0].startswith(place):
            tell()

    # Before the imports, because a kill may come during them, too.
    sys.addaudithook(on_event)
    sys.argv = ["allennlp", *sys.argv[3:]]
    if "search" in sys.argv[1:2]:
        watch_optuna(tell)
    from allennlp.commands import main as allennlp

    allennlp(prog="allennlp")


def watch_optuna(tell: Callable) -> None:
    """Report each suggested parameter and each change of a trial, before it happens.

    Python's audit events do not show them, because SQLite writes its files itself.
    """
    from optuna.storages import RDBStorage
    from optuna.trial import Trial

    for owner, name in (
        (Trial, "_suggest"),
        (RDBStorage, "create_new_trial"),
        (RDBStorage, "set_trial_param"),
        (RDBStorage, "set_trial_state_values"),
        (RDBStorage, "set_trial_user_attr"),
    ):
        setattr(owner, name, _telling(getattr(owner, name), tell))


def _telling(function: Callable, tell: Callable) -> Callable:
    @functools.wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        tell()
        return function(*args, **kwargs)

    return told


if __name__ == "__main__":
    main()
