"""Loads pretrained encoders from untrusted files, and saves encoders."""

import copy
import hashlib
import os
import shutil
from tempfile import TemporaryDirectory

import torch
from allennlp.common.checks import ConfigurationError
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_utils import no_init_weights

from joint_ner_re.pretrained.architectures import (
    CONFIG,
    Architecture,
    make_config,
    read_description,
)
from joint_ner_re.pretrained.locations import find_directory
from joint_ner_re.pretrained.tokenizer import PieceTokenizer
from joint_ner_re.pretrained.weights import (
    SAFETENSORS_PATTERNS,
    TORCH_PATTERNS,
    has_safetensors,
    read_weights_of,
)

# Tensors that follow from the configuration, and the pooler, which is removed.
_NEVER_SAVED = (
    "position_ids", "token_type_ids", "pooler.dense.weight", "pooler.dense.bias", "pooler.weight",
    "pooler.bias",
)  # fmt: skip
# A file may lack the weights of the pooler and of pruned attention heads. So a configuration may
# describe twice as many weights as the file has, plus this number.
_MAX_MISSING = 10**7
# In these architectures each layer's output is the next layer's input, unchanged.
_PLAIN_STACKS = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")


def load_encoder(model_name: str) -> PreTrainedModel:
    """A pretrained encoder in evaluation mode that returns the states of all its layers.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.

    # Raises

    `ConfigurationError`
        If there is no such encoder, its architecture is not supported, or a file is damaged,
        incomplete or would run code.
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
        # It is not used, so its weights would get no gradient.
        encoder.pooler = None
    return encoder.eval()


def _make(
    architecture: Architecture, config: PretrainedConfig, weights: dict[str, Tensor], path: str
) -> PreTrainedModel:
    """Have transformers make the encoder from a configuration and tensors, not from files."""
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
            "expected a complete encoder"
        )
    return encoder


def _check_size(
    architecture: Architecture, config: PretrainedConfig, weights: dict[str, Tensor], path: str
) -> None:
    """Compare the configuration's number of weights with that of the files.

    The encoder is built on torch's device `meta`, where it takes no memory, and without drawing
    initial weights, which would take five times as long.
    """
    unpruned = copy.deepcopy(config)
    # Pruning heads does not work on `meta`.
    unpruned.pruned_heads = {}
    try:
        with torch.device("meta"), no_init_weights():
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
    """Write an encoder and its tokenizer, for `load_encoder`.

    # Parameters

    encoder : `PreTrainedModel`
        An encoder from `load_encoder`, perhaps trained.
    model_name : `str`
        The name that it was loaded by; its tokenizer is copied from there.
    directory : `str`
        The directory to write. It is replaced if it exists, and appears only when it is complete.
    """
    parent, name = os.path.split(os.path.abspath(directory))
    with TemporaryDirectory(dir=parent, prefix=f".{name}.") as temporary:
        complete = os.path.join(temporary, name)
        encoder.save_pretrained(complete)
        PieceTokenizer(model_name).save(complete)
        shutil.rmtree(directory, ignore_errors=True)
        os.replace(complete, directory)


def drop_upper_layers(encoder: PreTrainedModel, depth: int) -> None:
    """Remove the layers above `depth`, if that does not change the others' states.

    Other architectures than `_PLAIN_STACKS` may change the states of their last layer.
    """
    if encoder.config.model_type not in _PLAIN_STACKS:
        return
    for module in encoder.modules():
        stack = getattr(module, "layer", None)
        if isinstance(stack, torch.nn.ModuleList) and len(stack) > depth:
            module.layer = stack[:depth]


def layer_stack(encoder: PreTrainedModel) -> torch.nn.ModuleList:
    """The layers of an encoder, the lowest first.

    # Raises

    `ConfigurationError`
        If it has no weights for each layer of its own, as ALBERT.
    """
    number = encoder.config.num_hidden_layers
    for module in encoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == number:
            return module
    raise ConfigurationError(
        f"{encoder.config.model_type} has the same weights in several layers, so they are trained "
        "together: leave trained_layers out"
    )


def max_pieces(encoder: PreTrainedModel) -> int | None:
    """How many pieces, including markers, the encoder can read at once; `None` if unlimited."""
    positions = getattr(encoder.config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    # RoBERTa and its relatives count positions from the padding index + 1.
    embeddings = getattr(encoder, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    offset = getattr(table, "padding_idx", None)
    return positions - (offset + 1 if offset is not None else 0)


def fingerprint(encoder: torch.nn.Module) -> str:
    """A digest of the weights. Encoders with the same digest give the same vectors."""
    digest = hashlib.sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        values = weight.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]
