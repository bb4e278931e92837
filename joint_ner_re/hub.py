"""Models of the Hugging Face hub: their names, and the files of theirs that are needed.

A name has a revision, always: whoever owns a model may exchange its files at any time, and answers
would change from one day to the next without a word. A commit is a pin; a branch or a tag is
accepted, and the commit that it leads to today is logged. So a mistyped path such as runs/frist
asks no network.
"""

from __future__ import annotations

import logging
import os
import re
from typing import Any, NamedTuple

from joint_ner_re.messages import quote
from joint_ner_re.requirements import require_hub
from joint_ner_re.runtime.files import MANIFEST, METRICS, files_of, read_manifest
from joint_ner_re.version import VERSION

logger = logging.getLogger(__name__)

SCHEME = "hf://"
ARCHIVE = "model.tar.gz"
_NAME = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>.+))?", re.ASCII)
_REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubError(ValueError):
    """A model of the hub that cannot be used. The message says why, and what to do."""


class HubModel(NamedTuple):
    """A model of the hub.

    # Parameters

    repository : `str`
        Such as `"owner/name"`.
    revision : `str`
        A commit, a branch or a tag.
    """

    repository: str
    revision: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}@{self.revision}"


def hub_model(path: str | os.PathLike[str], revision: str | None = None) -> HubModel | None:
    """The model of the hub that a path means.

    # Parameters

    path : `str`
        `"hf://owner/name@REVISION"` or, if there is no such file, `"owner/name@REVISION"`.
    revision : `str`, optional (default = `None`)
        The revision, instead of the one behind the sign `@`.

    # Returns

    `HubModel | None`
        `None` for every other path.

    # Raises

    `HubError`
        If the name or the revision is impossible, or there is no revision, or two.
    `FileNotFoundError`
        If there is neither such a file nor a revision, so that both may be meant.
    """
    text = os.fspath(path)
    certain = text.startswith(SCHEME)
    found = _NAME.fullmatch(text.removeprefix(SCHEME))
    if not certain and (found is None or os.path.lexists(text)):
        if revision is not None:
            raise HubError(
                f"the revision {quote(revision)} is for models of the hub, and {text} is a path; "
                "leave it out"
            )
        return None
    if found is None:
        raise HubError(f"{text} is no model of the hub; expected {SCHEME}owner/name@REVISION")
    repository, named = found["repository"], found["revision"]
    if revision is not None and named is not None:
        raise HubError(f"{text} has a revision, and {quote(revision)} is another; give one")
    wanted = named if revision is None else revision
    if wanted is None:
        way_out = (
            f"{SCHEME}{repository}@COMMIT, with the commit from the model's page on the hub, under "
            "Files and History"
        )
        if certain:
            raise HubError(f"{text} has no revision; expected {way_out}")
        raise FileNotFoundError(
            f"there is no file or directory {text}; for a model of the Hugging Face hub write "
            f"{way_out}"
        )
    if not _REVISION.fullmatch(wanted):
        raise HubError(f"the revision of {text} is {quote(wanted)}; expected a commit")
    return HubModel(repository, wanted)


def local_model(
    path: str | os.PathLike[str], revision: str | None = None
) -> str | os.PathLike[str]:
    """The path itself or, for a model of the hub, its files' place in the hub's cache.

    Of an exported model those files are fetched that `files_of` names, of another `model.tar.gz`,
    and `metrics.json` if there is one. What is in the cache is not fetched again, so a pinned model
    that was used once needs no network.

    # Parameters

    path, revision
        As for `hub_model`.

    # Returns

    `str`
        A directory for an exported model, otherwise an archive.

    # Raises

    `HubError`
        If the model cannot be fetched.
    `ExportedModelError`
        If its manifest is damaged.
    `ModuleNotFoundError`
        If huggingface_hub is not installed.
    """
    model = hub_model(path, revision)
    if model is None:
        return path
    require_hub()
    manifest = _fetched(model, MANIFEST, required=False)
    found = manifest or _fetched(model, ARCHIVE, required=False)
    if found is None:
        raise HubError(
            f"{model} has neither {MANIFEST}, as what allennlp export writes, nor {ARCHIVE}"
        )
    directory = os.path.dirname(found)
    # The cache names each directory by its commit. From here on the model cannot change.
    pinned = HubModel(model.repository, os.path.basename(directory))
    if not _COMMIT.fullmatch(model.revision):
        logger.warning("%s is today the model %s, which never changes", model, pinned)
    _fetched(pinned, METRICS, required=False)
    if manifest is None:
        return found
    for name in files_of(read_manifest(directory)):
        _fetched(pinned, name)
    return directory


def _fetched(model: HubModel, name: str, required: bool = True) -> str | None:
    """The path of a file in the cache; `None` if it does not exist and is not required."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return hf_hub_download(
            model.repository,
            name,
            revision=model.revision,
            library_name="joint_ner_re",
            library_version=VERSION,
        )
    except RepositoryNotFoundError as error:
        raise HubError(
            f"the hub shows no model {model.repository}: correct the name or, if the model is "
            "private, log in with huggingface-cli login"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(f"{model.repository} has no revision {model.revision}") from error
    except LocalEntryNotFoundError as error:
        if _known_missing(model, name) and not required:
            return None
        raise HubError(
            f"{model}: the hub cannot be reached, and {name} is not in its cache on this machine; "
            "try again with a network, or copy the model here and give its path"
        ) from error
    except EntryNotFoundError as error:
        if not required:
            return None
        raise HubError(f"{model} has no {name}; its owner has to export it again") from error
    # Such as a server that fails, no room on the disk, and a name that leads out of the cache.
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise HubError(f"{model}: {name} cannot be fetched ({reason}); try again later") from error


def _known_missing(model: HubModel, name: str) -> bool:
    """Whether the cache knows that the model has no such file."""
    from huggingface_hub import try_to_load_from_cache

    found: Any = try_to_load_from_cache(model.repository, name, revision=model.revision)
    # A path, nothing, or an object that says that the file does not exist.
    return found is not None and not isinstance(found, str)
