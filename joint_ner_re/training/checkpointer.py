"""Checkpoints that survive a kill at any moment, and that cannot run code when they are read."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from allennlp.training import Checkpointer
from allennlp.training.trainer import TrainerCheckpoint
from overrides import overrides

from joint_ner_re.writing import PathLike, replacing

logger = logging.getLogger(__name__)

BEST = "best.th"


def save(state: Any, path: PathLike) -> None:
    """`torch.save` into a file that is either complete or absent.

    # Parameters

    state : `Any`
        Tensors, plain values, and lists and dictionaries of these.
    path : `PathLike`

    # Raises

    `OSError`
        If the file cannot be written.
    """
    with replacing(path, "wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # Closing its archive after a failed write, torch fails again with words of its own.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load(path: Path) -> Any | None:
    """The content of a file that `save` wrote, on the CPU; `None` if the file is unusable.

    Only tensors and plain values are read, so that a checkpoint made by somebody else cannot run
    code. A file that is damaged or holds anything else is logged. A missing file is not.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # Its type depends on where the damage is.
        logger.warning(
            "%s is no complete file of tensors and plain values (%s)",
            path,
            str(error).partition("\n")[0],
        )
        return None


def load_complete(model: Path, trainer: Path) -> TrainerCheckpoint | None:
    """A checkpoint of two files, or `None` if one of them is damaged or missing.

    AllenNLP writes the weights of the best epoch after the checkpoint, so a kill may leave those of
    an earlier epoch. If the checkpoint is the best epoch, its weights replace them.

    # Parameters

    model : `Path`
        The file of the model's weights.
    trainer : `Path`
        The file of the trainer's state.
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


@Checkpointer.register("crash_safe")
@Checkpointer.register("whole")  # Its name in archives of the format 0.1.0.
class CrashSafeCheckpointer(Checkpointer):
    """AllenNLP's checkpointer, with checkpoints from which `--recover` can always resume.

    A file appears only when it is complete, and weights appear only after the trainer's state of
    the same checkpoint. A damaged checkpoint is skipped in favour of the one before.
    """

    @overrides
    def save_checkpoint(self, trainer: Any) -> None:
        found = trainer.get_checkpoint_state()
        if found is not None and not self.state_is_sharded:
            state = found.trainer_state
            point = (state["epochs_completed"], state["batches_in_epoch_completed"])
            save(found.trainer_state, self._training_state_path(*point))
            save(found.model_state, self._model_state_path(*point))
        # AllenNLP finds these files, so it writes nothing and only removes old ones.
        super().save_checkpoint(trainer)
        if self._is_primary and not self.state_is_sharded:
            self._remove_lonely()

    def _remove_lonely(self) -> None:
        """Remove trainer states without weights, left by a kill between the two removals."""
        for path in Path(self._serialization_dir).glob("training_state_e*_b*.th"):
            if not path.with_name(path.name.replace("training", "model", 1)).exists():
                path.unlink()

    @overrides
    def load_checkpoint(self) -> TrainerCheckpoint | None:
        if self.state_is_sharded:
            return super().load_checkpoint()
        if self._is_primary:
            # After the last epoch nothing is saved any more that would remove them.
            self._remove_lonely()
        for point in sorted(self._find_all_checkpoints(), reverse=True):
            model, trainer = self._model_state_path(*point), self._training_state_path(*point)
            found = load_complete(Path(model), Path(trainer))
            if found is not None:
                return found
            logger.warning("%s, or another file of this checkpoint, is damaged: skipped", model)
            if self._is_primary:
                self._remove_checkpoint(*point)
        return None
