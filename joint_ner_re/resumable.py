"""What every resumable run needs: one process at a time, and the same settings as before.

The operating system locks a file (`flock`), so the lock is released however its process ends. A
lock file without a process means nothing and may stay.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from joint_ner_re.messages import quote_json
from joint_ner_re.writing import PathLike, named

logger = logging.getLogger(__name__)

# The errors of a file system that has no locks.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_MAX_DIFFERENCES = 5


class ResumeError(ValueError):
    """A run that can neither start nor resume; the message says why, and what to do."""


@contextmanager
def locked(path: PathLike, wait: bool = False, remove: bool = False) -> Iterator[bool]:
    """Take a lock for the block. Gives `False` if another process has it.

    On a file system without locks, it logs a warning and gives `True`.

    # Parameters

    path : `str`
        The lock file. A missing directory is created.
    wait : `bool`, optional (default = `False`)
        Whether to wait until the lock is free.
    remove : `bool`, optional (default = `False`)
        Whether to remove the lock file at the end of the block.

    # Raises

    `OSError`
        If the lock file cannot be created, as in a read-only directory.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, fallback_to_soft=False)
    mine = _acquire(lock, path, wait)
    try:
        yield mine
    finally:
        if lock.is_locked:
            if remove:
                # Safe while locked: `filelock` notices if the file that it opened was removed.
                with suppress(OSError):
                    path.unlink()
            lock.release()


def _acquire(lock: Any, path: Path, wait: bool) -> bool:
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise named(error, path) from error
        logger.warning(
            "%s cannot be locked: %s. Make sure that no other process works there",
            path,
            error.strerror,
        )
    return True


@contextmanager
def claimed(lock: PathLike, place: PathLike, remove: bool = False) -> Iterator[None]:
    """Make sure that no other process works at `place` during the block.

    # Parameters

    lock, remove
        The lock file, and whether to remove it at the end, as in `locked`.
    place : `str`
        The directory or file that the lock protects, for the error message.

    # Raises

    `ResumeError`
        If another process works there.
    `OSError`
        If the lock file cannot be created.
    """
    with locked(lock, remove=remove) as mine:
        if not mine:
            raise ResumeError(f"{in_use(place)}; wait until it has ended")
        yield


def in_use(place: PathLike) -> str:
    """The message for a place that another process has locked."""
    return f"{os.fspath(place)} is in use by another process"


def read_settings(path: PathLike, otherwise: str) -> dict[str, Any] | None:
    """The settings that a run wrote when it started; `None` if there is no such file.

    # Parameters

    path : `str`
        The JSON file with the settings.
    otherwise : `str`
        How to start a new run, such as `"start over with --no-resume"`.

    # Raises

    `ResumeError`
        If the file is damaged.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("expected an object")
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise damaged(path, error, otherwise) from error
    return found


def damaged(path: PathLike, reason: object, otherwise: str) -> ResumeError:
    """The error for a damaged file that a run needs to resume."""
    return ResumeError(f"{os.fspath(path)} is damaged ({reason}); {otherwise}")


def compare_settings(
    place: PathLike, before: Mapping[str, Any], now: Mapping[str, Any], otherwise: str
) -> None:
    """Make sure that a run resumes with the settings that it started with.

    # Parameters

    place : `str`
        The output of the run.
    before, now : `Mapping[str, Any]`
        The settings that the run started with and the present ones, as JSON values.
    otherwise : `str`
        How to start a new run, such as `"start over with --no-resume"`.

    # Raises

    `ResumeError`
        If they differ. It names the first few settings that do.
    """
    differing = list(_differences(before, now))
    if not differing:
        return
    listed = "; ".join(differing[:_MAX_DIFFERENCES])
    if len(differing) > _MAX_DIFFERENCES:
        listed += f"; and {len(differing) - _MAX_DIFFERENCES} more"
    raise ResumeError(
        f"{os.fspath(place)} was started with other settings: {listed}. Give the same settings as "
        f"then to resume, or {otherwise}"
    )


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield f"{name} was {quote_json(before)} and is {quote_json(now)} now"
