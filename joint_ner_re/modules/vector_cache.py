"""Vectors that were computed once, by what they were computed from: in memory and on disk."""

from __future__ import annotations

import logging
import os
import sqlite3
from threading import Lock
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy
import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor

logger = logging.getLogger(__name__)

_SECONDS_TO_WAIT_FOR_A_LOCK = 60
_BYTES_PER_MEGABYTE = 10**6
# Threads share a connection, whose transactions must not mix.
_TURN = Lock()


class VectorCache:
    """Tensors of one width by their keys.

    On disk they lie in one SQLite database, which several processes may write at once and which
    stays whole when one of them is killed. A database holds numbers only: reading one that
    somebody else made runs nothing.

    # Parameters

    size : `int`
        How many numbers one row of a tensor has; a tensor of shape (rows, size) is kept.
    megabytes : `int`
        How much to keep in memory (10**6 bytes). What is first comes first and stays: every
        epoch asks for everything once, so to drop the oldest would drop what is asked for next.
    path : `str`, optional (default = `None`)
        The database; `None` keeps nothing on disk.

    # Raises

    `ConfigurationError`
        If the database cannot be opened or written.
    """

    def __init__(self, size: int, megabytes: int, path: Optional[str] = None) -> None:
        self._size = size
        self._room = megabytes * _BYTES_PER_MEGABYTE
        self._path = path
        self._kept: Dict[bytes, Tensor] = {}
        self._database: Optional[Tuple[int, sqlite3.Connection]] = None
        self._on_disk = path is not None
        if path is not None:
            try:
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                with self._connection() as connection:
                    # Whoever asks for the lock at once waits for it; one who reads first may be
                    # told that the database is locked.
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, numbers BLOB)"
                    )
            except (OSError, sqlite3.Error) as error:
                raise ConfigurationError(
                    f"cannot keep vectors in {path} ({error}); expected a directory that can be "
                    "written and, if the file is there, a database made by this program: choose "
                    "another cache_directory or delete the file"
                ) from error

    def get(self, key: bytes) -> Optional[Tensor]:
        """What was kept under this key, of shape (rows, size), or `None`."""
        found = self._kept.get(key)
        if found is not None or not self._on_disk:
            return found
        with _TURN:
            try:
                rows = self._connection().execute(
                    "SELECT numbers FROM vectors WHERE key = ?", (key,)
                )
                found = next((self._checked(row[0]) for row in rows.fetchall()), None)
            except sqlite3.Error as error:
                self._give_up(error)
            if found is not None:
                self._keep(key, found)
        return found

    def put(self, vectors: Mapping[bytes, Tensor]) -> None:
        """Keep these tensors, each of shape (rows, size), on the CPU in single precision."""
        with _TURN:
            for key, tensor in vectors.items():
                self._keep(key, tensor)
            if not self._on_disk:
                return
            rows = [(key, tensor.numpy().tobytes()) for key, tensor in vectors.items()]
            try:
                with self._connection() as connection:
                    connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        # A full disk, most likely. Everything can be computed again: go on without.
        self._on_disk = False
        logger.warning("%s: %s; from here on nothing is kept on disk", self._path, error)

    def clear(self) -> None:
        """Forget what is in memory."""
        self._kept.clear()

    def __len__(self) -> int:
        """How many tensors are in memory."""
        return len(self._kept)

    def _keep(self, key: bytes, tensor: Tensor) -> None:
        taken = tensor.numel() * tensor.element_size()
        if key not in self._kept and taken <= self._room:
            self._room -= taken
            self._kept[key] = tensor

    def _checked(self, data: Any) -> Optional[Tensor]:
        """The numbers as a tensor, if they can be this cache's; others count as not there."""
        if not isinstance(data, bytes) or len(data) % (4 * self._size):
            return None
        numbers = torch.from_numpy(numpy.frombuffer(data, dtype="<f4").copy())
        return numbers.view(-1, self._size) if bool(torch.isfinite(numbers).all()) else None

    def _connection(self) -> sqlite3.Connection:
        """This process's own: a connection must not be used across a fork."""
        if self._database is None or self._database[0] != os.getpid():
            assert self._path is not None
            connection = sqlite3.connect(
                self._path,
                timeout=_SECONDS_TO_WAIT_FOR_A_LOCK,
                isolation_level="IMMEDIATE",
                check_same_thread=False,
            )
            # The file stays whole without waiting for the disk; only the last rows can be lost.
            connection.execute("PRAGMA synchronous=NORMAL")
            self._database = (os.getpid(), connection)
        return self._database[1]

    def __getstate__(self) -> Dict[str, Any]:
        # A copy of a model opens the database itself.
        return {**self.__dict__, "_database": None, "_kept": {}}
