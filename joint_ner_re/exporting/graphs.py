"""Puts ONNX graphs together node by node."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

# Runtimes of the last years read both.
OPSET = 17
IR_VERSION = 8
# The most that one file holds.
MAX_BYTES = 2**31

_TYPES = {"float": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}
# The operator of each activation by its class, and its attributes by the module's names.
_ACTIVATIONS: dict[type, tuple[str, dict[str, str]]] = {
    nn.ReLU: ("Relu", {}),
    nn.Tanh: ("Tanh", {}),
    nn.Sigmoid: ("Sigmoid", {}),
    nn.Softsign: ("Softsign", {}),
    nn.SELU: ("Selu", {}),
    nn.ELU: ("Elu", {"alpha": "alpha"}),
    nn.LeakyReLU: ("LeakyRelu", {"alpha": "negative_slope"}),
}


class ExportError(ValueError):
    """A part of the model that cannot be exported. The message names it and says what can."""


class Graph:
    """A graph under construction. Its methods add nodes and return the names of their outputs.

    # Parameters

    name : `str`
        For the file's readers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._weights: list[onnx.TensorProto] = []

    def input(self, name: str, kind: str, shape: Sequence[int | str]) -> str:
        """An input. `kind` is `"float"`, `"int32"` or `"int64"`; a text in `shape` is any size."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[kind], shape))
        return name

    def output(self, value: str, name: str, shape: Sequence[int | str]) -> None:
        """Make a value of floats an output with this name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def weight(self, values: Any, dtype: str = "float32") -> str:
        """A constant from a tensor, an array or a list."""
        if isinstance(values, Tensor):
            values = values.detach().cpu().numpy()
        name = f"weight_{len(self._weights)}"
        array = numpy.ascontiguousarray(numpy.asarray(values, dtype))
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any
    ) -> str:
        """A node of any operator; returns its first output. An empty input is left out."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        names = [name, *(f"{name}_{number}" for number in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return name

    def linear(self, value: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """`value @ weight.T + bias`, as `torch.nn.functional.linear`."""
        product = self.node("MatMul", [value, self.weight(weight.detach().t())])
        return product if bias is None else self.node("Add", [product, self.weight(bias)])

    def activation(self, value: str, module: nn.Module, part: str) -> str:
        """An activation.

        # Raises

        `ExportError`
            If it is none of those that have an operator; the message names `part`.
        """
        if type(module) is nn.Identity:
            return value
        if type(module) not in _ACTIVATIONS:
            known = ", ".join(sorted(kind.__name__ for kind in _ACTIVATIONS))
            raise ExportError(
                f"{part} is {type(module).__name__}, which cannot be exported; expected one of "
                f"{known}"
            )
        operator, names = _ACTIVATIONS[type(module)]
        attributes: dict[str, Any] = {
            ours: float(getattr(module, theirs)) for ours, theirs in names.items()
        }
        return self.node(operator, [value], **attributes)

    def save(self, path: str, facts: Mapping[str, str] | None = None) -> None:
        """Write the graph to a file.

        # Raises

        `ExportError`
            If it has 2 GB or more, which one file cannot hold.
        """
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._weights
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        if model.ByteSize() >= MAX_BYTES:
            raise ExportError(
                f"{self.name} has {model.ByteSize() / 1e9:.1f} GB of weights; expected less than "
                "2 GB, which is the most that one ONNX file holds"
            )
        onnx.checker.check_model(model)
        onnx.save(model, path)
