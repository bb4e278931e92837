"""A pretrained encoder with its mix of layers as one ONNX graph."""

import io
import warnings
from contextlib import redirect_stdout

import torch
from torch import Tensor, nn

from joint_ner_re.exporting.graphs import MAX_BYTES, OPSET, ExportError
from joint_ner_re.pretrained import TransformerEmbedder


class _Mixed(nn.Module):
    """From pieces to the mix of the layers' states, as `TransformerEmbedder` computes it."""

    def __init__(self, embedder: TransformerEmbedder) -> None:
        super().__init__()
        self.encoder = embedder.encoder
        self._layers = embedder._layers
        mix = [1.0] if embedder.mix is None else embedder.mix.detach().softmax(dim=0).tolist()
        self._mix = mix

    def forward(self, pieces: Tensor, mask: Tensor) -> Tensor:
        hidden = self.encoder(input_ids=pieces, attention_mask=mask).hidden_states
        if len(self._layers) == 1:
            return hidden[self._layers[0]]
        total = hidden[self._layers[0]] * self._mix[0]
        for layer, weight in zip(self._layers[1:], self._mix[1:]):
            total = total + hidden[layer] * weight
        return total


def export_encoder(embedder: TransformerEmbedder, path: str) -> None:
    """Write an encoder's graph.

    Its inputs are `pieces` and `mask`, of shape (windows, pieces), where the mask is 1 at real
    pieces and markers; its output is `states`, of shape (windows, pieces, size).

    # Raises

    `ExportError`
        If the encoder is of a kind that cannot be exported, or too large for one file.
    """
    kind = embedder.encoder.config.model_type
    size = sum(weight.numel() * weight.element_size() for weight in embedder.encoder.parameters())
    if size >= MAX_BYTES:
        raise ExportError(
            f"the encoder {kind} has {size / 1e9:.1f} GB of weights; expected less than 2 GB, "
            "which is the most that one ONNX file holds"
        )
    module = _Mixed(embedder).eval()
    # Two windows of different lengths: with one, the tracer could take a size for a constant.
    pieces = torch.full((2, 7), 5)
    mask = torch.ones_like(pieces)
    mask[1, 5:] = 0
    axes = {name: {0: "windows", 1: "pieces"} for name in ("pieces", "mask", "states")}
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (pieces, mask),
                path,
                input_names=["pieces", "mask"],
                output_names=["states"],
                dynamic_axes=axes,
                opset_version=OPSET,
                do_constant_folding=True,
                dynamo=False,
            )
    # What goes wrong depends on the architecture.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ExportError(
            f"an encoder of the kind {kind} cannot be exported ({reason}); use the archive itself"
        ) from error
