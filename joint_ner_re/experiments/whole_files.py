"""AllenNLP's files of a training: whole or not there, so that `--recover` goes on at any moment.

AllenNLP writes under the files' own names: whoever is killed meanwhile leaves a half checkpoint, on
which `--recover` fails, or half an archive. Importing this room has it write aside and rename.
"""

import functools
import os
import re
import shutil
from pathlib import Path
from typing import Any, Callable, List, Optional

from allennlp.commands import train as train_command
from allennlp.common import Params
from allennlp.common import util as common_util
from allennlp.common.meta import Meta
from allennlp.data import Vocabulary
from allennlp.training import GradientDescentTrainer
from allennlp.training import util as training_util

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


def _archive_aside(
    serialization_dir: PathLike,
    weights: str = BEST,
    archive_path: Optional[PathLike] = None,
    include_in_archive: Optional[List[str]] = None,
) -> str:
    path = os.fspath(serialization_dir if archive_path is None else archive_path)
    if os.path.isdir(path):
        path = os.path.join(path, "model.tar.gz")
    with replacing(path, "wb") as file:
        _archive_model(serialization_dir, weights, file.name, include_in_archive)
    return path


def _save_vocabulary_aside(self: Vocabulary, directory: str) -> None:
    os.makedirs(directory, exist_ok=True)
    place, name = os.path.split(os.path.abspath(directory))
    temporary = os.path.join(place, f".{name}.{os.getpid()}.tmp")
    try:
        _save_vocabulary(self, temporary)
        for path in Path(temporary).glob("*.txt"):
            os.replace(path, os.path.join(directory, path.name))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _create_without_leftovers(
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


_archive_model = train_command.archive_model
_save_vocabulary = Vocabulary.save_to_files
_create_serialization_dir = training_util.create_serialization_dir

train_command.archive_model = _archive_aside  # type: ignore[assignment]
training_util.create_serialization_dir = _create_without_leftovers  # type: ignore[assignment]
common_util.dump_metrics = _aside(common_util.dump_metrics, 0)  # type: ignore[assignment]
Params.to_file = _aside(Params.to_file, 1)  # type: ignore[method-assign]
Meta.to_file = _aside(Meta.to_file, 1)  # type: ignore[method-assign]
Vocabulary.save_to_files = _save_vocabulary_aside  # type: ignore[method-assign]
GradientDescentTrainer._save_model_state = _aside(  # type: ignore[method-assign]
    GradientDescentTrainer._save_model_state, 1
)
