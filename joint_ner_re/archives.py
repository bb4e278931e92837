"""Model archives: read as what somebody else may have made, and written with another configuration.

An archive tells AllenNLP what to make: its configuration can name any class that Python can import,
with the options it likes; its weights are a pickle; its members can lead anywhere. So here

- members are files and directories inside the archive, of a bounded number and size;
- the configuration chooses among classes of this package, some of AllenNLP's that do no more than
  compute, those of packages that the user has imported, and those of `JOINT_NER_RE_TRUST`; and it
  has no file fetched from an address;
- weights are tensors (see `joint_ner_re.weight_files`).

AllenNLP's own commands, such as `allennlp predict`, call AllenNLP's `load_archive`. Of what that
consists of, three functions are replaced when this module is imported, so that it, too, is held to
these rules, for models of all kinds.
"""

import contextlib
import copy
import gzip
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Set, Tuple, Union, cast
from urllib.parse import urlsplit

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.common.params import remove_keys_from_params
from allennlp.common.registrable import Registrable
from allennlp.data import DataLoader, DatasetReader, Vocabulary
from allennlp.evaluation import Evaluator
from allennlp.models import Model, archival
from allennlp.models.archival import Archive

from joint_ner_re.configuration import Untrusted, check, values_under
from joint_ner_re.weight_files import read_weights
from joint_ner_re.writing import PathLike, replacing

CONFIG = "config.json"
# Packages whose classes an archive may name, and hosts to fetch files from, with commas between.
TRUST = "JOINT_NER_RE_TRUST"
# How many gigabytes an archive may hold, unpacked.
GIGABYTES = "JOINT_NER_RE_ARCHIVE_GB"
DEFAULT_GIGABYTES = 10.0
MOST_MEMBERS = 10_000
# Of a header or of the configuration; what is larger is no such thing.
_MOST_READ_AT_ONCE = 2**24

# The parts of a configuration that are made when an archive is loaded, evaluated or used.
_PARTS = {
    "dataset_reader": DatasetReader,
    "validation_dataset_reader": DatasetReader,
    "vocabulary": Vocabulary,
    "model": Model,
    "data_loader": DataLoader,
    "validation_data_loader": DataLoader,
    "evaluation": Evaluator,
}
# Packages that nobody has to name for their classes to be registered.
_UNCHOSEN = ("allennlp", "allennlp_models", "allennlp_semparse", "allennlp_server", "torch")
# Modules of these whose classes compute, and neither import, fetch nor unpickle anything.
_HARMLESS = (
    "allennlp.data.data_loaders.data_collator",
    "allennlp.data.data_loaders.multiprocess_data_loader",
    "allennlp.data.data_loaders.simple_data_loader",
    "allennlp.data.samplers",
    "allennlp.data.token_indexers.elmo_indexer",
    "allennlp.data.token_indexers.single_id_token_indexer",
    "allennlp.data.token_indexers.token_characters_indexer",
    "allennlp.data.tokenizers.character_tokenizer",
    "allennlp.data.vocabulary",
    "allennlp.evaluation",
    "allennlp.modules.attention",
    "allennlp.modules.matrix_attention",
    "allennlp.modules.seq2seq_encoders",
    "allennlp.modules.seq2vec_encoders.boe_encoder",
    "allennlp.modules.seq2vec_encoders.cls_pooler",
    "allennlp.modules.seq2vec_encoders.cnn_encoder",
    "allennlp.modules.seq2vec_encoders.cnn_highway_encoder",
    "allennlp.modules.seq2vec_encoders.pytorch_seq2vec_wrapper",
    "allennlp.modules.text_field_embedders",
    "allennlp.modules.token_embedders.bag_of_word_counts_token_embedder",
    # Reads tables of numbers.
    "allennlp.modules.token_embedders.elmo_token_embedder",
    "allennlp.modules.token_embedders.embedding",
    "allennlp.modules.token_embedders.empty_embedder",
    "allennlp.modules.token_embedders.pass_through_token_embedder",
    "allennlp.modules.token_embedders.token_characters_encoder",
    "allennlp.nn.activations",
    "allennlp.nn.regularizers",
    "torch.nn.modules.activation",
)
# A language, or an installed pipeline of spaCy's such as en_core_web_sm: of others the name may be
# that of any package, which spaCy would import.
_PIPELINE = re.compile(r"[a-z]{2,3}(_\w+)?")

_loading: ContextVar[bool] = ContextVar("_loading", default=False)


def load_archive(
    archive: PathLike, cuda_device: int = -1, overrides: Union[str, Dict[str, Any]] = ""
) -> Archive:
    """What AllenNLP's function of this name gives, of an archive that need not be trusted.

    # Parameters

    archive : `str`
        A `model.tar.gz`, its address, or a directory that `allennlp train` wrote.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the model is put on; -1 is the CPU.
    overrides : `Union[str, Dict[str, Any]]`, optional (default = `""`)
        Options that are changed, as JSON or a dictionary.

    # Raises

    `ConfigurationError`
        If the archive is damaged, too large, or has something in it that could run.
    """
    path = cached_path(archive)
    if os.path.isdir(path):
        # AllenNLP would evaluate it, as a program in jsonnet.
        read_config(Path(path))
    return archival.load_archive(path, cuda_device=cuda_device, overrides=overrides)


@contextlib.contextmanager
def extracted(archive: str) -> Iterator[Path]:
    """A directory with the archive's files, which is gone after the block.

    # Raises

    `ConfigurationError`
        If the file is no model archive, is larger than allowed, or would write elsewhere than into
        that directory.
    """
    with tempfile.TemporaryDirectory() as name:
        _extract(archive, Path(name))
        yield Path(name)


def read_config(directory: Path) -> Dict[str, Any]:
    """The configuration of an extracted archive.

    # Raises

    `ConfigurationError`
        If it is not there or no JSON object.
    """
    path = directory / CONFIG
    if not path.is_file():
        raise ConfigurationError(f"{directory} has no {CONFIG}; expected what allennlp train wrote")
    if path.stat().st_size > _MOST_READ_AT_ONCE:
        raise ConfigurationError(
            f"the archive's {CONFIG} is {path.stat().st_size} bytes; expected at most "
            f"{_MOST_READ_AT_ONCE}"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the archive's {CONFIG} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigurationError(f"the archive's {CONFIG} is {config!r:.80}; expected an object")
    return config


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
            for member in _members(archive, tar):
                if member.name == CONFIG:
                    changed = copy.copy(member)
                    changed.size = len(text)
                    changed.pax_headers = {}
                    copied.addfile(changed, io.BytesIO(text))
                else:
                    copied.addfile(member, tar.extractfile(member) if member.isfile() else None)


def check_config(config: Mapping[str, Any]) -> None:
    """Make sure that nothing in a configuration of an archive could run.

    # Raises

    `ConfigurationError`
        If it chooses a class that is not allowed, or one of its options cannot be.
    """
    for name, kind in _PARTS.items():
        part = config.get(name)
        if part is None:
            continue
        if any(values_under(part, "trust_remote_code")):
            raise Untrusted(
                f"{name}: trust_remote_code has code fetched and run; it is not allowed in an "
                "archive"
            )
        for option, address in _addresses(part, name):
            _refuse_unless_trusted(option, address, urlsplit(address).hostname or address)
        for pipeline in values_under(part, "tokenizer_pipeline"):
            if not (isinstance(pipeline, str) and _PIPELINE.fullmatch(pipeline)):
                _refuse_unless_trusted("tokenizer_pipeline", str(pipeline), str(pipeline))
        check(kind, part, name, _judge)


def _judge(option: str, name: str, cls: Optional[type], constructor: Optional[str]) -> None:
    """See `joint_ner_re.configuration.Judge`."""
    module = name if cls is None else cls.__module__
    package = module.split(".")[0]
    # Such as `from_archive`, and a vocabulary's `from_pretrained_transformer`.
    loads = constructor is not None and ("archive" in constructor or "pretrained" in constructor)
    known = cls is not None and not loads
    if not (known and (package not in _UNCHOSEN or _is_under(module, _HARMLESS))):
        _refuse_unless_trusted(option, name, module, package)


def _addresses(value: Any, name: str) -> Iterator[Tuple[str, str]]:
    """The options that are addresses of a network."""
    if isinstance(value, str) and "://" in value:
        yield name, value
    items: Any = ()
    if isinstance(value, dict):
        # What AllenNLP reads for a training only: the vectors are in the weights.
        items = ((key, one) for key, one in value.items() if not key.startswith("pretrained_file"))
    elif isinstance(value, list):
        items = enumerate(value)
    for key, one in items:
        yield from _addresses(one, f"{name}.{key}")


def _refuse_unless_trusted(option: str, name: str, module: str, package: str = "") -> None:
    trusted = tuple(filter(None, os.environ.get(TRUST, "").replace(" ", "").split(",")))
    if not _is_under(module, trusted):
        raise Untrusted(
            f"{option} is {name!r}, by which an archive that somebody else made could run code or "
            "fetch files; expected no address, and names of classes of joint_ner_re or of those "
            "that a package of yours registers. If you trust the archive, set "
            f"{TRUST}={package or module}"
        )


def _is_under(module: str, packages: Tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


# Members


def _extract(archive: PathLike, directory: Path) -> None:
    """Write the archive's files into a directory."""
    with _opened(archive) as tar:
        for member in _members(archive, tar):
            path = directory / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None
            with content, open(path, "xb") as file:
                shutil.copyfileobj(content, file, 2**20)
    if not (directory / CONFIG).is_file():
        raise ConfigurationError(
            f"{archive} has no {CONFIG}; expected a model.tar.gz that allennlp train wrote"
        )
    read_config(directory)


@contextlib.contextmanager
def _opened(archive: PathLike) -> Iterator[tarfile.TarFile]:
    if not os.path.isfile(archive):
        raise ConfigurationError(
            f"the archive {os.fspath(archive)!r} is not a file; expected a model.tar.gz"
        )
    try:
        with gzip.open(archive, "rb") as packed:
            stream = cast(IO[bytes], _Cautious(archive, packed))
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                yield tar
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConfigurationError(f"{archive} cannot be read as a model.tar.gz: {error}") from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"{archive}: two members have one name ({error}); do not trust the file"
        ) from error


class _Cautious:
    """A stream of which nobody reads very much at once, as `tarfile` does of a large header."""

    def __init__(self, archive: PathLike, stream: Any) -> None:
        self._archive = archive
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_READ_AT_ONCE:
            raise ConfigurationError(
                f"{self._archive}: a header of {size} bytes; do not trust the file"
            )
        return self._stream.read(size)


def _members(archive: PathLike, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, each checked before its content, and all that is before the next, is read."""
    most, total = most_bytes(), 0
    names: Set[str] = set()
    for count, member in enumerate(tar, start=1):
        _check_member(archive, member)
        total += member.size
        if count > MOST_MEMBERS or total > most:
            raise ConfigurationError(
                f"{archive} holds more than {most / 1e9:g} GB, or than {MOST_MEMBERS} files; if "
                f"you trust it, set {GIGABYTES} to more gigabytes"
            )
        name = str(PurePosixPath(member.name))
        if name in names:
            raise ConfigurationError(
                f"{archive}: two members have the name {name!r}; do not trust the file"
            )
        names.add(name)
        yield member


def _check_member(archive: PathLike, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    outside = path.is_absolute() or ".." in path.parts
    if outside or any(character in member.name for character in "\\:\0"):
        raise ConfigurationError(
            f"{archive}: the member {member.name!r} leads out of the archive; do not trust the file"
        )
    if not (member.isfile() or member.isdir()):
        raise ConfigurationError(
            f"{archive}: the member {member.name!r} is a link or a device; expected files and "
            "directories only; do not trust the file"
        )


def most_bytes() -> int:
    """How many bytes an archive may hold.

    # Raises

    `ConfigurationError`
        If `JOINT_NER_RE_ARCHIVE_GB` is no positive number.
    """
    given = os.environ.get(GIGABYTES, str(DEFAULT_GIGABYTES))
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not gigabytes > 0:
        raise ConfigurationError(f"{GIGABYTES} is {given!r}; expected a number of gigabytes")
    return int(min(gigabytes, 1e9) * 1e9)


# What AllenNLP's own load_archive calls


@contextlib.contextmanager
def _extracted_archive(resolved_archive_file: PathLike, cleanup: bool = True) -> Iterator[str]:
    directory = tempfile.mkdtemp()
    try:
        _extract(resolved_archive_file, Path(directory))
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    try:
        yield directory
    finally:
        if cleanup:
            shutil.rmtree(directory, ignore_errors=True)


def _load_dataset_readers(config: Params, serialization_dir: PathLike) -> Any:
    # AllenNLP comes here first.
    check_config(config.as_dict(quiet=True))
    with _guarded():
        return _allennlp["_load_dataset_readers"](config, serialization_dir)


def _load_model(
    config: Params, weights_path: PathLike, serialization_dir: PathLike, cuda_device: int
) -> Model:
    check_config(config.as_dict(quiet=True))
    read_weights(os.fspath(weights_path), most_bytes())
    # Else whoever made the archive says where files are written.
    remove_keys_from_params(config["model"], ["cache_directory"])
    with _guarded():
        return _allennlp["_load_model"](config, weights_path, serialization_dir, cuda_device)


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    """Whatever is chosen by name in the block must be allowed, wherever the name comes from."""
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


def _resolve_class_name(cls: Any, name: str) -> Any:
    if _loading.get():
        _judge(cls.__name__, name, *Registrable._registry[cls].get(name, (None, None)))
    return _resolve(cls, name)


_resolve = Registrable.resolve_class_name.__func__  # type: ignore[attr-defined]
_allennlp = {name: getattr(archival, name) for name in ("_load_dataset_readers", "_load_model")}
archival.extracted_archive = _extracted_archive
archival._load_dataset_readers = _load_dataset_readers
archival._load_model = _load_model
Registrable.resolve_class_name = classmethod(_resolve_class_name)  # type: ignore[assignment]
