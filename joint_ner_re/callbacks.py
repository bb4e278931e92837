"""What happens between the epochs of a training, and at its end."""

import os
from typing import Any, Dict, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.training import TrainerCallback
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.modules.transformer import TransformerEmbedder


@TrainerCallback.register("unfreeze")
class UnfreezeCallback(CheckedOptions, TrainerCallback):
    """Trains pretrained encoders only when the layers above them have learned something.

    First the encoders are frozen, so that their vectors are computed once and the gradients of
    layers that know nothing yet do no harm to them; then they are trained, too (Kumar et al. 2022,
    "Fine-Tuning can Distort Pretrained Features"). It is for embedders `transformer` with
    `train_parameters`. A training whose `patience` ends before the epoch has trained none.

    Distributed training needs AllenNLP's option
    `"distributed.ddp_accelerator": {"type": "torch", "find_unused_parameters": true}`.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    epoch : `int`
        The first epoch, counted from 0, in which the encoders are trained.

    # Raises

    `ConfigurationError`
        If the epoch is negative or, when training starts, none of its epochs is as late, the model
        has no such embedder, or distributed training lacks the option.
    """

    def __init__(self, serialization_dir: str, epoch: int) -> None:
        super().__init__(serialization_dir)
        if epoch < 0:
            raise ConfigurationError(f"epoch is {epoch}; expected 0 or more")
        self._epoch = epoch

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        # Where a training was interrupted, it goes on with this epoch.
        begins = trainer._start_after_epochs_completed
        if not begins:
            self._check(trainer)
        self._freeze(trainer, begins)

    @overrides
    def on_epoch(
        self, trainer: Any, metrics: Dict[str, Any], epoch: int, is_primary: bool = True, **kwargs
    ) -> None:
        self._freeze(trainer, epoch + 1)

    def _check(self, trainer: Any) -> None:
        if self._epoch >= trainer._num_epochs:
            raise ConfigurationError(
                f"trainer.num_epochs is {trainer._num_epochs}, and the callback 'unfreeze' trains "
                f"the encoders from epoch {self._epoch} on, counted from 0: never; expected more "
                "epochs, or an earlier one for the callback"
            )
        if trainer._distributed and not getattr(
            trainer._ddp_wrapped_model.model, "find_unused_parameters", True
        ):
            raise ConfigurationError(
                "the callback 'unfreeze' has encoders that are not always trained; in distributed "
                'training expected "distributed.ddp_accelerator": {"type": "torch", '
                '"find_unused_parameters": true}'
            )

    def _freeze(self, trainer: Any, epoch: int) -> None:
        for embedder in _trained_embedders(trainer):
            embedder.freeze(epoch < self._epoch)


def _trained_embedders(trainer: Any) -> List[TransformerEmbedder]:
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


@TrainerCallback.register("save_encoder")
class SaveEncoderCallback(TrainerCallback):
    """After the last epoch, writes the encoder of a model `masked_pieces` to the directory
    `encoder` inside the training's.

    # Raises

    `ConfigurationError`
        If, when training starts, the model is another one.
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
        metrics: Optional[Dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs,
    ) -> None:
        if is_primary:
            trainer.model.save_encoder(os.path.join(self.serialization_dir, "encoder"))
