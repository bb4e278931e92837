"""Files that are complete or not there: an interruption while writing leaves the old file."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import IO, Any, Iterator, Union

from joint_ner_re.streams import is_stream, open_to_write

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
        The file. An existing one is replaced, and stays as it is if the block fails. A stream,
        such as `/dev/stdout` or a named pipe, is written directly.
    mode : `str`, optional (default = `"w"`)
        `"w"` for text (UTF-8, lines end in `\\n`) or `"wb"`.

    # Raises

    `OSError`
        If the file cannot be written; it names the file.
    """
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    if is_stream(path):
        with _naming(path), open_to_write(path, mode, **text) as file:
            yield file
        return
    directory, name = os.path.split(os.fspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    with _naming(path, temporary), _removed_on_failure(temporary):
        with open(temporary, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            # Without this a power cut may leave the new name on an empty file.
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if os.path.exists(path):
            os.unlink(path)
        raise


@contextmanager
def _naming(path: PathLike, temporary: str | None = None) -> Iterator[None]:
    """An `OSError` inside that names no file, or the temporary one, names `path`."""
    try:
        yield
    except OSError as error:
        # The error of a full disk does not name the file.
        if error.errno and error.filename in (None, temporary):
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
