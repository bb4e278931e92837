"""Reads the weights of a pretrained encoder, from safetensors or torch files."""

import os

from allennlp.common.checks import ConfigurationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from joint_ner_re.pretrained.architectures import read_json
from joint_ner_re.weight_files import read_weights

SAFETENSORS = "model.safetensors"
TORCH = "pytorch_model.bin"
# More than the weights of any encoder.
MAX_BYTES = 10**12
SAFETENSORS_PATTERNS = ["model*.safetensors", f"{SAFETENSORS}.index.json"]
TORCH_PATTERNS = ["pytorch_model*.bin", f"{TORCH}.index.json"]


def has_safetensors(directory: str) -> bool:
    return any(
        os.path.isfile(os.path.join(directory, name))
        for name in (SAFETENSORS, f"{SAFETENSORS}.index.json")
    )


def read_weights_of(directory: str) -> dict[str, Tensor]:
    """All weights in a directory, from one file or from several files that an index lists.

    # Raises

    `ConfigurationError`
        If there are none, a file is damaged or holds anything but tensors, or the index names
        files in other directories.
    """
    for name in (SAFETENSORS, TORCH):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return _read(path)
        index = read_json(f"{path}.index.json")
        if index is not None:
            weights: dict[str, Tensor] = {}
            for shard in _shards(index, f"{path}.index.json"):
                weights.update(_read(os.path.join(directory, shard)))
            return weights
    raise ConfigurationError(
        f"{directory} has no weights; expected {SAFETENSORS} or {TORCH}, or an index of several "
        "such files"
    )


def _shards(index: dict, path: str) -> list[str]:
    """The names of the files that an index lists."""
    names = index.get("weight_map")
    if not isinstance(names, dict):
        raise ConfigurationError(f"{path} is damaged: it has no weight_map")
    directory = os.path.dirname(path)
    shards = sorted({str(name) for name in names.values()})
    for shard in shards:
        is_plain = not set(shard) & set("/\\:\0") and shard not in (".", "..")
        if not is_plain or not os.path.isfile(os.path.join(directory, shard)):
            raise ConfigurationError(
                f"{path} names {shard!r:.80}; expected files that lie beside it"
            )
    return shards


def _read(path: str) -> dict[str, Tensor]:
    if path.endswith(".safetensors"):
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"{path} is damaged: {error}") from error
    return read_weights(path, MAX_BYTES)
