"""Files that are whole or not there: whoever is interrupted while writing leaves the old one."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import IO, Any, Iterator, Union

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has none)
    fcntl = None  # type: ignore[assignment]

PathLike = Union[str, "os.PathLike[str]"]


@contextmanager
def replacing(path: PathLike, mode: str = "w") -> Iterator[Any]:
    """A file object, which takes its name only when the block ends without an exception.

    # Parameters

    path : `str`
        The file. One that is there is replaced, and stays as it is if the block fails.
    mode : `str`, optional (default = `"w"`)
        `"w"` for text (UTF-8, lines end in `\\n`) or `"wb"`.

    # Raises

    `OSError`
        If the file cannot be written; it names the file.
    """
    directory, name = os.path.split(os.fspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(temporary, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            # Without this a power cut may leave the new name on an empty file.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            # Of a full disk the system says only that it is full.
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def lock(file: IO[Any], wait: bool = False) -> None:
    """Take the file's lock, which its closing gives back, and so does any end of the process.

    Where there are no such locks nothing happens.

    # Raises

    `BlockingIOError`
        If another process has it, unless `wait` is true.
    `OSError`
        If the file system refuses locks.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def write_text(path: PathLike, text: str) -> None:
    """Write or replace a text file; see `replacing`."""
    with replacing(path) as file:
        file.write(text)


def write_json(path: PathLike, value: Any) -> None:
    """Write or replace a JSON file, indented for reading; see `replacing`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
