"""What every run that resumes needs: one process at a time, and the same settings as before.

A lock is a file that the operating system locks (`flock`), so that it is free again however its
process ends. The file itself may stay; it says nothing.
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

from joint_ner_re.writing import PathLike, named

logger = logging.getLogger(__name__)

# How a file system says that it has no locks.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_MAX_DIFFERENCES = 5
_MAX_SHOWN = 80


class ResumeError(ValueError):
    """A run that can neither begin nor resume: the message says why, and what to do."""


@contextmanager
def locked(path: PathLike, wait: bool = False, remove: bool = False) -> Iterator[bool]:
    """Whether the block has the lock; `False` only if another process has it.

    Where the file system has no locks, a warning says so and the block runs without one.

    # Parameters

    path : `str`
        The lock file. Its directory is made if there is none.
    wait : `bool`, optional (default = `False`)
        Whether to wait until the lock is free.
    remove : `bool`, optional (default = `False`)
        Whether to remove the lock file at the end of the block.

    # Raises

    `OSError`
        If the lock file cannot be made, as in a read-only directory.
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
                # Safe under the lock: whoever has opened the old file sees that it is gone.
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
    """In the block, no other process works at `place`; for the other parameters see `locked`.

    # Raises

    `ResumeError`
        If another process does.
    `OSError`
        If the lock file cannot be made.
    """
    with locked(lock, remove=remove) as mine:
        if not mine:
            raise ResumeError(f"{in_use(place)}; wait until it has ended")
        yield


def in_use(place: PathLike) -> str:
    """The words for what another process has locked."""
    return f"{os.fspath(place)} is in use by another process"


def read_settings(path: PathLike, otherwise: str) -> dict[str, Any] | None:
    """What a run noted when it began; `None` if it has not noted anything.

    # Parameters

    path : `str`
        A JSON file.
    otherwise : `str`
        How to begin a new run, such as `"start over with --no-resume"`.

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
    """The error for a file by which a run would resume."""
    return ResumeError(f"{os.fspath(path)} is damaged ({reason}); {otherwise}")


def compare_settings(
    place: PathLike, before: Mapping[str, Any], now: Mapping[str, Any], otherwise: str
) -> None:
    """Make sure that a run resumes with the settings it was begun with.

    # Parameters

    place : `str`
        What the run writes.
    before, now : `Mapping[str, Any]`
        The settings it was begun with and those given now, as JSON has them.
    otherwise : `str`
        How to begin a new run, such as `"start over with --no-resume"`.

    # Raises

    `ResumeError`
        If they differ; it names the first few settings that do.
    """
    differing = list(_differences(before, now))
    if not differing:
        return
    shown = "; ".join(differing[:_MAX_DIFFERENCES])
    if len(differing) > _MAX_DIFFERENCES:
        shown += f"; and {len(differing) - _MAX_DIFFERENCES} more"
    raise ResumeError(
        f"{os.fspath(place)} was begun with other settings: {shown}. Give the same settings as "
        f"then to resume, or {otherwise}"
    )


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield f"{name} was {_shown(before)} and is {_shown(now)} now"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
