"""AllenNLP's files of a training: whole or not there, so that `--recover` goes on at any moment.

AllenNLP writes under the files' own names: whoever is killed meanwhile leaves a half checkpoint, on
which `--recover` fails, or half an archive. With this module imported it writes each file beside
its place and renames it; see `joint_ner_re.allennlp_changes`.
"""

import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from allennlp.commands import train as train_command
from allennlp.common import Params
from allennlp.common import util as common_util
from allennlp.common.meta import Meta
from allennlp.data import Vocabulary
from allennlp.training import GradientDescentTrainer
from allennlp.training import util as training_util

from joint_ner_re.allennlp_changes import make
from joint_ner_re.training.checkpointer import BEST
from joint_ner_re.writing import PathLike, replacing

_LEFTOVER = re.compile(r"\..+\.\d+\.tmp$")


def _aside(write: Callable, position: int) -> Callable:
    """The function, whose argument at this position names a file, writing aside and renaming."""

    @functools.wraps(write)
    def written(*args: Any, **kwargs: Any) -> Any:
        path = args[position] if len(args) > position else None
        if path is None:
            return write(*args, **kwargs)
        with replacing(path, "wb") as file:
            return write(*args[:position], file.name, *args[position + 1 :], **kwargs)

    return written


def archive_model(
    serialization_dir: PathLike,
    weights: str = BEST,
    archive_path: PathLike | None = None,
    include_in_archive: list[str] | None = None,
) -> str:
    path = os.fspath(serialization_dir if archive_path is None else archive_path)
    if os.path.isdir(path):
        path = os.path.join(path, "model.tar.gz")
    with replacing(path, "wb") as file:
        _archive_model(serialization_dir, weights, file.name, include_in_archive)
    return path


def save_vocabulary(self: Vocabulary, directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    place, name = os.path.split(os.path.abspath(directory))
    temporary = os.path.join(place, f".{name}.{os.getpid()}.tmp")
    try:
        _save_vocabulary(self, temporary)
        for path in Path(temporary).glob("*.txt"):
            os.replace(path, os.path.join(directory, path.name))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def create_serialization_dir(
    params: Params, serialization_dir: PathLike, recover: bool, force: bool
) -> None:
    """AllenNLP's, after the files that somebody was killed over are taken away."""
    directory = Path(serialization_dir)
    if directory.is_dir():
        for path in directory.iterdir():
            if not _LEFTOVER.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        # Killed before the first file was whole: there is nothing to go on from, nor to lose.
        recover = recover and any(directory.iterdir())
    _create_serialization_dir(params, serialization_dir, recover, force)


# AllenNLP's own.
_archive_model = train_command.archive_model
_save_vocabulary = Vocabulary.save_to_files
_create_serialization_dir = training_util.create_serialization_dir

dump_metrics = _aside(common_util.dump_metrics, 0)
write_params = _aside(Params.to_file, 1)
write_meta = _aside(Meta.to_file, 1)
save_model_state = _aside(GradientDescentTrainer._save_model_state, 1)

make(__name__)
