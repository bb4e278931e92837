"""Pipes and standard streams as inputs and outputs: `-`, `/dev/stdin`, `/dev/fd/3`, a FIFO.

A stream has no size, can be read only once, and must not be replaced by a file.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, Union

PathLike = Union[str, "os.PathLike[str]"]

STDIN, STDOUT = "/dev/stdin", "/dev/stdout"
_STANDARD = {STDIN: 0, STDOUT: 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")

# The temporary copies of `readable_again`, by the stream's path; "" is their directory.
_copies: ContextVar[dict[str, str] | None] = ContextVar("copies", default=None)


def is_stream(path: PathLike) -> bool:
    """Whether a path is a descriptor of this process, a pipe or a device, not a file on disk."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def open_once(path: PathLike) -> BinaryIO:
    """Open a file, or the rest of a stream that was not read yet, to read bytes.

    # Raises

    `OSError`
        If it cannot be opened.
    """
    return _open_stream(path, "rb")


def open_to_read(path: PathLike) -> BinaryIO:
    """As `open_once`, but within `readable_again` a stream starts over each time.

    # Raises

    `OSError`
        If it cannot be opened or copied.
    """
    copies = _copies.get()
    if copies is None or not is_stream(path):
        return open_once(path)
    name = os.fspath(path)
    if name not in copies:
        copies[name] = _copied(name, copies[""])
    return open(copies[name], "rb")


def open_to_write(path: PathLike, mode: str, **options: Any) -> Any:
    """Open a stream to write, after what was already printed.

    # Parameters

    path : `str`
        A path for which `is_stream` is true.
    mode : `str`
        `"w"` or `"wb"`.
    options : `Any`
        Arguments of `open`, such as `encoding`.
    """
    sys.stdout.flush()
    return _open_stream(path, mode, **options)


@contextmanager
def readable_again() -> Iterator[None]:
    """In the block, a stream can be opened several times: to detect its format, and to read it.

    The first `open_to_read` copies the stream to a temporary file, which the block deletes.
    """
    with tempfile.TemporaryDirectory(prefix="joint_ner_re_") as directory:
        token = _copies.set({"": directory})
        try:
            yield
        finally:
            _copies.reset(token)


def _copied(path: str, directory: str) -> str:
    copy = str(Path(directory) / str(len(os.listdir(directory))))
    with _open_stream(path, "rb") as stream, open(copy, "wb") as file:
        try:
            shutil.copyfileobj(stream, file)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{copy} (a copy of {path})") from error
    return copy


def _open_stream(path: PathLike, mode: str, **options: Any) -> Any:
    number = _descriptor(path)
    if number is None:
        return open(path, mode, **options)
    try:
        # Opening /dev/stdout by name would truncate a file that the shell appends to (`>> FILE`).
        return open(os.dup(number), mode, **options)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _descriptor(path: PathLike) -> int | None:
    name = os.fspath(path)
    if name in _STANDARD:
        return _STANDARD[name]
    found = _DESCRIPTOR.fullmatch(name) if isinstance(name, str) else None
    return int(found[1]) if found else None
