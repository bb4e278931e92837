"""Model archives, read with care and written with another configuration."""

import contextlib
import copy
import gzip
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, Mapping

from allennlp.common.checks import ConfigurationError

from joint_ner_re.writing import replacing

CONFIG = "config.json"


@contextlib.contextmanager
def extracted(archive: str) -> Iterator[Path]:
    """A directory with the archive's files, which is gone after the block.

    # Raises

    `ConfigurationError`
        If the file is no model archive, or would write elsewhere than into that directory.
    """
    with tempfile.TemporaryDirectory() as name, _opened(archive) as tar:
        directory = Path(name)
        members = [member for member in tar if _checked(archive, member).isfile()]
        if CONFIG not in (member.name for member in members):
            raise ConfigurationError(
                f"{archive} has no {CONFIG}; expected a model.tar.gz that allennlp train wrote"
            )
        for member in members:
            path = directory / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None
            with content, open(path, "wb") as file:
                for block in iter(lambda: content.read(1 << 20), b""):  # noqa: B023
                    file.write(block)
        yield directory


def read_config(directory: Path) -> Dict[str, Any]:
    """The configuration of an extracted archive."""
    try:
        return json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"the archive's {CONFIG} is not JSON: {error}") from error


def write_with_config(archive: str, config: Mapping[str, Any], target: str) -> None:
    """Write a copy of an archive that has another configuration and is otherwise the same.

    # Parameters

    archive : `str`
    config : `Mapping[str, Any]`
    target : `str`
        The file, which appears or is replaced only when it is whole; it can be `archive` itself.
    """
    text = (json.dumps(config, indent=4) + "\n").encode("utf-8")
    with _opened(archive) as tar, replacing(target, "wb") as file:
        # Without a name and a time, so that the same content gives the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
        with packed, tarfile.open(fileobj=packed, mode="w") as copied:
            for member in tar:
                _checked(archive, member)
                if member.name == CONFIG:
                    changed = copy.copy(member)
                    changed.size = len(text)
                    changed.pax_headers = {}
                    copied.addfile(changed, io.BytesIO(text))
                else:
                    copied.addfile(member, tar.extractfile(member) if member.isfile() else None)


@contextlib.contextmanager
def _opened(archive: str) -> Iterator[tarfile.TarFile]:
    if not os.path.isfile(archive):
        raise ConfigurationError(f"the archive {archive!r} is not a file; expected a model.tar.gz")
    try:
        with tarfile.open(archive, "r:gz") as tar:
            yield tar
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ConfigurationError(f"{archive} cannot be read as a model.tar.gz: {error}") from error


def _checked(archive: str, member: tarfile.TarInfo) -> tarfile.TarInfo:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise ConfigurationError(
            f"{archive}: the member {member.name!r} leads out of the archive; do not trust the file"
        )
    if not (member.isfile() or member.isdir()):
        raise ConfigurationError(
            f"{archive}: the member {member.name!r} is a link or a device; expected files and "
            "directories only; do not trust the file"
        )
    return member
