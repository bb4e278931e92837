"""Reads files of weights that somebody else may have made.

Such a file is a zip archive with a pickle in it, and a pickle can name any function and have it
called. `torch.load(weights_only=True)` calls none. This module adds what torch does not do: it
bounds memory before torch allocates any, accepts a plain dictionary of tensors only, and explains
in one error what is wrong with the file.
"""

import os
import pickletools
import re
import zipfile
from collections.abc import Iterator

import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor

# A zip archive begins so. torch reads a file that begins otherwise in its format of before 2020.
_ZIP = b"PK\x03\x04"
# What `torch.save` writes, all of it in one folder.
_ENTRY = re.compile(
    r"[^/]+/(data\.pkl|version|byteorder|data/\d+|\.data/serialization_id"
    r"|\.format_version|\.storage_alignment)"
)
# The pickle holds names and shapes: some 150 bytes for each tensor.
_MAX_PICKLE_BYTES = 2**26
# The names that a dictionary of tensors needs. torch allows more, such as `bytearray`, whose
# argument says how much memory it takes.
_NAME = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch(\.storage)? [A-Z][A-Za-z0-9]*Storage"
)


def read_weights(path: str, max_bytes: int, cuda_device: int = -1) -> dict[str, Tensor]:
    """Read a file that `torch.save` wrote of a module's `state_dict()`.

    The tensors stay in the file, which is mapped into memory, until they are used.

    # Parameters

    path : `str`
    max_bytes : `int`
        The largest file that is read.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the tensors are put on; -1 is the CPU.

    # Returns

    `dict[str, Tensor]`

    # Raises

    `ConfigurationError`
        If the file is missing, damaged or too large, or if it holds anything but tensors by name.
    """
    name = os.path.basename(path)
    _check_file(path, name, max_bytes)
    device = f"cuda:{cuda_device}" if cuda_device >= 0 else "cpu"
    try:
        sizes = _check_entries(path, name)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        weights = _checked(content, name, sizes)
    except ConfigurationError:
        raise
    # Which exception a damaged pickle or zip archive raises depends on where it is damaged.
    except Exception as error:
        raise ConfigurationError(f"{name} is damaged: {_reason(error)}") from error
    return {key: weight.to(device) for key, weight in weights.items()}


def _check_file(path: str, name: str, max_bytes: int) -> None:
    if not os.path.isfile(path):
        raise ConfigurationError(f"there are no weights: {path} is not a file")
    size = os.path.getsize(path)
    if size > max_bytes:
        raise ConfigurationError(f"{name} has {size} bytes; expected at most {max_bytes}")
    with open(path, "rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            raise ConfigurationError(
                f"{name} is damaged, or not in the format that PyTorch writes since release 1.6; "
                "if you trust the file, load it with torch and save it anew"
            )


def _check_entries(path: str, name: str) -> list[int]:
    """Check the zip archive and the names in its pickle; the bytes of each stored tensor."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for entry in entries:
            if not _ENTRY.fullmatch(entry.filename):
                raise ConfigurationError(
                    f"{name} has the entry {entry.filename!r:.80}; expected data.pkl, data/0, ... "
                    "as torch.save writes them; do not trust the file"
                )
            # `torch.save` compresses nothing. So what is unpacked is no larger than the file.
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ConfigurationError(f"{name}: the entry {entry.filename!r:.80} is compressed")
        if entries and min(entry.header_offset for entry in entries) > 0:
            raise ConfigurationError(f"{name} has something before its first entry")
        paths = {entry.filename for entry in entries}
        # torch takes the first entry's folder, and finds entries whatever their case.
        if len({one.partition("/")[0] for one in paths}) != 1 or len(paths) != len(entries):
            raise ConfigurationError(
                f"{name} has entries in several folders, or two of one name; do not trust the file"
            )
        pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ConfigurationError(f"{name} has no entry data.pkl; expected one")
        if pickles[0].file_size > _MAX_PICKLE_BYTES:
            raise ConfigurationError(
                f"{name}: data.pkl has {pickles[0].file_size} bytes; expected at most "
                f"{_MAX_PICKLE_BYTES}"
            )
        for named in _names(archive.read(pickles[0])):
            if not _NAME.fullmatch(named):
                raise ConfigurationError(
                    f"{name} names {named.replace(' ', '.'):.80}, which no weights need; do not "
                    "trust the file"
                )
        return [entry.file_size for entry in entries if "/data/" in entry.filename]


def _names(pickled: bytes) -> Iterator[str]:
    """The classes and functions that a pickle names, as "module name". Nothing is unpickled."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument)


def _reason(error: Exception) -> str:
    """torch's text without its advice to read the file without protection."""
    reason = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
    return reason[:200] or type(error).__name__


def _checked(content: object, name: str, sizes: list[int]) -> dict[str, Tensor]:
    """Check what torch made of the file."""
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{name} holds a {type(content).__name__}; expected tensors by their names"
        )
    storages = {}
    for key, weight in content.items():
        if not (isinstance(key, str) and isinstance(weight, Tensor)):
            raise ConfigurationError(
                f"{name}: {key!r:.80} is a {type(weight).__name__}; expected names of tensors"
            )
        storage = weight.untyped_storage()
        # The shape may say that one stored number stands in many places.
        if weight.numel() * weight.element_size() > storage.nbytes():
            raise ConfigurationError(
                f"{name}: {key!r:.80} has the shape {tuple(weight.shape)} and only "
                f"{storage.nbytes()} bytes; do not trust the file"
            )
        storages[storage.data_ptr()] = storage.nbytes()
    # torch does not compare what a tensor claims with the size of its entry.
    if sorted(filter(None, storages.values())) != sorted(filter(None, sizes)):
        raise ConfigurationError(
            f"{name} is damaged: its tensors claim {sum(storages.values())} bytes; the entries "
            f"that hold them have {sum(sizes)}"
        )
    return content
