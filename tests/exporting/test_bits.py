"""Products of integers in the place of products of matrices."""

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from joint_ner_re.exporting.bits import quantise
from joint_ner_re.exporting.graphs import IR_VERSION, OPSET


def model(*matrices, names=None):
    """Every matrix times the input, each an output of its own."""
    names = names or [f"matrix_{number}" for number in range(len(matrices))]
    outputs = [f"product_{number}" for number in range(len(matrices))]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "size"])
        for name in ["x", *outputs]
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", name], [output]) for name, output in zip(names, outputs)],
        "products",
        values[:1],
        values[1:],
        [
            numpy_helper.from_array(numpy.asarray(matrix, "float32"), name)
            for name, matrix in dict(zip(names, matrices)).items()
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )


def computed(graph, rows):
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"x": numpy.asarray(rows, "float32")})


def test_whole_numbers_are_exact():
    # Rows have steps of a 127th of their largest value, columns of a 63rd, so nothing is rounded.
    matrix = [[63, -1], [63, 0.5], [63, 31.5], [-63, 0]]
    rows = [[0, 127, -127, 0], [5, 127, 3, 0], [0, 12.7, 0.1, -12.6]]
    graph = model(matrix)
    quantise(graph)
    # The second column's step is 0.5: 31.5 / 63.
    expected = [
        [0, 127 * 0.5 - 127 * 31.5],
        [135 * 63, -5 + 63.5 + 94.5],
        [25.4 * 63, 6.35 + 3.15],
    ]
    assert computed(graph, rows)[0] == pytest.approx(numpy.array(expected), rel=1e-6, abs=1e-3)


def test_the_largest_sums_are_not_cut_off():
    # Of processors that add two products in 16 bits: 2 x 255 x 63 fits, 2 x 255 x 127 does not.
    graph = model(numpy.ones((64, 16)))
    quantise(graph)
    assert computed(graph, numpy.ones((1, 64)))[0] == pytest.approx(
        numpy.full((1, 16), 64), rel=1e-6
    )


def test_the_error_is_that_of_rounding():
    random = numpy.random.default_rng(3)
    matrix = random.normal(size=(48, 24))
    rows = random.normal(size=(6, 48)) * [[1], [0.1], [30], [1], [1], [1e-3]]
    graph = model(matrix)
    quantise(graph)
    # Half a step of each value times the weights, and half a step of each weight times the values.
    step = abs(rows).max(1)[:, None] / 127
    weight_step = abs(matrix).max(0) / 63
    most = step / 2 * abs(matrix).sum(0)
    most = most + weight_step / 2 * (abs(rows).sum(1)[:, None] + 48 * step / 2)
    error = abs(computed(graph, rows)[0] - rows @ matrix)
    assert (error <= most * 1.0001).all()
    assert error.max() > 0


def test_a_row_does_not_depend_on_the_others():
    random = numpy.random.default_rng(4)
    graph = model(random.normal(size=(16, 8)))
    quantise(graph)
    row, large = random.normal(size=(1, 16)), 1000 * random.normal(size=(3, 16))
    alone = computed(graph, row)[0]
    assert (computed(graph, numpy.concatenate([large, row]))[0][-1:] == alone).all()


def test_rows_and_columns_of_zeros():
    graph = model([[2, 0], [-2, 0], [2, 0]])
    quantise(graph)
    rows = [[0, 0, 0], [3, 3, 3]]
    assert computed(graph, rows)[0] == pytest.approx(numpy.array([[0, 0], [6, 0]]))


def test_what_products_share_is_computed_once():
    matrix = [[1.0, 2], [3, 4]]
    graph = model(matrix, [[5.0, 6], [7, 8]], matrix, names=["a", "b", "a"])
    quantise(graph)
    onnx.checker.check_model(graph)
    kinds = [node.op_type for node in graph.graph.node]
    assert (kinds.count("MatMulIntegerToFloat"), kinds.count("QuantizeLinear")) == (3, 1)
    integers = [w for w in graph.graph.initializer if w.data_type == TensorProto.INT8]
    assert len(integers) == 2
    first, second, third = computed(graph, [[0.0, 127]])
    assert (first == third).all()
    assert second == pytest.approx(numpy.array([[127 * 7, 127 * 8]]), rel=0.01)


def test_other_products_stay():
    # Of two inputs, as in attention, or of more than two dimensions.
    graph = model([[1.0, 2], [3, 4]])
    graph.graph.node[0].input[:] = ["x", "x"]
    before = graph.graph.node[0].SerializeToString()
    quantise(graph)
    assert [node.SerializeToString() for node in graph.graph.node] == [before]
