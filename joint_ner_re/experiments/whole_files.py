"""AllenNLP's files of a training: whole or not there, so that `--recover` goes on at any moment.

AllenNLP writes under the files' own names: whoever is killed meanwhile leaves a half checkpoint, on
which `--recover` fails, or half an archive. Importing this room has it write aside and rename.
"""

import functools
import io
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any, Callable, List, Optional

import torch
from allennlp.commands import train as train_command
from allennlp.common import Params
from allennlp.common import util as common_util
from allennlp.common.meta import Meta
from allennlp.data import Vocabulary
from allennlp.training import Checkpointer, GradientDescentTrainer
from allennlp.training import util as training_util
from allennlp.training.trainer import TrainerCheckpoint
from overrides import overrides

from joint_ner_re.writing import PathLike, replacing

logger = logging.getLogger(__name__)

BEST = "best.th"
_LEFTOVER = re.compile(r"\..+\.\d+\.tmp$")


def save(state: Any, path: PathLike) -> None:
    """`torch.save` into a file that is whole or not there.

    # Raises

    `OSError`
        If the file cannot be written.
    """
    # Not into the file: where a disk is full, torch 1.12 aborts the process.
    content = io.BytesIO()
    torch.save(state, content)
    with replacing(path, "wb") as file:
        file.write(content.getbuffer())


def load_whole(model: Path, trainer: Path) -> Optional[TrainerCheckpoint]:
    """A checkpoint of two files, or `None` if it is not whole.

    The best epoch's weights beside it are made to agree with it: AllenNLP writes them after the
    checkpoint, and may not have come to it.
    """
    weights, state = load(model), load(trainer)
    if weights is None or state is None:
        return None
    best = model.with_name(BEST)
    is_best = state["metric_tracker"]["epochs_with_no_improvement"] == 0
    if is_best and not state["batches_in_epoch_completed"]:
        if "moving_average" not in state:
            with replacing(best, "wb") as file, open(model, "rb") as source:
                shutil.copyfileobj(source, file)
        elif best.exists() and best.stat().st_mtime < trainer.stat().st_mtime:
            return None
        state["best_model_filename"] = str(best)
    return TrainerCheckpoint(weights, state) if load(best) is not None else None


def load(path: Path) -> Optional[Any]:
    """What a file of PyTorch's holds, on the CPU; `None` where there is no whole one."""
    try:
        return torch.load(path, map_location="cpu")
    except Exception:  # What torch raises for half a file depends on where it ends.
        return None


@Checkpointer.register("whole")
class WholeCheckpointer(Checkpointer):
    """AllenNLP's checkpoints, from which `--recover` goes on however the training has ended.

    A file appears when it is whole, and weights only when the trainer's state that belongs to them
    is there. A checkpoint that is damaged all the same is passed over for the one before.
    """

    @overrides
    def save_checkpoint(self, trainer: Any) -> None:
        found = trainer.get_checkpoint_state()
        if found is not None and not self.state_is_sharded:
            state = found.trainer_state
            point = (state["epochs_completed"], state["batches_in_epoch_completed"])
            save(found.trainer_state, self._training_state_path(*point))
            save(found.model_state, self._model_state_path(*point))
        # It finds the files there, and takes away the old ones.
        super().save_checkpoint(trainer)
        if self._is_primary and not self.state_is_sharded:
            self._remove_lonely()

    def _remove_lonely(self) -> None:
        """Take away trainers' states whose weights somebody was killed over removing."""
        for path in Path(self._serialization_dir).glob("training_state_e*_b*.th"):
            if not path.with_name(path.name.replace("training", "model", 1)).exists():
                path.unlink()

    @overrides
    def load_checkpoint(self) -> Optional[TrainerCheckpoint]:
        if self.state_is_sharded:
            return super().load_checkpoint()
        for point in sorted(self._find_all_checkpoints(), reverse=True):
            model, trainer = self._model_state_path(*point), self._training_state_path(*point)
            found = load_whole(Path(model), Path(trainer))
            if found is not None:
                return found
            logger.warning("%s, or what belongs to it, is not whole: it is passed over", model)
            if self._is_primary:
                self._remove_checkpoint(*point)
        return None


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
