"""A cache of computed vectors, in memory and on disk."""

import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from threading import Lock
from typing import Any

import numpy
import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor

logger = logging.getLogger(__name__)

_SECONDS_TO_WAIT_FOR_A_LOCK = 60
_BYTES_PER_MEGABYTE = 10**6
_BYTES_PER_NUMBER = 4
# SQLite stores this text. A database must hold this table and nothing else: a view, trigger or
# computed column would run a query of the file's author, which might never end.
_TABLE = "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB)"
_SCHEMA = [
    ("index", "sqlite_autoindex_vectors_1", "vectors", None),
    ("table", "vectors", "vectors", _TABLE),
]
# A journal that ends with these bytes names a file, which SQLite deletes after using the journal.
# Only transactions over several databases write such journals, and this cache has none.
_NAMES_A_FILE = bytes.fromhex("d9d505f920a163d7")
# Threads share a connection, whose transactions must not mix.
_LOCK = Lock()


class VectorCache:
    """Stores tensors of one width by key.

    On disk they are rows of an SQLite database. Several processes may write it at once, and it
    stays intact when one of them is killed. The database may come from a stranger: it can only hold
    numbers, so the worst it can contain is wrong numbers.

    # Parameters

    size : `int`
        The width: a tensor has the shape (words, size).
    megabytes : `int`
        How much to keep in memory, in 10**6 bytes. When it is full, nothing is dropped: every epoch
        needs each tensor once, so the oldest would be needed next. Without a database, a warning
        says so when a tensor comes for the second time.
    path : `str`, optional (default = `None`)
        The database. `None` keeps nothing on disk.

    # Raises

    `ConfigurationError`
        If the database cannot be opened or written, or was not made by this class.
    """

    def __init__(self, size: int, megabytes: int, path: str | None = None) -> None:
        self._size = size
        self._megabytes = megabytes
        self._room = megabytes * _BYTES_PER_MEGABYTE
        # What did not fit, with its size in bytes, until a warning has said so.
        self._too_much: dict[bytes, int] = {}
        self._warned = False
        self._path = path
        self._kept: dict[bytes, Tensor] = {}
        self._database: tuple[int, sqlite3.Connection] | None = None
        self._on_disk = path is not None
        if path is not None:
            try:
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                self._connection()
            except (OSError, sqlite3.Error) as error:
                raise ConfigurationError(
                    f"cannot keep vectors in {path} ({error}); expected a directory that can be "
                    "written and, if the file is there, a database made by this program: choose "
                    "another cache_directory or delete the file"
                ) from error

    def get(self, key: bytes, words: int) -> Tensor | None:
        """The tensor with this key, of shape (words, size), or `None`.

        A row on disk with another shape or without finite numbers counts as missing.
        """
        found = self._kept.get(key)
        if found is not None or not self._on_disk:
            return found
        with _LOCK:
            try:
                # Read only rows of the expected length: others may be huge.
                row = (
                    self._connection()
                    .execute(
                        "SELECT numbers FROM vectors WHERE key = ? "
                        "AND typeof(numbers) = 'blob' AND length(numbers) = ?",
                        (key, words * self._size * _BYTES_PER_NUMBER),
                    )
                    .fetchone()
                )
            except sqlite3.Error as error:
                self._give_up(error)
                row = None
            found = self._finite(row[0]) if row is not None else None
            if found is not None:
                self._keep(key, found)
        return found

    def put(self, vectors: Mapping[bytes, Tensor]) -> None:
        """Store tensors of shape (words, size), which must be on the CPU in single precision."""
        with _LOCK:
            for key, tensor in vectors.items():
                self._keep(key, tensor)
            if not self._on_disk:
                return
            rows = [(key, tensor.numpy().tobytes()) for key, tensor in vectors.items()]
            try:
                with self._connection() as connection:
                    # A row with this key was unusable, or another process has just written it.
                    connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        # Most likely the disk is full. Vectors can be computed again, so the run continues.
        self._on_disk = False
        logger.warning("%s: %s; from now on nothing is cached on disk", self._path, error)

    def __len__(self) -> int:
        """The number of tensors in memory."""
        return len(self._kept)

    def _keep(self, key: bytes, tensor: Tensor) -> None:
        needed = tensor.numel() * tensor.element_size()
        if key in self._kept:
            return
        if needed <= self._room:
            self._room -= needed
            # A slice of a batch would keep the memory of the whole batch, padding included.
            shared = tensor.untyped_storage().nbytes() > needed
            self._kept[key] = tensor.clone() if shared else tensor
        elif self._megabytes and not self._on_disk and not self._warned:
            self._watch_for_repetition(key, needed)

    def _watch_for_repetition(self, key: bytes, needed: int) -> None:
        """Remember what did not fit, and warn when the first of it comes again."""
        if key in self._too_much:
            self._warned = True
            logger.warning(
                "the vectors of %d sentences do not fit into the memory for them, so they are "
                "computed again in every epoch: set cache_megabytes to at least %d instead of %d, "
                "or name a cache_directory",
                len(self._too_much),
                ceil(self._megabytes + sum(self._too_much.values()) / _BYTES_PER_MEGABYTE),
                self._megabytes,
            )
        self._too_much[key] = needed

    def _finite(self, data: bytes) -> Tensor | None:
        numbers = torch.from_numpy(numpy.frombuffer(data, dtype="<f4").copy())
        return numbers.view(-1, self._size) if bool(torch.isfinite(numbers).all()) else None

    def _connection(self) -> sqlite3.Connection:
        """The connection of this process. A connection must not be used across a fork."""
        if self._database is None or self._database[0] != os.getpid():
            assert self._path is not None
            self._database = (os.getpid(), _open(self._path))
        return self._database[1]

    def __getstate__(self) -> dict[str, Any]:
        # A copied model opens the database itself.
        return {**self.__dict__, "_database": None, "_kept": {}}


def _open(path: str) -> sqlite3.Connection:
    """Open a database, create its table if it is new, and check that it holds nothing else.

    # Raises

    `sqlite3.Error`
        If it cannot be opened or read, or holds anything else.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise sqlite3.DatabaseError("it is no file")
    journal = f"{path}-journal"
    if os.path.isfile(journal) and _end_of(journal) == _NAMES_A_FILE:
        raise sqlite3.DatabaseError(f"{journal} names another file, which would be deleted")
    connection = sqlite3.connect(
        path,
        timeout=_SECONDS_TO_WAIT_FOR_A_LOCK,
        isolation_level="IMMEDIATE",
        check_same_thread=False,
    )
    try:
        # The file stays intact without waiting for the disk; only the last rows can be lost.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")
        with connection:
            # Ask for the lock before reading. A process that reads first may get the error that the
            # database is locked, instead of waiting.
            connection.execute("BEGIN IMMEDIATE")
            if not _schema(connection):
                connection.execute(_TABLE)
            if _schema(connection) != _SCHEMA:
                raise sqlite3.DatabaseError("it holds more than the table of vectors, or another")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _end_of(path: str) -> bytes:
    """The last bytes of a journal; none if the process that wrote it has just removed it."""
    with suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(_NAMES_A_FILE)))
        return file.read()
    return b""


def _schema(connection: sqlite3.Connection) -> list[tuple]:
    # One row more than expected is enough to detect a difference.
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type LIMIT 3"
    return connection.execute(query).fetchall()
