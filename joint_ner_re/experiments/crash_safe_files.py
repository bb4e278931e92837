"""Makes AllenNLP's files either complete or absent, and the same for the same training.

AllenNLP writes its files in place. A killed training leaves half a checkpoint, on which `--recover`
fails, or half an archive. Importing this module makes AllenNLP write a temporary file and rename
it: see `joint_ner_re.allennlp_changes` and `joint_ner_re.writing.replacing`.
"""

from __future__ import annotations

import functools
import gzip
import logging
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from allennlp.common import Params
from allennlp.common import util as common_util
from allennlp.common.checks import ConfigurationError
from allennlp.common.meta import Meta
from allennlp.data import Vocabulary
from allennlp.data.vocabulary import NAMESPACE_PADDING_FILE
from allennlp.evaluation import SimpleEvaluator
from allennlp.models.archival import CONFIG_NAME, META_NAME
from allennlp.training import GradientDescentTrainer
from allennlp.training import util as training_util

from joint_ner_re.allennlp_changes import make
from joint_ner_re.archives import COMPRESSION
from joint_ner_re.metrics.score import BEST_EPOCH, HEADLINES
from joint_ner_re.token_agreement import TOKENS
from joint_ner_re.training.checkpointer import BEST, save
from joint_ner_re.writing import PathLike, remove_leftovers, replacing, write_text

logger = logging.getLogger(__name__)


def _atomic(write: Callable, position: int, keyword: str = "") -> Callable:
    """Makes a function write a temporary file, which is renamed when it is complete.

    # Parameters

    write : `Callable`
    position : `int`
        The position of the argument that names the file.
    keyword : `str`, optional (default = `""`)
        The name of that argument.
    """

    @functools.wraps(write)
    def written(*args: Any, **kwargs: Any) -> Any:
        path = args[position] if len(args) > position else kwargs.get(keyword)
        if path is None:
            return write(*args, **kwargs)
        with replacing(path, "wb") as file:
            if keyword in kwargs:
                return write(*args, **{**kwargs, keyword: file.name})
            return write(*args[:position], file.name, *args[position + 1 :], **kwargs)

    return written


def archive_model(
    serialization_dir: PathLike,
    weights: str = BEST,
    archive_path: PathLike | None = None,
    include_in_archive: list[str] | None = None,
) -> str:
    """AllenNLP's function, except that the same files give the same bytes.

    Members are sorted and have no times and owners, and uniform permissions.

    # Raises

    `RuntimeError`
        If the weights or the configuration are missing.
    """
    directory = Path(serialization_dir)
    path = os.fspath(directory if archive_path is None else archive_path)
    if os.path.isdir(path):
        path = os.path.join(path, "model.tar.gz")
    for needed in (directory / weights, directory / CONFIG_NAME):
        if not needed.exists():
            raise RuntimeError(f"{needed} does not exist; it is needed for the archive {path}")
    logger.info("archiving weights and vocabulary to %s", path)
    with (
        replacing(path, "wb") as file,
        gzip.GzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, member in _members(directory, directory / weights, include_in_archive or []):
            archive.add(member, name, recursive=False, filter=_without_origin)
    return path


def _members(
    directory: Path, weights: Path, include_in_archive: list[str]
) -> Iterator[tuple[str, Path]]:
    """The archive's members by name, in the order in which AllenNLP reads them."""
    yield CONFIG_NAME, directory / CONFIG_NAME
    yield "weights.th", weights
    included = [path for pattern in include_in_archive for path in directory.glob(pattern)]
    for path in (
        directory / "vocabulary",
        directory / META_NAME,
        directory / TOKENS,
        *sorted(set(included)),
    ):
        inside = sorted(path.rglob("*")) if path.is_dir() else []
        for member in (path, *inside):
            if member.exists() and not member.name.startswith("."):
                yield member.relative_to(directory).as_posix(), member


def _without_origin(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def save_vocabulary(self: Vocabulary, directory: PathLike) -> None:
    """AllenNLP's `save_to_files`, with sorted namespaces instead of the order of a set."""
    os.makedirs(directory, exist_ok=True)
    files = {NAMESPACE_PADDING_FILE: sorted(self._non_padded_namespaces)}
    for namespace, tokens in self._index_to_token.items():
        # AllenNLP adds the padding token, which has the index 0, when it reads the file.
        first = 1 if tokens.get(0) == self._padding_token else 0
        files[f"{namespace}.txt"] = [
            tokens[index].replace("\n", "@@NEWLINE@@") for index in range(first, len(tokens))
        ]
    for name, lines in files.items():
        write_text(os.path.join(directory, name), "".join(f"{line}\n" for line in lines))


def save_model_state(self: GradientDescentTrainer, path: PathLike) -> None:
    wrapped = self._ddp_wrapped_model
    save((self.model if wrapped is None else wrapped).state_dict(), path)


def create_serialization_dir(
    params: Params, serialization_dir: PathLike, recover: bool, force: bool
) -> None:
    """AllenNLP's function, after removing the leftovers of killed processes.

    # Raises

    `ConfigurationError`
        If the directory cannot be used, or was begun with another configuration.
    """
    directory = Path(serialization_dir)
    if directory.is_dir():
        remove_leftovers(directory)
        # After a kill before the first complete file there is nothing to recover.
        recover = recover and any(directory.iterdir())
    try:
        _create_serialization_dir(params, serialization_dir, recover, force)
    except KeyError as error:
        # AllenNLP looks each option of the one configuration up in the other.
        raise ConfigurationError(
            f"{serialization_dir} was begun with another configuration: only one of the two has "
            f"{error}; give the same configuration to recover, or another directory"
        ) from error


def dump_metrics(file_path: str | None, metrics: dict[str, Any], log: bool = False) -> None:
    """AllenNLP's function, which also logs the headline scores in one line.

    # Parameters

    file_path : `str`, optional
        The file to write, if any.
    metrics : `dict[str, Any]`
        The metrics of a training or an evaluation.
    log : `bool`, optional (default = `False`)
        Whether to log them.
    """
    write_metrics(file_path, metrics, log)
    if log:
        logger.info("%s", headline(metrics))


@functools.wraps(SimpleEvaluator.__call__)
def evaluate(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """AllenNLP's method, which also logs the headline scores: it shows them in its bar only."""
    metrics: dict[str, Any] = _evaluate(*args, **kwargs)
    logger.info("%s", headline(metrics))
    return metrics


def headline(metrics: Mapping[str, Any]) -> str:
    """The most important scores in one line, or all where these are others.

    # Parameters

    metrics : `Mapping[str, Any]`
        The metrics of a training, which has the scores of its best epoch with a prefix, or those of
        an evaluation.
    """
    prefix, title = "", "scores"
    if any(name.startswith(BEST_EPOCH) for name in metrics):
        prefix, title = (
            BEST_EPOCH,
            f"validation scores of the best epoch, {metrics['best_epoch'] + 1}",
        )
    scores = {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name.startswith(prefix) and isinstance(value, int | float)
    }
    names = [name for name in (*HEADLINES, "mean_f1") if name in scores] or list(scores)
    return f"{title}: " + ", ".join(f"{name} {scores[name]:.4f}" for name in names)


# AllenNLP's function, before it is replaced.
_create_serialization_dir = training_util.create_serialization_dir

write_metrics = _atomic(common_util.dump_metrics, 0, "file_path")
_evaluate = _atomic(SimpleEvaluator.__call__, 5, "predictions_output_file")
write_params = _atomic(Params.to_file, 1, "params_file")
write_meta = _atomic(Meta.to_file, 1, "path")

make(__name__)
