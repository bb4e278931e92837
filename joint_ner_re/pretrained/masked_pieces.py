"""Continues the pretraining of an encoder on your own texts, by masked word pieces."""

from contextlib import nullcontext
from typing import Any

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from overrides import overrides
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.metrics import WeightedMean
from joint_ner_re.modules.bounds import check_probability
from joint_ner_re.pretrained.embedder import TransformerEmbedder
from joint_ner_re.pretrained.encoder import save_encoder
from joint_ner_re.pretrained.tokenizer import piece_tokenizer

# Of the pieces to guess, these shares are masked and replaced by a random piece. The rest stays
# unchanged (Devlin et al. 2019, section 3.1).
MASKED = 0.8
REPLACED = 0.1


@Model.register("masked_pieces")
class MaskedPiecesModel(CheckedOptions, Model):
    """Continues the pretraining of an encoder on texts of the domain it will be used in.

    See Gururangan et al. 2020, "Don't Stop Pretraining". Not in the paper.

    The encoder guesses masked pieces, as in BERT's pretraining. The prediction head is new, because
    sentence encoders come without one. The callback `save_encoder` writes the trained encoder to a
    directory, for `encoder::` of other configurations.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP; not used.
    model_name : `str`
        See `joint_ner_re.pretrained`. The token indexer must be of type `word_pieces`, be named
        `contextual` and have the same `model_name`.
    hidden : `float`, optional (default = `0.15`)
        The probability that a piece must be guessed.
    bfloat16 : `bool`, optional (default = `False`)
        Whether to multiply matrices in 16 bits, as in `JointModel`.
    **kwargs
        As for every `Model`, such as `regularizer`.

    # Raises

    `ConfigurationError`
        If there is no such encoder, its tokenizer has no mask, or `hidden` is impossible.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        model_name: str,
        hidden: float = 0.15,
        bfloat16: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(vocab, **kwargs)
        check_probability("hidden", hidden)
        if not hidden:
            raise ConfigurationError("hidden is 0: there is nothing to guess; expected more than 0")
        self._model_name = model_name
        mask = piece_tokenizer(model_name).mask
        if mask is None:
            raise ConfigurationError(
                f"model_name {model_name!r}: its tokenizer has no mask, so that nothing can be "
                "hidden; expected an encoder that was pretrained with one, such as BERT"
            )
        self._mask = mask
        self.embedder = TransformerEmbedder(model_name, train_parameters=True, layers=[-1])
        size = self.embedder.get_output_dim()
        self.head = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.LayerNorm(size))
        self.bias = nn.Parameter(torch.zeros(len(self._pieces)))
        self._hidden = hidden
        self._bfloat16 = bfloat16
        self._loss = WeightedMean()

    @property
    def _pieces(self) -> Tensor:
        """The embeddings of all pieces, which the head shares. Shape: (pieces, size)"""
        return self.embedder.encoder.get_input_embeddings().weight

    @overrides(check_signature=False)
    def forward(
        self, tokens: TextFieldTensors, metadata: Any = None, annotation: Any = None
    ) -> dict[str, Tensor]:
        """
        # Parameters

        tokens : `TextFieldTensors`
            Under `contextual`, the pieces of the indexer `word_pieces`.
        metadata, annotation : `Any`
            Fields of `JointReader`; not used.

        # Returns

        `dict[str, Tensor]`
            `loss`: the mean cross-entropy of the pieces to guess, in nats; 0 if there are none.
        """
        # In distributed training a process may get an empty last batch, even without fields.
        # Shape: (batch, pieces), each piece's number + 1; 0 is padding.
        pieces = tokens["contextual"]["pieces"] if tokens else self._pieces.new_zeros(0, 0).long()
        visible, guessed = self._hide(pieces)
        if not guessed.any():
            # In distributed training every weight needs a gradient.
            return {"loss": 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum()}
        # The embedder returns vectors of words, so treat each piece as a word.
        places = torch.arange(1, pieces.size(1) + 1, device=pieces.device) * (pieces > 0)
        device = pieces.device.type
        with torch.autocast(device, torch.bfloat16) if self._bfloat16 else nullcontext():
            states = self.embedder(visible, places)[guessed]
            scores = F.linear(self.head(states), self._pieces, self.bias)
        targets = pieces[guessed] - 1
        loss = F.cross_entropy(scores.float(), targets)
        self._loss(loss.item() * len(targets), len(targets))
        return {"loss": loss}

    def _hide(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """The pieces with some hidden, and which of them to guess. Shape of each: as `pieces`."""
        draw = torch.rand(pieces.shape, device=pieces.device)
        guessed = (draw < self._hidden) & (pieces > 0)
        how = draw / self._hidden
        visible = pieces.masked_fill(guessed & (how < MASKED), self._mask + 1)
        others = torch.randint_like(pieces, 1, len(self._pieces) + 1)
        replaced = guessed & (how >= MASKED) & (how < MASKED + REPLACED)
        return torch.where(replaced, others, visible), guessed

    def save_encoder(self, directory: str) -> None:
        """Write the encoder; see `joint_ner_re.pretrained`."""
        save_encoder(self.embedder.encoder, self._model_name, directory)

    @overrides
    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`piece_loss`: the mean loss of all pieces that were guessed, in nats."""
        return {"piece_loss": self._loss.get_metric(reset)}
