"""What happens between the epochs of a training."""

import logging
from typing import Any, Dict, List

from allennlp.common.checks import ConfigurationError
from allennlp.training import TrainerCallback
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.modules.transformer import TransformerEmbedder

logger = logging.getLogger(__name__)


@TrainerCallback.register("unfreeze")
class UnfreezeCallback(CheckedOptions, TrainerCallback):
    """Trains pretrained encoders only when the layers above them have learned something.

    First the encoders are frozen, so that their vectors are computed once and the gradients of
    layers that know nothing yet do no harm to them; then they are trained, too (Kumar et al. 2022,
    "Fine-Tuning can Distort Pretrained Features"). It is for embedders `transformer` with
    `train_parameters`. Distributed training needs AllenNLP's option
    `"distributed": {"ddp_accelerator": {"type": "torch", "find_unused_parameters": true}}`.

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    epoch : `int`
        The first epoch, counted from 0, in which the encoders are trained.

    # Raises

    `ConfigurationError`
        If the epoch is negative or, when training starts, the model has no such embedder.
    """

    def __init__(self, serialization_dir: str, epoch: int) -> None:
        super().__init__(serialization_dir)
        if epoch < 0:
            raise ConfigurationError(f"epoch is {epoch}; expected 0 or more")
        self._epoch = epoch

    @overrides
    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary)
        if self._epoch >= trainer._num_epochs:
            logger.warning(
                "the encoders are frozen in all epochs: there are %d (trainer.num_epochs), and "
                "they would be trained from epoch %d on (counted from 0, trainer.callbacks)",
                trainer._num_epochs,
                self._epoch,
            )
        # Where a training was interrupted, it goes on with this epoch.
        self._freeze(trainer, trainer._start_after_epochs_completed)

    @overrides
    def on_epoch(
        self, trainer: Any, metrics: Dict[str, Any], epoch: int, is_primary: bool = True, **kwargs
    ) -> None:
        self._freeze(trainer, epoch + 1)

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
