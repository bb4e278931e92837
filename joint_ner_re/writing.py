"""Files that are complete or not there: an interruption while writing leaves the old file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Union
from uuid import uuid4

from joint_ner_re.streams import is_stream, open_to_write

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has none)
    fcntl = None  # type: ignore[assignment]

PathLike = Union[str, "os.PathLike[str]"]

TEMPORARY = " (TMPDIR names another directory for temporary files)"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replacing(path: PathLike, mode: str = "w", size: int = 0) -> Iterator[Any]:
    """A file object whose content becomes the file `path` when the block ends without an exception.

    The content grows in `.NAME.tmp` in the same directory, under a lock: a second process that
    writes the same file waits. A process that is killed leaves `.NAME.tmp` behind, and the next one
    that writes the file uses it up.

    # Parameters

    path : `str`
        The file. An existing one is replaced, and stays as it is if the block fails. A stream,
        such as `/dev/stdout` or a named pipe, is written directly.
    mode : `str`, optional (default = `"w"`)
        `"w"` for text (UTF-8, lines end in `\\n`) or `"wb"`.
    size : `int`, optional (default = `0`)
        How many bytes it will have, for the error of a full disk; 0 if that is not known.

    # Raises

    `OSError`
        If the file cannot be written; it names the file and, on a full disk, the room it needs.
    """
    path = os.fspath(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    if is_stream(path):
        with naming(path), open_to_write(path, mode, **text) as file:
            yield file
        return
    with naming(path):
        temporary, number = _open_temporary(path)
        with open(temporary, mode, opener=lambda *_: number, **text) as file:
            try:
                yield file
                file.flush()
                # Without this a power cut may leave the new name on an empty file.
                os.fsync(number)
                os.replace(temporary, path)
            except BaseException as error:
                need = max(size, os.fstat(number).st_size)
                # Before the lock goes: afterwards the name may be another process's file.
                _remove(temporary)
                with naming(path, need):
                    raise error
            finally:
                _unlock(number)


@contextmanager
def replacing_directory(path: PathLike) -> Iterator[Path]:
    """A new directory that becomes `path` when the block ends without an exception.

    See `replacing`.

    # Raises

    `OSError`
        If it cannot be written, or `path` is a file or a directory that is not empty.
    """
    path = os.fspath(path)
    with naming(path):
        temporary, number = _open_temporary(path, directory=True)
        try:
            yield Path(temporary)
            os.replace(temporary, path)
        except BaseException:
            _remove(temporary)
            raise
        finally:
            _unlock(number)
            os.close(number)


def remove(path: PathLike) -> None:
    """Remove a file that `replacing` wrote, and what a killed process left of a new version.

    # Raises

    `FileNotFoundError`
        If there is no such file.
    """
    os.unlink(path)
    _remove(_temporary_name(os.fspath(path)))


def remove_leftovers(directory: PathLike) -> None:
    """Remove what killed processes have left in a directory; files in use are left alone."""
    for path in Path(directory).glob(".*.tmp"):
        with suppress(OSError):
            number = _open(os.fspath(path), path.is_dir())
            if _lock(number, wait=False) and _is_at(number, os.fspath(path)):
                _remove(os.fspath(path))
            os.close(number)


@contextmanager
def naming(path: PathLike, need: int | None = None, hint: str = "") -> Iterator[None]:
    """An `OSError` in the block that names no file names this one; see `named`."""
    try:
        yield
    except OSError as error:
        found = named(error, path, need, hint)
        if found is error:
            raise
        raise found from error


def named(error: OSError, path: PathLike, need: int | None = None, hint: str = "") -> OSError:
    """The error with the file's name and, on a full disk, how much room the file needs.

    # Parameters

    error : `OSError`
        Is given back unchanged if it names a file already, or is not an error of the system.
    path : `str`
        The file that was written.
    need : `int`, optional (default = `None`)
        At least how many bytes the file needs, if that is known.
    hint : `str`, optional (default = `""`)
        What else to say of a full disk, such as `TEMPORARY`.
    """
    if not error.errno or error.filename not in (None, _temporary_name(os.fspath(path))):
        return error
    reason = error.strerror or os.strerror(error.errno)
    if error.errno in _FULL:
        reason += "; the file needs "
        reason += "more room" if not need else f"at least {need:,} bytes"
        reason += hint
    return OSError(error.errno, reason, os.fspath(path))


def write_text(path: PathLike, text: str) -> None:
    """Write or replace a text file; see `replacing`."""
    with replacing(path, size=len(text)) as file:
        file.write(text)


def write_json(path: PathLike, value: Any) -> None:
    """Write or replace a JSON file, indented for reading; see `replacing`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


# The temporary file


def _temporary_name(path: str, part: str = "") -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{part}.tmp")


def _open_temporary(path: str, directory: bool = False) -> tuple[str, int]:
    """The empty temporary file or directory of `path`, locked, and its descriptor."""
    temporary = _temporary_name(path)
    while True:
        number = _open(temporary, directory)
        if not _lock(number):
            os.close(number)
            # Without locks nobody knows whether the file is in use: every writer takes its own.
            _remove(temporary)
            temporary = _temporary_name(path, f".{uuid4().hex}")
            return temporary, _open(temporary, directory)
        # The process that had the lock may have given the file its name, or removed it.
        if _is_at(number, temporary):
            if directory:
                for entry in os.scandir(temporary):
                    _remove(entry.path)
            else:
                os.ftruncate(number, 0)
            return temporary, number
        os.close(number)


def _open(path: str, directory: bool) -> int:
    if not directory:
        # O_NOFOLLOW: in a directory of many users the name may be somebody's symbolic link.
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    os.makedirs(path, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(number: int, wait: bool = True) -> bool:
    """Lock an open file; false where the file system has no locks, or another process has it."""
    if fcntl is None:  # pragma: no cover (Windows)
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _unlock(number: int) -> None:
    # A forked process may hold the descriptor open for longer.
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_UN)


def _is_at(number: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(number), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)
