"""Extracts a `model.tar.gz` member by member, after checking each, and rewrites one."""

import contextlib
import copy
import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from allennlp.common.checks import ConfigurationError

from joint_ner_re.archives.errors import ArchiveError, reading
from joint_ner_re.messages import quote
from joint_ner_re.writing import TEMPORARY, PathLike, naming, replacing

CONFIG = "config.json"
# The environment variable for the maximum unpacked size of an archive, in gigabytes.
GIGABYTES = "JOINT_NER_RE_ARCHIVE_GB"
DEFAULT_GIGABYTES = 10.0
MAX_MEMBERS = 10_000
# Weights hardly shrink: level 9 makes an archive of 89 MB 8 % smaller, but takes 3.6 s of CPU time
# in place of 0.4 to write it, and 0.7 in place of 0.2 whenever it is read.
COMPRESSION = 0
# In bytes. No genuine tar header or configuration is larger.
_MAX_READ_AT_ONCE = 2**24
# Python allows about 1,000 nested calls, and AllenNLP makes several for each level.
_MAX_DEPTH = 100

# The directory of the last extracted archive, and the archive.
_extracted: ContextVar[tuple[str, str]] = ContextVar("_extracted", default=("", ""))


@contextlib.contextmanager
def extracted(archive: PathLike, cleanup: bool = True) -> Iterator[Path]:
    """A temporary directory with the files of an archive.

    # Parameters

    archive : `str`
        A `model.tar.gz`.
    cleanup : `bool`, optional (default = `True`)
        Whether to remove the directory after the block. It is always removed if the archive cannot
        be extracted.

    # Raises

    `ArchiveError`
        If the file is no model archive, is too large, or has a member outside the directory.
    """
    directory = Path(tempfile.mkdtemp())
    try:
        _extract(archive, directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    token = _extracted.set((str(directory), os.fspath(archive)))
    try:
        yield directory
    finally:
        if cleanup:
            _extracted.reset(token)
            shutil.rmtree(directory, ignore_errors=True)


def archive_of(directory: PathLike) -> str:
    """The archive that a directory was extracted from, or the directory itself, for messages."""
    known, archive = _extracted.get()
    return archive if known == os.fspath(directory) else os.fspath(directory)


def read_config(directory: Path) -> dict[str, Any]:
    """The configuration of an extracted archive, read as JSON, not as a jsonnet program.

    # Raises

    `ArchiveError`
        If it is missing or no JSON object.
    """
    with reading(archive_of(directory), CONFIG):
        path = directory / CONFIG
        if not path.is_file():
            raise ConfigurationError("there is no such file; expected what allennlp train writes")
        if path.stat().st_size > _MAX_READ_AT_ONCE:
            raise ConfigurationError(
                f"it has {path.stat().st_size} bytes; expected at most {_MAX_READ_AT_ONCE}"
            )
        config = read_json(path)
        if not isinstance(config, dict):
            raise ConfigurationError(f"it is {quote(config)}; expected a JSON object")
        if _is_deeper(config, _MAX_DEPTH):
            raise ConfigurationError(f"it is nested more than {_MAX_DEPTH} deep")
        return config


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    # Raises

    `ConfigurationError`
        If it is not JSON, or has NaN, infinity or half of a surrogate pair.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        # An escape may be half of a surrogate pair, which UTF-8 cannot encode.
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"it is not JSON: {error}") from error
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _is_deeper(value: Any, depth: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_is_deeper(item, depth - 1) for item in inside)


def write_with_config(archive: str, config: Mapping[str, Any], target: str) -> None:
    """Write a copy of an archive with another configuration.

    # Parameters

    archive : `str`
        The `model.tar.gz` to copy.
    config : `Mapping[str, Any]`
        The new configuration.
    target : `str`
        The new file, which is written atomically. It may be `archive` itself.

    # Raises

    `ArchiveError`
        As `extracted`.
    """
    text = (json.dumps(config, indent=4) + "\n").encode("utf-8")
    with replacing(target, "wb") as file:
        # Without a name and a time, so that equal content gives equal files.
        packed = gzip.GzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0)
        with packed, tarfile.open(fileobj=packed, mode="w") as copied:
            for member, content in _members(archive):
                if member.name == CONFIG:
                    member = copy.copy(member)
                    member.size = len(text)
                    member.pax_headers = {}
                    content = io.BytesIO(text)
                with reading(archive, member.name):
                    copied.addfile(member, content)


def _extract(archive: PathLike, directory: Path) -> None:
    """Write the members of an archive into a directory."""
    for member, content in _members(archive):
        path = directory / member.name
        with reading(archive, member.name):
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with content, naming(path, member.size, TEMPORARY), open(path, "xb") as file:
                shutil.copyfileobj(content, file, 2**20)
    if not (directory / CONFIG).is_file():
        raise ArchiveError(
            f"{archive} has no {CONFIG}; expected a model.tar.gz that allennlp train wrote"
        )


def _members(archive: PathLike) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """The members, checked, with their content, which must be read before the next member."""
    if not os.path.isfile(archive):
        raise ArchiveError(
            f"the archive {os.fspath(archive)!r} is not a file; expected a model.tar.gz"
        )
    max_bytes, total = max_archive_bytes(), 0
    names: set[str] = set()
    with gzip.open(archive, "rb") as packed:
        stream = _LimitedReads(packed)
        with reading(archive):
            tar = tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:")  # noqa: SIM115
        with tar:
            while True:
                with reading(archive):
                    member = tar.next()
                    if member is None:
                        _check_end(packed, max_bytes)
                        return
                    _check_member(member, names)
                    total += member.size
                    if len(names) > MAX_MEMBERS or total > max_bytes:
                        raise ConfigurationError(
                            f"it holds more than {max_bytes / 1e9:g} GB, or than {MAX_MEMBERS} "
                            f"files; if you trust it, set {GIGABYTES} to more gigabytes"
                        )
                    content = None if member.isdir() else tar.extractfile(member)
                yield member, content
                # tarfile would keep them all.
                tar.members = []  # type: ignore[attr-defined]


class _LimitedReads:
    """A stream that refuses huge reads, which `tarfile` makes for a forged header."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ_AT_ONCE:
            raise ConfigurationError(f"a header of {size} bytes; do not trust the file")
        return self._stream.read(size)


def _check_member(member: tarfile.TarInfo, names: set[str]) -> None:
    """Refuse a member that is not a plain file or directory in the archive, and note its name."""
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts
    if outside or any(character in member.name for character in "\\:\0"):
        raise ConfigurationError(
            f"the member {member.name!r} leads out of the archive; do not trust the file"
        )
    # tarfile accepts names that are not UTF-8.
    if not path.parts and not member.isdir() or not _is_text(member.name):
        raise ConfigurationError(f"the member {member.name!r} has no name that is text")
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise ConfigurationError(
            f"the member {member.name!r} is a link, a device or a sparse file; expected files and "
            "directories only; do not trust the file"
        )
    if member.size < 0:
        raise ConfigurationError(f"the member {member.name!r} has {member.size} bytes")
    if str(path) in names:
        raise ConfigurationError(f"two members have the name {str(path)!r}; do not trust the file")
    names.add(str(path))


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_end(packed: gzip.GzipFile, max_bytes: int) -> None:
    """Make sure that only zeros follow the last member.

    tarfile takes a damaged header for the end, and gzip compares its checksum only at its end.
    """
    # tarfile pads archives with zeros.
    max_bytes, read = max(max_bytes, 2**20), 0
    while block := packed.read(2**20):
        read += len(block)
        if any(block) or read > max_bytes:
            raise ConfigurationError(
                "it has data after its last member, or the header of a member is damaged"
            )


def max_archive_bytes() -> int:
    """The maximum unpacked size of an archive, in bytes.

    # Raises

    `ConfigurationError`
        If `JOINT_NER_RE_ARCHIVE_GB` is not a positive number.
    """
    given = os.environ.get(GIGABYTES, str(DEFAULT_GIGABYTES))
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not gigabytes > 0:
        raise ConfigurationError(f"{GIGABYTES} is {given!r}; expected a number of gigabytes")
    return int(min(gigabytes, 1e9) * 1e9)
