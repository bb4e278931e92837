"""Clocks: repeated measurements, and the child processes in which they are made.

Every row of the benchmark has a process of its own, so that its peak memory is its own. The rows
that are compared take turns, one repetition each, so that whatever else the machine does falls on
all of them alike.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

FEWEST = 3
# Imports all that the rows need.
PRELOADED = "sections"


class Workload(NamedTuple):
    """What is timed, as one repetition, and what is known of it before.

    `facts` are numbers and texts for the report, such as how many sentences a repetition has.
    """

    action: Callable[[], Any]
    facts: dict[str, Any]


class Spread(NamedTuple):
    """The median of several repetitions, the quartiles, how many there were, and the least."""

    median: float
    low: float
    high: float
    repetitions: int
    best: float

    @property
    def share(self) -> float:
        """The interquartile range as a share of the median."""
        return (self.high - self.low) / self.median


def spread(values: Sequence[float]) -> Spread:
    """The values' median and quartiles; one value is its own."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1, values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high, len(values), min(values))


class Memory(NamedTuple):
    """Megabytes: of the process, and of what its tensors take on the GPU if it uses one."""

    host: float
    gpu: float | None


def seconds_of(action: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def repeated(action: Callable[[], Any], repetitions: int) -> list[float]:
    """Seconds of each of several calls, after one that is not counted."""
    action()
    return [seconds_of(action) for _ in range(repetitions)]


class Here:
    """A workload in this process: for tests and profilers. Its peak memory is everybody's."""

    def __init__(self, make: Callable[..., Workload], *arguments: Any) -> None:
        self._workload = make(*arguments)

    def ready(self) -> dict[str, Any]:
        self._workload.action()
        return self._workload.facts

    def repetition(self) -> float:
        return seconds_of(self._workload.action)

    def close(self) -> Memory:
        return peak_memory()


class Child:
    """A workload in a process of its own, made there by `make(*arguments)`, and warmed up.

    Only a function's name and its arguments travel. The process begins as a copy of one that has
    imported what all rows need, and nothing else: its peak memory is that of the imports and of
    its own row.
    """

    def __init__(self, make: Callable[..., Workload], *arguments: Any) -> None:
        context = multiprocessing.get_context("forkserver")
        # The server imports by name: its path must be this one.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        context.set_forkserver_preload([PRELOADED])
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()

    def ready(self) -> dict[str, Any]:
        """Wait until the workload is made and has run once. Returns its facts."""
        return self._receive()

    def repetition(self) -> float:
        """Seconds of one repetition."""
        self._pipe.send("repeat")
        return self._receive()

    def close(self) -> Memory:
        """End the process. Returns its peak memory."""
        self._pipe.send("end")
        memory = self._receive()
        self._process.join()
        return memory

    def _receive(self) -> Any:
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(
                f"a benchmark's process ended by itself, with code {self._process.exitcode}"
            ) from None
        if kind == "error":
            raise RuntimeError(f"a benchmark's process failed:\n{value}")
        return value


def _serve(pipe: Any, make: Callable[..., Workload], arguments: Sequence[Any]) -> None:
    try:
        workload = make(*arguments)
        # The first time loads and allocates.
        workload.action()
        pipe.send(("facts", workload.facts))
        while pipe.recv() == "repeat":
            pipe.send(("seconds", seconds_of(workload.action)))
        pipe.send(("memory", peak_memory()))
    except Exception:
        pipe.send(("error", traceback.format_exc()))


class Measured(NamedTuple):
    """What is known of a row in the end."""

    seconds: Spread
    memory: Memory
    facts: dict[str, Any]


def take_turns(
    rows: Mapping[str, Sequence[Any]],
    repetitions: int,
    most_seconds: float,
    in_process: bool = False,
) -> dict[str, Measured]:
    """Measure workloads that are compared with each other.

    # Parameters

    rows : `Mapping[str, Sequence[Any]]`
        By name, a function that makes a `Workload`, and its arguments.
    repetitions : `int`
        So many of each, in turn.
    most_seconds : `float`
        After so many seconds no further round begins, if there were `FEWEST` of them.
    in_process : `bool`, optional (default = `False`)
        Whether to do without processes; the peak memory then says nothing.
    """
    kind = Here if in_process else Child
    workers: dict[str, Any] = {}
    facts: dict[str, dict[str, Any]] = {}
    # One after the other: together they would have many more threads than there are cores.
    for name, parts in tqdm(rows.items(), "preparing", leave=False):
        workers[name] = kind(*parts)
        facts[name] = workers[name].ready()
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    start = time.perf_counter()
    for number in tqdm(range(repetitions), desc="rounds", leave=False):
        if number >= FEWEST and time.perf_counter() - start > most_seconds:
            break
        for name, worker in workers.items():
            seconds[name].append(worker.repetition())
    return {
        name: Measured(spread(seconds[name]), worker.close(), facts[name])
        for name, worker in workers.items()
    }


def facts_from(make: Callable[..., Workload], *arguments: Any, in_process: bool) -> dict[str, Any]:
    """Make a workload in a process of its own, run it once, and return its facts."""
    worker = (Here if in_process else Child)(make, *arguments)
    facts = worker.ready()
    worker.close()
    return facts


def peak_memory() -> Memory:
    """The most memory that this process has held so far."""
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_initialized() else None
    return Memory(_megabytes(resource.getrusage(resource.RUSAGE_SELF)), gpu)


class Finished(NamedTuple):
    """A command that ran: wall-clock seconds from its start, and its most memory."""

    seconds: float
    megabytes: float


def run_command(command: Sequence[str], folder: Path, current: Path) -> Finished:
    """Run a command to its end.

    # Parameters

    command : `Sequence[str]`
    folder : `Path`
        Where its messages lie meanwhile.
    current : `Path`
        The folder in which it runs.

    # Raises

    `RuntimeError`
        If it fails; the message holds what it wrote.
    """
    with _quiet_file(folder) as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=current)
        # The usage of this child alone, which no method of Popen gives.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read()}")
    return Finished(seconds, _megabytes(usage))


@contextmanager
def _quiet_file(folder: Path) -> Iterator[Any]:
    path = folder / "command.log"
    with open(path, "w+", encoding="utf-8") as file:
        yield file
    path.unlink()


def _megabytes(usage: Any) -> float:
    # Linux counts kilobytes, macOS bytes.
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
