"""Callbacks of the trainer: first weights, changes at an epoch, saving an encoder."""

import os
import sys
from pathlib import Path
from typing import Any

from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.training import TrainerCallback
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.pretrained.embedder import TransformerEmbedder
from joint_ner_re.training.checkpointer import BEST
from joint_ner_re.training.data_loaders import BalancedDataLoader
from joint_ner_re.training.progress import report
from joint_ner_re.weight_files import read_weights


class _FromEpochOn(CheckedOptions, TrainerCallback):
    """Changes a training from one of its epochs on.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    epoch : `int`
        The first epoch, from 0, with the change.

    # Raises

    `ConfigurationError`
        If the epoch is negative; when the training starts: if it has too few epochs.
    """

    # The callback's name and what it does, for the message.
    _does: str

    def __init__(self, serialization_dir: str, epoch: int) -> None:
        super().__init__(serialization_dir)
        if epoch < 0:
            raise ConfigurationError(f"epoch is {epoch}; expected 0 or more")
        self._epoch = epoch

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        # More than 0 if an interrupted training resumes.
        begins = trainer._start_after_epochs_completed
        if not begins:
            self._check(trainer)
        self._begin(trainer, begins)

    @overrides
    def on_epoch(
        self, trainer: Any, metrics: dict[str, Any], epoch: int, is_primary: bool = True, **kwargs
    ) -> None:
        self._begin(trainer, epoch + 1)

    def _check(self, trainer: Any) -> None:
        if self._epoch >= trainer._num_epochs:
            raise ConfigurationError(
                f"trainer.num_epochs is {trainer._num_epochs}, but the callback {self._does} from "
                f"epoch {self._epoch} on, counted from 0: never; expected more epochs, or an "
                "earlier one for the callback"
            )

    def _begin(self, trainer: Any, epoch: int) -> None:
        """Prepare the trainer for an epoch."""
        raise NotImplementedError


@TrainerCallback.register("unfreeze")
class UnfreezeCallback(_FromEpochOn):
    """Keeps pretrained encoders frozen for some epochs, then trains them, too.

    Gradients of untrained layers would harm the encoders (Kumar et al. 2022, "Fine-Tuning can
    Distort Pretrained Features"). While the encoders are frozen, their vectors are computed only
    once. The callback acts on embedders `transformer` with `train_parameters`. If `patience` ends
    the training before the given epoch, the encoders are not trained.

    Distributed training needs AllenNLP's option
    `"distributed.ddp_accelerator": {"type": "torch", "find_unused_parameters": true}`.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    epoch : `int`
        The first epoch, from 0, in which the encoders are trained.

    # Raises

    `ConfigurationError`
        If the epoch is negative. When the training starts: if it has too few epochs, the model has
        no such embedder, or distributed training lacks the option.
    """

    _does = "'unfreeze' trains the encoders"

    @overrides
    def _check(self, trainer: Any) -> None:
        super()._check(trainer)
        if trainer._distributed and not getattr(
            trainer._ddp_wrapped_model.model, "find_unused_parameters", True
        ):
            raise ConfigurationError(
                "with the callback 'unfreeze' the encoders are not trained in every epoch; in "
                'distributed training expected "distributed.ddp_accelerator": {"type": "torch", '
                '"find_unused_parameters": true}'
            )

    @overrides
    def _begin(self, trainer: Any, epoch: int) -> None:
        for embedder in _trained_embedders(trainer):
            embedder.freeze(epoch < self._epoch)


def _trained_embedders(trainer: Any) -> list[TransformerEmbedder]:
    found = [
        module
        for module in trainer.model.modules()
        if isinstance(module, TransformerEmbedder) and module.train_parameters
    ]
    if not found:
        raise ConfigurationError(
            "the callback 'unfreeze' has nothing to unfreeze; expected a token embedder of type "
            "'transformer' with train_parameters true"
        )
    return found


@TrainerCallback.register("known_relations")
class KnownRelationsCallback(_FromEpochOn):
    """Ends a training with those sentences alone whose relations are known.

    Sentences of which only the entities are annotated (`#entities`) teach more of these, but a
    corpus may annotate them by other habits than those that the model is scored on. So they come
    first, as in pretraining. The data loader is `balanced`; its epochs keep their number of
    batches.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    epoch : `int`
        The first epoch, from 0, without the sentences whose relations are not known.

    # Raises

    `ConfigurationError`
        If the epoch is negative. When the training starts: if it has too few epochs, or another
        data loader; if no sentence has known relations, or if not all are in memory.
    """

    _does = "'known_relations' leaves out other sentences"

    @overrides
    def _check(self, trainer: Any) -> None:
        super()._check(trainer)
        if not isinstance(trainer.data_loader, BalancedDataLoader):
            raise ConfigurationError(
                "the callback 'known_relations' needs the data_loader 'balanced'; found "
                f"{type(trainer.data_loader).__name__}"
            )
        # Now rather than after hours of training.
        trainer.data_loader.known_relations()

    @overrides
    def _begin(self, trainer: Any, epoch: int) -> None:
        if epoch >= self._epoch:
            trainer.data_loader.keep_known_relations()


@TrainerCallback.register("begin_with")
class BeginWithCallback(CheckedOptions, TrainerCallback):
    """Begins a training with the weights of a finished one, such as to learn from more sentences.

    The vocabulary has to be that of the first training, too: `continued.libsonnet` sets both.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    directory : `str`
        That of the first training, or an unpacked `model.tar.gz`.

    # Raises

    `ConfigurationError`
        When the training starts: if it has no weights, others than the model needs, or weights for
        another vocabulary.
    """

    def __init__(self, serialization_dir: str, directory: str) -> None:
        super().__init__(serialization_dir)
        self._directory = directory

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        # An interrupted training resumes with its own weights.
        if trainer._start_after_epochs_completed or trainer._start_after_batches_in_epoch_completed:
            return
        path = self._weights_file()
        model = trainer.model
        weights, needed = read_weights(str(path), sys.maxsize), model.state_dict()
        for name in sorted({*weights, *needed}):
            found, expected = (
                tuple(some[name].shape) if name in some else None for some in (weights, needed)
            )
            if found != expected:
                raise ConfigurationError(
                    f"{path}: the shape of {name} is {found}, but the model needs {expected}; "
                    "expected the layers, sizes, input vectors and vocabulary of the first training"
                )
        first_vocabulary = path.parent / "vocabulary"
        first = Vocabulary.from_files(first_vocabulary)
        for namespace in sorted(model.vocab.get_namespaces()):
            words = [
                vocabulary.get_index_to_token_vocabulary(namespace)
                for vocabulary in (first, model.vocab)
            ]
            if words[0] != words[1]:
                raise ConfigurationError(
                    f"{path.parent}: its vocabulary has other {namespace} than the model; expected "
                    f'"vocabulary": {{"type": "from_files", "directory": "{first_vocabulary}"}}'
                )
        model.load_state_dict(weights)
        if is_primary:
            report(f"begins with the weights of {path}")

    def _weights_file(self) -> Path:
        for name in (BEST, "weights.th"):
            path = Path(self._directory) / name
            if path.is_file():
                return path
        raise ConfigurationError(
            f"{self._directory} has neither best.th nor weights.th; expected the directory of a "
            "finished training, or of an unpacked model.tar.gz"
        )


@TrainerCallback.register("save_encoder")
class SaveEncoderCallback(TrainerCallback):
    """Writes the encoder of a model `masked_pieces` after the last epoch.

    It goes into the directory `encoder` inside the serialization directory.

    # Raises

    `ConfigurationError`
        If the model is of another type, when training starts.
    """

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        if not hasattr(trainer.model, "save_encoder"):
            raise ConfigurationError(
                "the callback 'save_encoder' has no encoder to save; expected a model of type "
                "'masked_pieces'"
            )

    @overrides
    def on_end(
        self,
        trainer: Any,
        metrics: dict[str, Any] | None = None,
        epoch: int | None = None,
        is_primary: bool = True,
        **kwargs,
    ) -> None:
        if is_primary:
            trainer.model.save_encoder(os.path.join(self.serialization_dir, "encoder"))
