"""Files of weights: checked to hold tensors and nothing else before PyTorch reads them.

Such a file is a pickle, which can name any function and have it called. Old releases of PyTorch do
so. From 2.6 on it takes tensors only, unless it is told otherwise (what came before under the name
`weights_only` could be got round: CVE-2025-32434). What is checked here holds for all releases.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from typing import Any, Callable, Dict, Tuple

import torch
from allennlp.common.checks import ConfigurationError


def release_of(version: str) -> Tuple[int, ...]:
    """`(2, 6)` for `"2.6.0+cpu"`."""
    return tuple(int(part) for part in version.split(".")[:2])


RELEASE = release_of(torch.__version__)
# From here on PyTorch itself takes tensors only.
SAFE_BY_DEFAULT = (2, 6)

# Bytes of one number in each storage that a pickle can name.
_STORAGES = {
    "BFloat16Storage": 2, "BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1,
    "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8, "DoubleStorage": 8, "FloatStorage": 4,
    "HalfStorage": 2, "IntStorage": 4, "LongStorage": 8, "ShortStorage": 2, "UntypedStorage": 1,
}  # fmt: skip
# What puts a tensor together from a storage. Nothing is called here.
_BUILDERS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")


def check_tensors(path: str, most: int) -> None:
    """Make sure that a file of weights can be given to `torch.load`.

    # Parameters

    path : `str`
    most : `int`
        How many bytes its content may have.

    # Raises

    `ConfigurationError`
        If it holds, or names, anything else than tensors, or more than it says.
    """
    name = os.path.basename(path)
    if not os.path.isfile(path):
        raise ConfigurationError(f"there are no weights: {path} is not a file")
    if not zipfile.is_zipfile(path):
        raise ConfigurationError(
            f"{name} is not in the format that PyTorch writes since release 1.6, and others cannot "
            "be checked; do not trust the file, or save it anew, as safetensors if it is an encoder"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(name, archive, most)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise ConfigurationError(f"{name} is damaged: {error}") from error


def _check_archive(name: str, archive: zipfile.ZipFile, most: int) -> None:
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if len(sizes) != len(archive.infolist()):
        raise ConfigurationError(f"{name} holds two entries of one name; do not trust the file")
    if sum(sizes.values()) > most:
        raise ConfigurationError(
            f"{name} would be {sum(sizes.values())} bytes when it is unpacked; expected at most "
            f"{most}"
        )
    pickles = [entry for entry in sizes if entry.endswith("data.pkl")]
    if len(pickles) != 1:
        raise ConfigurationError(f"{name} holds {len(pickles)} entries data.pkl; expected one")
    folder = pickles[0][: -len("data.pkl")]
    if any(not entry.startswith(folder) or "constants.pkl" in entry for entry in sizes):
        raise ConfigurationError(f"{name} holds more than weights; do not trust the file")
    with archive.open(pickles[0]) as file:
        unpickler = _OfTensors(file, name, f"{folder}data/", sizes)
        try:
            content = unpickler.load()
        except ConfigurationError:
            raise
        # What else a broken pickle raises depends on where it is broken.
        except Exception as error:
            raise ConfigurationError(f"{name} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name} holds a {type(content).__name__}; expected weights by their names"
        )


class _OfTensors(pickle.Unpickler):
    """Goes through a pickle without making a tensor, and stops where it names anything else."""

    def __init__(self, file: Any, name: str, folder: str, sizes: Dict[str, int]) -> None:
        super().__init__(file)
        self._name = name
        self._folder = folder
        self._sizes = sizes

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return name
        if module == "torch._utils" and name in _BUILDERS:
            return _nothing
        raise ConfigurationError(
            f"{self._name} names {module}.{name}, which no weights need and which would be called; "
            "do not trust the file"
        )

    def persistent_load(self, pid: Tuple[Any, ...]) -> None:
        _, kind, key, _, count = pid
        found = self._sizes.get(f"{self._folder}{key}", -1)
        if not isinstance(count, int) or not 0 <= count * _STORAGES[kind] <= found:
            raise ConfigurationError(
                f"{self._name} is damaged: a tensor of {count} numbers is said to be in {found} "
                "bytes"
            )


_nothing: Callable[..., None] = lambda *_: None  # noqa: E731
