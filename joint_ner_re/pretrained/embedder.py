"""Word vectors from a pretrained encoder of the Hugging Face kind."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.modules.token_embedders import TokenEmbedder
from overrides import overrides
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from joint_ner_re.pretrained.encoder import (
    drop_upper_layers,
    fingerprint,
    layer_stack,
    load_encoder,
    max_pieces,
)
from joint_ner_re.pretrained.tokenizer import Markers, Pieces, piece_tokenizer
from joint_ner_re.pretrained.vector_cache import VectorCache

# Bounds the memory that the encoder needs.
MAX_PIECES_AT_ONCE = 16384
# Only one prediction thread opens the cache, because that reads all weights.
_OPENING_LOCK = Lock()


@TokenEmbedder.register("transformer")
class TransformerEmbedder(TokenEmbedder):
    """The mean of each word's pieces, in a learned mix of the encoder's layers.

    Use it with the token indexer `word_pieces` and the same `model_name`. A sentence that is too
    long for the encoder is read in windows that overlap by half. Each piece's vector comes from the
    window in which it has most context.

    A frozen encoder computes the vectors of each distinct sentence once and caches them before the
    layers are mixed.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.
    train_parameters : `bool`, optional (default = `False`)
        Whether training changes the encoder. A frozen encoder has no dropout.
    layers : `list[int]`, optional (default = `None`)
        The layers to mix: 0 is the encoder's embeddings, 1 its first layer, -1 its last layer.
        Default: all. Layers above the highest one in the mix are not computed.
    max_length : `int`, optional (default = `None`)
        How many pieces, including markers, the encoder reads at once. Default: its own limit.
    cache_megabytes : `int`, optional (default = `4096`)
        How much memory the cached vectors of a frozen encoder may take, in 10**6 bytes; 0 keeps
        none in memory. A word needs 4 bytes for each layer and unit: 40 kB for 13 layers of 768
        units. A warning says when no more fit.
    cache_directory : `str`, optional (default = `None`)
        Also cache vectors on disk, for other runs. Several runs can read and write at once. The
        file is as large as all its vectors (0.4 GB for CoNLL04 and six layers).
    trained_layers : `int`, optional (default = `None`)
        With `train_parameters`: training changes only so many layers, the highest in the mix. What
        is below them keeps its weights, without dropout, and takes no time for gradients. Default:
        training changes the whole encoder.

    # Raises

    `ConfigurationError`
        If there is no such encoder or layer, a number is impossible, or the directory cannot
        be written.
    """

    def __init__(
        self,
        model_name: str,
        train_parameters: bool = False,
        layers: list[int] | None = None,
        max_length: int | None = None,
        cache_megabytes: int = 4096,
        cache_directory: str | None = None,
        trained_layers: int | None = None,
    ) -> None:
        super().__init__()
        self._markers = piece_tokenizer(model_name).markers
        self.encoder = load_encoder(model_name)
        self.train_parameters = train_parameters
        self._frozen = not train_parameters
        depth = self.encoder.config.num_hidden_layers + 1
        self._layers = _checked_layers(layers, depth)
        highest = max(self._layers)
        # The parts of the encoder that training changes.
        self._trained: list[nn.Module] = [self.encoder]
        if trained_layers is not None:
            _check_trained_layers(trained_layers, highest, train_parameters)
            self._trained = list(layer_stack(self.encoder)[highest - trained_layers : highest])
        self._set_gradients()
        drop_upper_layers(self.encoder, highest)
        self._window = _checked_window(max_length, max_pieces(self.encoder), self._markers)
        self.mix = nn.Parameter(torch.zeros(len(self._layers))) if len(self._layers) > 1 else None
        if cache_megabytes < 0:
            raise ConfigurationError(f"cache_megabytes is {cache_megabytes}; expected 0 or more")
        if train_parameters and cache_directory is not None:
            raise ConfigurationError(
                "cache_directory is given, but train_parameters is true: vectors of an encoder "
                "that changes cannot be kept; leave one of the two out"
            )
        self._cache_options = (cache_megabytes, cache_directory)
        self._cache: VectorCache | None = None
        # Whether new vectors are cached. Only cache vectors of corpora: raw text is seen once.
        self.remember = True
        self._register_load_state_dict_pre_hook(self._forget)

    @overrides
    def get_output_dim(self) -> int:
        return self.encoder.config.hidden_size

    @overrides
    def train(self, mode: bool = True) -> "TransformerEmbedder":
        super().train(mode)
        self.encoder.eval()
        if not self._frozen:
            for part in self._trained:
                part.train(mode)
        return self

    def _set_gradients(self) -> None:
        self.encoder.requires_grad_(False)
        for part in self._trained:
            part.requires_grad_(not self._frozen)

    def freeze(self, frozen: bool) -> None:
        """Freeze or unfreeze an encoder that has `train_parameters`.

        The callback `unfreeze` in `joint_ner_re.training.callbacks` uses this.
        """
        if frozen != self._frozen:
            self._frozen = frozen
            self._set_gradients()
            self._forget()
            self.train(self.training)

    @overrides(check_signature=False)
    def forward(self, pieces: Tensor, words: Tensor) -> Tensor:
        """
        # Parameters

        pieces : `Tensor`
            Shape: (batch, pieces), each piece's number + 1; 0 is padding.
        words : `Tensor`
            Shape: (batch, pieces), the position of each piece's word + 1; 0 is padding.

        # Returns

        `Tensor`
            Shape: (batch, words, output size), 0 at padding.
        """
        if self._frozen:
            return self._remembered(pieces, words)
        sentences = _sentences(pieces, words)
        if torch.is_grad_enabled():
            return self._mixed(self._encode(sentences))
        return self._encode(sentences, mixed=True).squeeze(2)

    def _mixed(self, states: Tensor) -> Tensor:
        """The mix of the layers' states, of shape (..., layers or 1, output size)."""
        if self.mix is None:
            return states.squeeze(-2)
        # `einsum` would copy the states to transpose them, and mixed precision to cast them.
        with _precision(self._device, full=True):
            mix = self.mix.softmax(dim=0).to(states.dtype).unsqueeze(0)
            return torch.matmul(mix, states).squeeze(-2)

    def _remembered(self, pieces: Tensor, words: Tensor) -> Tensor:
        """The mix of the layers' states, from the cache if possible."""
        cache = self._open_cache()
        keys = _keys(pieces, words)
        rows = {key: row for row, key in enumerate(keys)}
        lengths = [max(row, default=0) for row in words.tolist()]
        found = {key: cache.get(key, lengths[row]) for key, row in rows.items()}
        new = [row for key, row in rows.items() if found[key] is None]
        missing = dict(zip([keys[row] for row in new], _sentences(pieces[new], words[new])))
        keeps = self.remember and self._cache_options != (0, None)
        if len(missing) == len(keys) and not keeps and not torch.is_grad_enabled():
            # With nothing to cache and no gradients, it is faster to mix the layers at once.
            return self._encode(list(missing.values()), mixed=True).squeeze(2)
        if missing:
            # Other runs use the cached vectors, so they always have single precision.
            with torch.no_grad(), _precision(self._device, full=keeps):
                encoded = self._encode(list(missing.values())).flatten(2).float().cpu()
            for row, (key, sentence) in zip(encoded, missing.items()):
                found[key] = row[: sentence.length]
            if keeps:
                cache.put({key: found[key] for key in missing})  # type: ignore[misc]
        kept: list[Tensor] = [found[key] for key in keys]  # type: ignore[misc]
        # Mixing before padding copies less. Shape: (all words, layers, size)
        states = torch.cat(kept).unflatten(1, (len(self._layers), -1))
        mixed = self._mixed(states.to(self._device))
        return pad_sequence(mixed.split(lengths), batch_first=True)

    def _encode(self, sentences: Sequence[Pieces], mixed: bool = False) -> Tensor:
        """The states of all layers or, if `mixed`, their mix as a single layer.

        Shape: (batch, words, layers or 1, output size), 0 at padding.
        """
        length = max(sentence.length for sentence in sentences)
        inputs: list[list[int]] = []
        # For each piece whose vector is used, its place in the inputs and its word.
        places: list[tuple[int, int]] = []
        targets: list[int] = []
        for row, sentence in enumerate(sentences):
            for begin, end, first, last in _windows(len(sentence.ids), self._window):
                places += [
                    (len(inputs), len(self._markers.before) + place - begin)
                    for place in range(first, last)
                ]
                targets += [row * length + word for word in sentence.words[first:last]]
                inputs.append(self._markers.before + sentence.ids[begin:end] + self._markers.after)
        rows, columns = torch.tensor(places, device=self._device).unbind(1)
        # Shape: (pieces, layers or 1, output size)
        states = self._read(inputs, mixed)[rows, columns]
        index = torch.tensor(targets, device=self._device)
        sums = states.new_zeros(len(sentences) * length, *states.shape[1:])
        sums = sums.index_add(0, index, states)
        counts = torch.bincount(index, minlength=len(sums)).clamp(min=1)
        return (sums / counts.view(-1, 1, 1)).unflatten(0, (len(sentences), length))

    def _read(self, inputs: list[list[int]], mixed: bool) -> Tensor:
        """The encoder's states for these windows or, if `mixed`, their mix.

        Shape: (windows, pieces, layers or 1, output size)
        """
        width = max(len(window) for window in inputs)
        padding = self._markers.padding
        ids = torch.tensor([w + [padding] * (width - len(w)) for w in inputs], device=self._device)
        lengths = torch.tensor([len(window) for window in inputs], device=self._device)
        mask = (torch.arange(width, device=self._device) < lengths.unsqueeze(1)).long()
        step = max(1, MAX_PIECES_AT_ONCE // width)
        batches = []
        for start in range(0, len(inputs), step):
            rows = slice(start, start + step)
            hidden = self.encoder(input_ids=ids[rows], attention_mask=mask[rows]).hidden_states
            states = [hidden[layer] for layer in self._layers]
            if mixed and self.mix is not None:
                weights = self.mix.softmax(dim=0)
                total = states[0].to(weights.dtype) * weights[0]
                for layer, weight in zip(states[1:], weights[1:]):
                    total.addcmul_(layer.to(weights.dtype), weight)
                states = [total]
            batches.append(torch.stack(states, dim=2))
        return torch.cat(batches)

    def _open_cache(self) -> VectorCache:
        with _OPENING_LOCK:
            if self._cache is None:
                self._cache = self._new_cache()
            return self._cache

    def _new_cache(self) -> VectorCache:
        megabytes, directory = self._cache_options
        size = len(self._layers) * self.get_output_dim()
        path = None
        if directory is not None:
            layers = "_".join(str(layer) for layer in self._layers)
            name = f"{fingerprint(self.encoder)}-{layers}-{self._window}.sqlite"
            path = os.path.join(directory, name)
        return VectorCache(size, megabytes, path)

    def _forget(self, *_: Any) -> None:
        """Discard the cache, because other weights give other vectors."""
        self._cache = None

    @property
    def _device(self) -> torch.device:
        return next(self.encoder.parameters()).device


def _precision(device: torch.device, full: bool) -> AbstractContextManager[Any]:
    """Enforces single precision if `full`; otherwise `torch.autocast` applies as set outside."""
    return torch.autocast(device.type, enabled=False) if full else nullcontext()


def _sentences(pieces: Tensor, words: Tensor) -> list[Pieces]:
    return [
        Pieces([number - 1 for number in ids if number], [word - 1 for word in row if word])
        for ids, row in zip(pieces.tolist(), words.tolist())
    ]


def _keys(pieces: Tensor, words: Tensor) -> list[bytes]:
    """A key for each sentence, from everything that its vectors depend on besides the encoder."""
    numbers = torch.stack([pieces, words], dim=2).cpu().numpy()
    lengths = (pieces > 0).sum(dim=1).tolist()
    return [
        hashlib.blake2b(row[:length].tobytes(), digest_size=16).digest()
        for row, length in zip(numbers, lengths)
    ]


def _windows(length: int, size: int | None) -> list[tuple[int, int, int, int]]:
    """The windows in which a sentence of `length` pieces is read.

    Each window has four numbers: its begin and end, and the begin and end of the pieces whose
    vectors it provides. Of the pieces that two windows share, the first window provides the first
    half and the second window the second half.
    """
    if size is None or length <= size:
        return [(0, length, 0, length)] if length else []
    begins = list(range(0, length - size, size - size // 2)) + [length - size]
    ends = [begin + size for begin in begins]
    meeting = [(end + begin) // 2 for end, begin in zip(ends, begins[1:])]
    return list(zip(begins, ends, [0, *meeting], [*meeting, length]))


def _checked_layers(layers: list[int] | None, depth: int) -> list[int]:
    if layers is None:
        return list(range(depth))
    wrong = [layer for layer in layers if not -depth <= layer < depth]
    if wrong or not layers:
        raise ConfigurationError(
            f"layers is {layers}; expected some of 0 to {depth - 1}, or of -{depth} to -1"
        )
    return sorted({layer % depth for layer in layers})


def _check_trained_layers(number: int, highest: int, train_parameters: bool) -> None:
    if not train_parameters:
        raise ConfigurationError(
            f"trained_layers is {number}, but train_parameters is false, so none is trained; "
            "expected true, or no trained_layers"
        )
    if not 1 <= number <= highest:
        raise ConfigurationError(
            f"trained_layers is {number}; expected 1 to {highest}, the highest layer in the mix"
        )


def _checked_window(given: int | None, limit: int | None, markers: Markers) -> int | None:
    """How many pieces a window has, without markers; `None` if there is no limit."""
    around = len(markers.before) + len(markers.after)
    if given is not None and (given < around + 2 or (limit is not None and given > limit)):
        upper = f"at most {limit}" if limit is not None else "no upper limit"
        raise ConfigurationError(
            f"max_length is {given}; expected at least {around + 2}, and {upper}"
        )
    length = given if given is not None else limit
    return None if length is None else length - around
