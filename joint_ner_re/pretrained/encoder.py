"""Pretrained encoders: loaded from the files of strangers, and saved."""

import copy
import hashlib
import os
import shutil
from tempfile import TemporaryDirectory

import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from joint_ner_re.pretrained.architectures import (
    CONFIG,
    Architecture,
    make_config,
    read_description,
)
from joint_ner_re.pretrained.places import find_directory
from joint_ner_re.pretrained.tokenizer import PieceTokenizer
from joint_ner_re.pretrained.weights import (
    SAFETENSORS_PATTERNS,
    TORCH_PATTERNS,
    has_safetensors,
    read_weights_of,
)

# Numbers that follow from the configuration, and the layer that is taken away.
_NEVER_SAVED = (
    "position_ids", "token_type_ids", "pooler.dense.weight", "pooler.dense.bias", "pooler.weight",
    "pooler.bias",
)  # fmt: skip
# A file may lack the pooler's weights and those of attention heads that were pruned. So the size
# that a configuration describes is compared with twice the file's, and this number more.
_MAX_MISSING = 10**7
# In these architectures each layer's states are given as they are, and feed the next one.
_PLAIN_STACKS = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")


def load_encoder(model_name: str) -> PreTrainedModel:
    """A pretrained encoder, in evaluation mode, that gives all its layers' states.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.

    # Raises

    `ConfigurationError`
        If there is no such encoder, its architecture is not one of those that this package uses,
        or a file is damaged, incomplete or would run code.
    """
    directory = find_directory(model_name, [CONFIG, "adapter_config.json", *SAFETENSORS_PATTERNS])
    description = read_description(directory)
    path = os.path.join(directory, CONFIG)
    config = make_config(description, path)
    if not has_safetensors(directory):
        directory = find_directory(model_name, [CONFIG, *TORCH_PATTERNS])
    weights = read_weights_of(directory)
    encoder = _make(description.architecture, config, weights, path)
    if hasattr(encoder, "pooler"):
        # It is not used, and its weights would have no gradient.
        encoder.pooler = None
    return encoder.eval()


def _make(
    architecture: Architecture, config: PretrainedConfig, weights: dict[str, Tensor], path: str
) -> PreTrainedModel:
    """Transformers gets a configuration and tensors, and no file of a stranger."""
    _check_size(architecture, config, weights, path)
    try:
        encoder, report = architecture.model_class.from_pretrained(
            None, config=config, state_dict=weights, output_loading_info=True
        )
    # Weights of another shape than expected, or with names that are not strings.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigurationError(f"{path} does not fit the weights beside it: {reason}") from error
    missing = [name for name in report["missing_keys"] if not name.endswith(_NEVER_SAVED)]
    if missing:
        raise ConfigurationError(
            f"{path}: the weights beside it lack {missing[0]!r} and {len(missing) - 1} others; "
            "expected a whole encoder"
        )
    return encoder


def _check_size(
    architecture: Architecture, config: PretrainedConfig, weights: dict[str, Tensor], path: str
) -> None:
    """Compare the size that the configuration describes with that of the weights.

    On torch's device `meta` a module takes no memory, whatever its size.
    """
    unpruned = copy.deepcopy(config)
    # Heads cannot be pruned on `meta`.
    unpruned.pruned_heads = {}
    try:
        with torch.device("meta"):
            described = architecture.model_class(unpruned)
    except Exception as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error
    expected = sum(weight.numel() for weight in described.parameters())
    found = sum(weight.numel() for weight in weights.values())
    if expected > 2 * found + _MAX_MISSING:
        raise ConfigurationError(
            f"{path} describes an encoder of {expected} weights; the files beside it have {found}"
        )


def save_encoder(encoder: PreTrainedModel, model_name: str, directory: str) -> None:
    """Write an encoder that began as `model_name`, with its tokenizer, for `load_encoder`.

    # Parameters

    encoder : `PreTrainedModel`
        What `load_encoder` gave, with other weights.
    model_name : `str`
        Whose tokenizer it has; see `joint_ner_re.pretrained`.
    directory : `str`
        Gets everything or nothing. If it exists, it is replaced.
    """
    parent, name = os.path.split(os.path.abspath(directory))
    with TemporaryDirectory(dir=parent, prefix=f".{name}.") as temporary:
        complete = os.path.join(temporary, name)
        encoder.save_pretrained(complete)
        PieceTokenizer(model_name).save(complete)
        shutil.rmtree(directory, ignore_errors=True)
        os.replace(complete, directory)


def shorten(encoder: PreTrainedModel, depth: int) -> None:
    """Leave out the layers above `depth`, where that changes nothing below.

    Architectures other than `_PLAIN_STACKS` may do something to the last layer's states.
    """
    if encoder.config.model_type not in _PLAIN_STACKS:
        return
    for module in encoder.modules():
        stack = getattr(module, "layer", None)
        if isinstance(stack, torch.nn.ModuleList) and len(stack) > depth:
            module.layer = stack[:depth]


def longest_input(encoder: PreTrainedModel) -> int | None:
    """How many pieces, markers included, the encoder takes at once; `None` if any number."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    # RoBERTa and its kin count positions from the padding number + 1.
    embeddings = getattr(encoder, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    offset = getattr(table, "padding_idx", None)
    return positions - (offset + 1 if offset is not None else 0)


def fingerprint(encoder: torch.nn.Module) -> str:
    """A digest of the weights: two encoders that have the same give the same vectors."""
    digest = hashlib.sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        values = weight.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
