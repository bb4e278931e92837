"""BiRNN layers as ONNX nodes. Their input `sequence_lens` makes padding right in any batch."""

import torch
from torch import Tensor, nn

from joint_ner_re.exporting.graphs import ExportError, Graph
from joint_ner_re.modules import BiRnnLayer, BiRnnStack

# PyTorch's order of the gates' rows, and ONNX's: the cell's input, output, forget, cell; for GRUs
# update, reset, hidden.
_GATES = {"LSTM": (4, [0, 3, 1, 2]), "GRU": (3, [1, 0, 2])}


def add_layer(graph: Graph, value: str, lengths: str, layer: BiRnnLayer, last: bool = False) -> str:
    """One bidirectional layer.

    # Parameters

    graph : `Graph`
    value : `str`
        Shape: (length, batch, input_size): time comes first, as ONNX wants it.
    lengths : `str`
        The number of tokens of each sentence, 1 or more. Shape: (batch,), 32-bit integers.
    layer : `BiRnnLayer`
    last : `bool`, optional (default = `False`)
        Whether to return the states after each direction's last token instead of all states.

    # Returns

    `str`
        Shape: (length, batch, 2 * hidden_size), 0 at padding; with `last`, (batch, 2 *
        hidden_size).
    """
    operator = "LSTM" if isinstance(layer.forwards, nn.LSTM) else "GRU"
    weights = [_weights_of(network, operator) for network in (layer.forwards, layer.backwards)]
    inputs = [torch.stack(parts) for parts in zip(*weights)]
    options = {} if operator == "LSTM" else {"linear_before_reset": 1}
    node = graph.node(
        operator,
        [value, *(graph.weight(part) for part in inputs), lengths],
        outputs=2,
        hidden_size=layer.hidden_size,
        direction="bidirectional",
        **options,
    )
    if last:
        # Shape: (batch, 2, hidden_size)
        states = graph.node("Transpose", [f"{node}_1"], perm=[1, 0, 2])
        return graph.node("Reshape", [states, graph.weight([0, -1], "int64")])
    # From (length, 2, batch, hidden_size) to (length, batch, 2 * hidden_size).
    states = graph.node("Transpose", [node], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [states, graph.weight([0, 0, -1], "int64")])


def _weights_of(network: nn.Module, operator: str) -> tuple[Tensor, Tensor, Tensor]:
    """W, R and B of one direction, with the gates in ONNX's order."""
    gates, order = _GATES[operator]

    def ordered(weight: Tensor) -> Tensor:
        return torch.cat([weight.detach().float().chunk(gates)[place] for place in order])

    found = [
        ordered(getattr(network, name))
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    ]
    return found[0], found[1], torch.cat(found[2:])


def add_stack(graph: Graph, value: str, lengths: str, stack: nn.Module, part: str) -> str:
    """The layers of a `bi_rnn`, any number of them.

    # Raises

    `ExportError`
        If the encoder is of another kind; the message names `part`.
    """
    if type(stack) is not BiRnnStack:
        raise ExportError(
            f"{part} is {type(stack).__name__}, which cannot be exported; expected bi_rnn: use the "
            "archive itself"
        )
    for layer in stack.layers:
        assert isinstance(layer, BiRnnLayer)
        value = add_layer(graph, value, lengths, layer)
    return value
