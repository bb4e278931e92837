"""Programs in processes of their own that begin at once.

Such a process is forked from one that has imported AllenNLP, which takes ten seconds, and nothing
of this package. Otherwise it is as Python makes it, with arguments, variables, a directory and
streams of its own.
"""

import gc
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from multiprocessing import forkserver, get_context, set_start_method
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

# Names the variable with the address of the process that several others fork from.
_SHARED = "TESTS_FORK_FROM"
_NONE: Mapping[str, str | None] = MappingProxyType({})


class Program:
    """A running `python -m module arguments`. It has what the tests need of `subprocess.Popen`.

    # Parameters

    module : `str`
        Or `"-c"`, as Python has it: the first of the arguments is code then.
    arguments : `object`
        They are made strings.
    directory : `Path`
        Where it runs.
    variables : `Mapping[str, str | None]`, optional
        What it has beside this process's environment; `None` takes a variable away. The program has
        one thread unless it says otherwise.
    terminal : `int`, optional (default = `None`)
        A terminal's file descriptor. Without one, `stdin`, `stdout` and `stderr` are pipes.
    """

    def __init__(
        self,
        module: str,
        *arguments: Any,
        directory: Path,
        variables: Mapping[str, str | None] = _NONE,
        terminal: int | None = None,
    ) -> None:
        context = forking()
        if terminal is None:
            pipes = [os.pipe() for _ in range(3)]
            ends = [pipes[0][0], pipes[1][1], pipes[2][1]]
            self.stdin = os.fdopen(pipes[0][1], "wb")
            self.stdout = os.fdopen(pipes[1][0], "rb")
            self.stderr = os.fdopen(pipes[2][0], "rb")
        else:
            ends = [os.dup(terminal) for _ in range(3)]
        streams = [Connection(end) for end in ends]
        words = [str(argument) for argument in arguments]
        variables = {"OMP_NUM_THREADS": "1", **variables}
        self._process = context.Process(
            target=_run, args=(module, words, str(directory), variables, streams)
        )
        self._process.start()
        for stream in streams:
            stream.close()

    @property
    def returncode(self) -> int | None:
        """Its status, or the negative number of the signal that killed it; `None` if it runs."""
        return self._process.exitcode

    def wait(self, timeout: float = 300) -> int:
        """Waits for its end; returns its status."""
        self._process.join(timeout)
        status = self.returncode
        assert status is not None, f"it still runs after {timeout} s"
        return status

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Waits for its end; returns what it has written to `stdout` and to `stderr`."""
        with ThreadPoolExecutor(2) as readers:
            reading = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            self.stdin.close()
            try:
                self.wait(timeout)
            except AssertionError:
                self.send_signal(signal.SIGKILL)
                raise
            out, err = (one.result().decode() for one in reading)
        return out, err


def printed(*command: Any, **options: Any) -> str:
    """What a `Program` with these arguments writes to `stdout`; its status must be 0."""
    program = Program(*command, **options)
    out, err = program.communicate()
    assert program.returncode == 0, err
    return out


@cache
def forking() -> ForkServerContext:
    """Where the programs are forked from: a process that begins here, with a hash seed of its own,
    so that their sets have another order than those of the tests' process.

    Where one is shared, it is that one.
    """
    context = get_context("forkserver")
    if _SHARED in os.environ:
        _join(os.environ[_SHARED])
        return context
    context.set_forkserver_preload(["allennlp.commands", *_modules_of_allennlp()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "2")
        forkserver.ensure_running()
    return context


def share_forking() -> None:
    """Begin the process that programs are forked from, and share it with the processes that this
    one starts from now on. Otherwise each would import AllenNLP once more. It ends with this one.
    """
    forking()
    os.environ[_SHARED] = forkserver._forkserver._forkserver_address


def _join(address: str) -> None:
    """Fork from the process at this address, which is not this one's child: `multiprocessing` can
    only share it with processes that are forked themselves."""
    server = forkserver._forkserver
    server._forkserver_address = address
    # In the place of what tells the process that its parent has ended.
    server._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)
    server.ensure_running = lambda: None


def _modules_of_allennlp() -> list[str]:
    """What each of AllenNLP's commands imports."""
    found = find_spec("allennlp")
    assert found is not None and found.origin is not None
    package = Path(found.origin).parent
    names = sorted(
        path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py")
    )
    left_out = {"tools", "sanity_checks", "task_checklists", "__init__", "__main__"}
    return [".".join(name.parts) for name in names if not left_out & set(name.parts)]


def _run(
    module: str,
    arguments: list[str],
    directory: str,
    variables: Mapping[str, str | None],
    streams: list[Connection],
) -> None:
    import torch
    from allennlp.common import plugins

    assert "allennlp.commands" in sys.modules, "it was forked from another process"
    assert not [name for name in sys.modules if name.startswith("joint_ner_re")]
    # What is imported stays, and stays shared with the other processes.
    gc.freeze()
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    os.chdir(directory)
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    set_start_method(None, force=True)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    # In the background of a shell it would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = [directory, *filter(None, (variables.get("PYTHONPATH") or "").split(os.pathsep))]
    # AllenNLP would look for each of its modules again, which takes two seconds.
    walk = plugins.import_module_and_submodules
    plugins.import_module_and_submodules = lambda name, exclude=None: (
        None if name == "allennlp" else walk(name, exclude)
    )
    if module == "-c":
        code, *sys.argv[1:] = arguments
        # Its classes can be pickled.
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(sys.modules["__main__"]))
        return
    if module == "joint_ner_re":
        # In a shell it comes before AllenNLP, which it would join otherwise.
        allennlp = sys.modules.pop("allennlp")
        importlib.import_module(module)
        sys.modules["allennlp"] = allennlp
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
