"""Turns the matrices of exported encoders into 8 bits."""

from __future__ import annotations

import os
from typing import Any

import numpy
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from joint_ner_re.runtime.files import Manifest

_LARGEST = 63
"""The largest weight. Processors without VNNI add two products in 16 bits, which hold 2 x 63 x 255
but not 2 x 127 x 255: with 8 bits their sums would be cut off (ONNX Runtime calls this
`reduce_range`)."""

_STEPS = 127
"""The largest number of a row. Numbers are stored without a sign: 128 is added to each."""

_SMALLEST = 1e-6
"""For rows of zeros, which cannot be divided by their largest value."""

_RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators, of which one multiplies integers and scales the
result at once."""


def to_eight_bits(directory: str, manifest: Manifest) -> None:
    """Quantise the products of the pretrained encoders, which take most of the time.

    Embeddings, attention scores, normalisations, BiRNN layers, tag and relation scores stay in 32
    bits: they are small, and their errors would add up over a sentence.

    # Parameters

    directory : `str`
        The directory; the encoders' graphs are replaced.
    manifest : `Manifest`
    """
    for feature in manifest.features:
        if feature["kind"] == "pieces":
            path = os.path.join(directory, feature["graph"])
            model = onnx.load(path)
            quantise(model)
            onnx.checker.check_model(model)
            onnx.save(model, path)


def quantise(model: onnx.ModelProto) -> None:
    r"""Compute every product with a constant matrix from integers, in place.

    Each row $x$ of the left side and each column of the matrix $W$ gets a scale of its own:

    $$ x \approx s q, \qquad W_{ij} \approx w_j Q_{ij}, \qquad
       (x W)_j \approx s w_j \sum_i q_i Q_{ij} $$

    with $s = \max_i |x_i| / 127$, $q$ from -127 to 127 and $Q$ from -63 to 63. Encoders have a few
    pieces with values ten times those of all others, above all the markers at both ends. With one
    scale for all pieces, as `onnxruntime.quantization.quantize_dynamic` has it, they take the
    others' precision away, and a sentence's result depends on its batch.

    # Parameters

    model : `onnx.ModelProto`
        Of the opset of this package's exports.
    """
    graph = model.graph
    matrices = {
        weight.name: weight
        for weight in graph.initializer
        if len(weight.dims) == 2 and weight.data_type == TensorProto.FLOAT
    }
    rewriter = _Rewriter()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in matrices:
            rewriter.product(node, matrices[node.input[1]])
        else:
            rewriter.nodes.append(node)
    used = {name for node in rewriter.nodes for name in node.input}
    weights = [weight for weight in graph.initializer if weight.name in used]
    graph.ClearField("node")
    graph.node.extend(rewriter.nodes)
    graph.ClearField("initializer")
    graph.initializer.extend([*weights, *rewriter.weights])
    model.opset_import.append(helper.make_opsetid(_RUNTIME, 1))


class _Rewriter:
    """The nodes and weights of the new graph."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._step = self._weight("step", numpy.float32(1 / _STEPS))
        self._zero = self._weight("zero", numpy.uint8(128))
        self._smallest = self._weight("smallest", numpy.float32(_SMALLEST))
        # Several products share their left side, as queries, keys and values do, or their matrix.
        self._rows: dict[str, tuple[str, str]] = {}
        self._columns: dict[str, tuple[str, str]] = {}

    def product(self, node: NodeProto, matrix: TensorProto) -> None:
        """Put integers in the place of a product."""
        rows, largest = self._of_rows(node.input[0])
        columns, scales = self._of_columns(matrix)
        total = self._node(
            "MatMulIntegerToFloat",
            [rows, columns, self._step, scales, self._zero],
            f"{node.output[0]}_scaled",
            domain=_RUNTIME,
        )
        self._node("Mul", [total, largest], node.output[0])

    def _of_rows(self, value: str) -> tuple[str, str]:
        """The names of a value's integers and of its rows' largest values."""
        if value not in self._rows:
            sizes = self._node("Abs", [value], f"{value}_sizes")
            largest = self._node("ReduceMax", [sizes], f"{value}_largest", axes=[-1], keepdims=1)
            largest = self._node("Max", [largest, self._smallest], f"{value}_divisor")
            scaled = self._node("Div", [value, largest], f"{value}_scaled")
            integers = self._node(
                "QuantizeLinear", [scaled, self._step, self._zero], f"{value}_integers"
            )
            self._rows[value] = integers, largest
        return self._rows[value]

    def _of_columns(self, matrix: TensorProto) -> tuple[str, str]:
        """The names of a matrix's integers and of its columns' scales."""
        if matrix.name not in self._columns:
            values = numpy_helper.to_array(matrix)
            scales = numpy.abs(values).max(axis=0) / _LARGEST
            scales = numpy.where(scales == 0, 1, scales).astype("float32")
            integers = numpy.round(values / scales).astype("int8")
            self._columns[matrix.name] = (
                self._weight(f"{matrix.name}_integers", integers),
                self._weight(f"{matrix.name}_scales", scales),
            )
        return self._columns[matrix.name]

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def _weight(self, name: str, values: numpy.ndarray | numpy.generic) -> str:
        self.weights.append(numpy_helper.from_array(numpy.asarray(values), name))
        return name
