"""Replacements of the functions that AllenNLP's `load_archive` calls.

`joint_ner_re.allennlp_changes` gives the reasons.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.common.meta import META_NAME
from allennlp.common.params import parse_overrides, remove_keys_from_params, with_overrides
from allennlp.data import Vocabulary
from allennlp.models import Model, archival
from allennlp.models.archival import Archive

from joint_ner_re.allennlp_changes import make
from joint_ner_re.archives.errors import reading
from joint_ner_re.archives.members import (
    CONFIG,
    archive_of,
    extracted,
    max_archive_bytes,
    read_config,
    read_json,
)
from joint_ner_re.archives.trust import check_config, guarded
from joint_ner_re.messages import quote
from joint_ner_re.weight_files import read_weights
from joint_ner_re.writing import PathLike

VOCABULARY = "vocabulary"
# `allennlp train` requires these sections, so every archive has them.
_REQUIRED = ("dataset_reader", "model", "data_loader")
_SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){2}\w*")


def load_archive(
    archive: PathLike, cuda_device: int = -1, overrides: str | dict[str, Any] = ""
) -> Archive:
    """As AllenNLP's `load_archive`, but safe for untrusted archives.

    # Parameters

    archive : `str`
        A `model.tar.gz`, its URL, or a directory that `allennlp train` wrote.
    cuda_device : `int`, optional (default = `-1`)
        The GPU of the model; -1 is the CPU.
    overrides : `str | dict[str, Any]`, optional (default = `""`)
        Changed options, as JSON or a dictionary.

    # Raises

    `ArchiveError`
        If the archive is damaged, too large, or contains something that could run. It names the
        archive and the member.
    """
    path = cached_path(archive)
    return archival.load_archive(path, cuda_device=cuda_device, overrides=overrides)


class ArchiveParams(Params):
    """Reads the configuration of an archive as JSON; AllenNLP evaluates it as a jsonnet program."""

    @classmethod
    def from_file(
        cls,
        params_file: PathLike,
        params_overrides: str | dict[str, Any] = "",
        ext_vars: dict[str, Any] | None = None,
    ) -> Params:
        config = read_config(Path(params_file).parent)
        overrides = params_overrides
        if isinstance(overrides, str):
            overrides = parse_overrides(overrides, ext_vars=ext_vars)
        return Params(with_overrides(config, overrides) if overrides else config)


@contextmanager
def extracted_archive(resolved_archive_file: PathLike, cleanup: bool = True) -> Iterator[str]:
    """A directory with the archive's files; see `joint_ner_re.archives.extracted`."""
    with extracted(resolved_archive_file, cleanup) as directory:
        yield str(directory)


def load_dataset_readers(config: Params, serialization_dir: PathLike) -> Any:
    """The two dataset readers. AllenNLP calls this first, so the configuration is checked here."""
    archive = archive_of(serialization_dir)
    with reading(archive, CONFIG):
        _check_sections(config.as_dict(quiet=True))
        check_config(config.as_dict(quiet=True))
    with reading(archive, META_NAME):
        _check_meta(Path(serialization_dir) / META_NAME)
    with guarded(), reading(archive, CONFIG):
        return _load_dataset_readers(config, serialization_dir)


def load_model(
    config: Params, weights_path: PathLike, serialization_dir: PathLike, cuda_device: int
) -> Model:
    """Construct the model from the configuration and the vocabulary, and load its weights.

    It does the same as AllenNLP's `Model.load`, in steps whose errors name the member.
    """
    archive, weights_name = archive_of(serialization_dir), os.path.basename(weights_path)
    with guarded():
        with reading(archive, CONFIG):
            check_config(config.as_dict(quiet=True))
            # The archive must not choose where files are written.
            remove_keys_from_params(config["model"], ["cache_directory"])
            # Only training needs these; here the weights hold the result.
            remove_keys_from_params(config["model"], ["pretrained_file", "initializer"])
            loads_itself = _loads_itself(config)
        if loads_itself:
            with reading(archive, weights_name):
                read_weights(os.fspath(weights_path), max_archive_bytes())
            with reading(archive):
                return _load_model(config, weights_path, serialization_dir, cuda_device)
        vocabulary = _read_vocabulary(archive, Path(serialization_dir) / VOCABULARY, config)
        with reading(archive, CONFIG):
            model = Model.from_params(
                vocab=vocabulary, params=config["model"], serialization_dir=serialization_dir
            )
        model.to(f"cuda:{cuda_device}" if cuda_device >= 0 else "cpu")
        with reading(archive, weights_name):
            model.extend_embedder_vocab()
            _put_weights(model, os.fspath(weights_path), cuda_device)
    return model


def _check_sections(config: dict[str, Any]) -> None:
    """Check the values of a configuration that AllenNLP uses unchecked."""
    for name in _REQUIRED:
        if not isinstance(config.get(name), dict):
            raise ConfigurationError(f"{name} is {quote(config.get(name))}; expected an object")
    for name in _SEEDS:
        seed = config.get(name)
        if seed is not None and not (type(seed) is int and 0 <= seed < 2**32):
            raise ConfigurationError(
                f"{name} is {quote(seed)}; expected a whole number from 0 to {2**32 - 1}"
            )


def _check_meta(path: Path) -> None:
    """Check the file with the AllenNLP version that wrote the archive, if there is one."""
    if not path.exists():
        return
    meta = read_json(path)
    version = meta.get("version") if isinstance(meta, dict) and len(meta) == 1 else None
    if not (isinstance(version, str) and _VERSION.fullmatch(version)):
        raise ConfigurationError(f'it is {quote(meta)}; expected such as {{"version": "2.10.1"}}')


def _loads_itself(config: Params) -> bool:
    """Whether the model's class overrides AllenNLP's way to load a model."""
    kind: Any = Model.by_name(config["model"]["type"])
    kind = kind if isinstance(kind, type) else kind.__self__
    return kind._load.__func__ is not Model._load.__func__  # type: ignore[attr-defined]


def _read_vocabulary(archive: str, directory: Path, config: Params) -> Vocabulary:
    with reading(archive, VOCABULARY):
        if not directory.is_dir():
            raise ConfigurationError("there is no such directory")
        files = sorted(directory.iterdir())
    for path in files:
        # Read each file first, since AllenNLP's error would not name the file.
        with reading(archive, f"{VOCABULARY}/{path.name}"):
            path.read_bytes().decode("utf-8")
    with reading(archive, VOCABULARY):
        params = config.get(VOCABULARY, Params({}))
        choice = params.pop_choice("type", Vocabulary.list_available(), True)
        vocabulary = Vocabulary.resolve_class_name(choice)[0].from_files(
            directory, params.get("padding_token"), params.get("oov_token")
        )
    for namespace in vocabulary.get_namespaces():
        words = vocabulary.get_index_to_token_vocabulary(namespace)
        with reading(archive, f"{VOCABULARY}/{namespace}.txt"):
            if len(set(words.values())) < len(words):
                raise ConfigurationError("it has the same line twice")
    return vocabulary


def _put_weights(model: Model, path: str, cuda_device: int) -> None:
    weights = read_weights(path, max_archive_bytes(), cuda_device)
    missing, surplus = model.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not _may_be_missing(model, name)]
    if missing or surplus:
        raise ConfigurationError(
            f"the model of {CONFIG} needs the weights {missing[:5]}, which are missing, and has no "
            f"place for {surplus[:5]}"
        )
    for name, parameter in model.named_parameters():
        if name in weights and parameter.is_floating_point():
            if not weights[name].is_floating_point():
                raise ConfigurationError(
                    f"{name} has the type {weights[name].dtype}; expected floating point numbers"
                )
            if not torch.isfinite(parameter).all():
                raise ConfigurationError(f"{name} has values that are not finite")


def _may_be_missing(model: Model, name: str) -> bool:
    """Whether a module of the model allows old archives to lack this weight."""
    for prefix, module in model.named_modules():
        prefix = f"{prefix}." if prefix else ""
        if name.startswith(prefix):
            patterns = getattr(type(module), "authorized_missing_keys", None) or []
            if any(re.search(pattern, name[len(prefix) :]) for pattern in patterns):
                return True
    return False


_load_dataset_readers = archival._load_dataset_readers
_load_model = archival._load_model

make(__name__)
