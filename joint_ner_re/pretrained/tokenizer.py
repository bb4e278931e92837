"""Splits words into the pieces that a pretrained encoder knows."""

import json
import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from allennlp.common.checks import ConfigurationError
from transformers import PreTrainedTokenizerFast

from joint_ner_re.pretrained.architectures import (
    CONFIG,
    read_description,
    read_json,
    refuse_code,
    tokenizer_class,
)
from joint_ner_re.pretrained.locations import find_directory

SETTINGS = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
TOKENIZER = "tokenizer.json"
_PATTERNS = [
    CONFIG, "adapter_config.json", SETTINGS, SPECIAL_TOKENS, ADDED_TOKENS, TOKENIZER,
    "vocab.txt", "vocab.json", "merges.txt", "spm.model", "spiece.model",
    "sentencepiece.model", "sentencepiece.bpe.model", "bpe.codes", "bpe_encoder.bin",
]  # fmt: skip
_TOKEN_SETTINGS = {
    "additional_special_tokens", "bos_token", "cls_token", "eos_token", "mask_token", "pad_token",
    "sep_token", "unk_token",
}  # fmt: skip
# Other settings name files or code, or concern text generation.
_SETTINGS = _TOKEN_SETTINGS | {
    "add_prefix_space", "added_tokens_decoder", "do_lower_case", "keep_accents", "remove_space",
    "split_by_punct", "strip_accents", "tokenize_chinese_chars", "trim_offsets", "vocab_type",
    "wordpieces_prefix",
}  # fmt: skip
# Vocabularies of a hundred languages have 17 megabytes.
MAX_VOCABULARY_BYTES = 10**9


class Pieces(NamedTuple):
    """The word pieces of a sentence: their numbers, and the word that each belongs to."""

    ids: list[int]
    words: list[int]

    @property
    def length(self) -> int:
        """The number of words. Each word has at least one piece."""
        return self.words[-1] + 1 if self.words else 0


class Markers(NamedTuple):
    """The pieces that an encoder expects before and after a sequence, and as padding."""

    before: list[int]
    after: list[int]
    padding: int


class PieceTokenizer:
    """Splits words into the pieces that a pretrained encoder knows.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.

    # Raises

    `ConfigurationError`
        If there is no such encoder, it has no fast tokenizer (slow ones do not say which characters
        a piece comes from), or a file is damaged or would run code.
    """

    def __init__(self, model_name: str) -> None:
        directory = find_directory(model_name, _PATTERNS)
        self._tokenizer = _load(directory)

    def pieces(self, words: Sequence[str]) -> Pieces:
        """The pieces of a sentence. A word without pieces gets the unknown piece."""
        ends: list[int] = []
        position = 0
        for word in words:
            position += len(word)
            ends.append(position)
            position += 1
        # `verbose=False`: no warning about long sentences, which the embedder reads in windows.
        encoding = self._tokenizer(
            " ".join(words), add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        pieces = Pieces([], [])
        for number, (begin, end) in zip(encoding["input_ids"], encoding["offset_mapping"]):
            if begin == end:
                continue
            # A piece may begin with the space before its word, so its last character decides.
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
        marked = self._tokenizer.build_inputs_with_special_tokens([unknown])
        place = marked.index(unknown)
        padding = self._tokenizer.pad_token_id
        return Markers(marked[:place], marked[place + 1 :], 0 if padding is None else padding)

    @property
    def mask(self) -> int | None:
        """The mask piece; `None` if the encoder has none."""
        return self._tokenizer.mask_token_id

    def save(self, directory: str) -> None:
        """Write the tokenizer's files into a directory."""
        self._tokenizer.save_pretrained(directory)


@lru_cache(maxsize=8)
def piece_tokenizer(model_name: str) -> PieceTokenizer:
    """The tokenizer of this encoder, cached."""
    return PieceTokenizer(model_name)


def _load(directory: str) -> PreTrainedTokenizerFast:
    """Have transformers load a tokenizer from a copy of the files and settings that it needs.

    Transformers obeys names of code and of other files and directories in a tokenizer's files. The
    copy contains no such names.
    """
    description = read_description(directory)
    path = os.path.join(directory, SETTINGS)
    settings = read_json(path) or {}
    refuse_code(settings, path)
    named = settings.get("tokenizer_class")
    if named is None:
        path = os.path.join(directory, CONFIG)
        named = description.settings.get("tokenizer_class")
    if named is None:
        named = description.architecture.tokenizer
    kind = tokenizer_class(named, path)
    with TemporaryDirectory() as copy:
        _copy_settings(settings, directory, kind, copy)
        _copy_vocabulary(directory, kind, copy)
        try:
            return kind.from_pretrained(copy, local_files_only=True)
        # The exception for a damaged file depends on the tokenizer.
        except Exception as error:
            reason = " ".join(str(error).replace(copy, directory).split())[:300]
            raise ConfigurationError(
                f"{directory}: the tokenizer's files are damaged or incomplete: {reason}"
            ) from error


def _copy_settings(settings: dict, directory: str, kind: type, copy: str) -> None:
    used = {key: value for key, value in settings.items() if key in _SETTINGS}
    if isinstance(settings.get("model_max_length"), int):
        # Not used here, but other programs may need it in a saved copy.
        used["model_max_length"] = settings["model_max_length"]
    # Without `tokenizer_class`, transformers looks for `config.json`.
    _write_json({**used, "tokenizer_class": kind.__name__}, copy, SETTINGS)
    special = read_json(os.path.join(directory, SPECIAL_TOKENS))
    if special is not None:
        used = {key: value for key, value in special.items() if key in _TOKEN_SETTINGS}
        _write_json(used, copy, SPECIAL_TOKENS)
    added = read_json(os.path.join(directory, ADDED_TOKENS))
    if added is not None:
        _write_json(added, copy, ADDED_TOKENS)


def _write_json(content: dict[str, Any], directory: str, name: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        json.dump(content, file)


def _copy_vocabulary(directory: str, kind: type[PreTrainedTokenizerFast], copy: str) -> None:
    names = {TOKENIZER, *filter(None, kind.vocab_files_names.values())}
    found = [name for name in sorted(names) if os.path.isfile(os.path.join(directory, name))]
    for name in found:
        path = os.path.join(directory, name)
        if os.path.getsize(path) > MAX_VOCABULARY_BYTES:
            raise ConfigurationError(
                f"{path} has {os.path.getsize(path)} bytes; expected at most {MAX_VOCABULARY_BYTES}"
            )
        shutil.copyfile(path, os.path.join(copy, name))
    if not found or (kind is PreTrainedTokenizerFast and TOKENIZER not in found):
        raise ConfigurationError(
            f"{directory} has no tokenizer; expected {' or '.join(sorted(names))}"
        )
