"""Atomic writing of files: an interruption leaves the old file, or none, never half of one."""

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
    """A file object whose content replaces the file `path` when the block ends.

    The block writes to `.NAME.tmp` in the same directory, under a lock: a second process that
    writes the same file waits. A killed process leaves `.NAME.tmp` behind, which the next process
    that writes the file reuses.

    # Parameters

    path : `str`
        The file. If the block raises, an existing file stays as it is. A stream, such as
        `/dev/stdout` or a named pipe, is written directly.
    mode : `str`, optional (default = `"w"`)
        `"w"` for text (UTF-8, lines end in `\\n`) or `"wb"` for bytes.
    size : `int`, optional (default = `0`)
        The expected size in bytes, for the error message of a full disk; 0 if unknown.

    # Raises

    `OSError`
        If the file cannot be written. It names the file and, on a full disk, the space needed.
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
                # Otherwise the file could be empty after a power cut.
                os.fsync(number)
                os.replace(temporary, path)
            except BaseException as error:
                need = max(size, os.fstat(number).st_size)
                # While the lock is held: afterwards another process may own the file.
                _remove(temporary)
                with naming(path, need):
                    raise error
            finally:
                _unlock(number)


@contextmanager
def replacing_directory(path: PathLike) -> Iterator[Path]:
    """As `replacing`, for a directory.

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
    """Remove a file that `replacing` wrote, and its temporary file, if a killed process left one.

    # Raises

    `FileNotFoundError`
        If there is no such file.
    """
    os.unlink(path)
    _remove(_temporary_name(os.fspath(path)))


def remove_leftovers(directory: PathLike) -> None:
    """Remove the temporary files of killed processes in a directory; files in use stay."""
    for path in Path(directory).glob(".*.tmp"):
        with suppress(OSError):
            number = _open(os.fspath(path), path.is_dir())
            if _lock(number, wait=False) and _is_at(number, os.fspath(path)):
                _remove(os.fspath(path))
            os.close(number)


@contextmanager
def naming(path: PathLike, need: int | None = None, hint: str = "") -> Iterator[None]:
    """Add the file name to an `OSError` of the block that has none; see `named`."""
    try:
        yield
    except OSError as error:
        found = named(error, path, need, hint)
        if found is error:
            raise
        raise found from error


def named(error: OSError, path: PathLike, need: int | None = None, hint: str = "") -> OSError:
    """The error with the file's name and, on a full disk, the space that the file needs.

    # Parameters

    error : `OSError`
        The error. It is returned unchanged if it already names a file or has no error number.
    path : `str`
        The file that was written.
    need : `int`, optional (default = `None`)
        The minimum number of bytes that the file needs, if known.
    hint : `str`, optional (default = `""`)
        Advice for a full disk, such as `TEMPORARY`.
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
    """Write or replace an indented JSON file; see `replacing`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


# The temporary file


def _temporary_name(path: str, suffix: str = "") -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}{suffix}.tmp")


def _open_temporary(path: str, directory: bool = False) -> tuple[str, int]:
    """The name and the descriptor of the temporary file or directory, empty and locked."""
    temporary = _temporary_name(path)
    while True:
        number = _open(temporary, directory)
        if not _lock(number):
            os.close(number)
            # Without locks the file may be in use, so each writer takes a name of its own.
            _remove(temporary)
            temporary = _temporary_name(path, f".{uuid4().hex}")
            return temporary, _open(temporary, directory)
        # The previous holder of the lock may have renamed or removed the file.
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
        # O_NOFOLLOW: in a shared directory another user may have put a symbolic link there.
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    os.makedirs(path, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(number: int, wait: bool = True) -> bool:
    """Lock an open file; `False` if there are no locks here or another process has this one."""
    if fcntl is None:  # pragma: no cover (Windows)
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _unlock(number: int) -> None:
    # Closing is not enough: a forked process may still have the descriptor.
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
