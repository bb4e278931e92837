"""Turns the matrices of an exported model into 8 bits."""

import logging
import os
from tempfile import TemporaryDirectory

from onnxruntime.quantization import QuantType, quantize_dynamic

from joint_ner_re.runtime.files import Manifest

# What is quantised, by measuring: the products of the pretrained encoder take most of the time.
# The layers above it are small, and their errors would add up over a sentence.
OPERATORS = ("MatMul",)


def to_eight_bits(directory: str, manifest: Manifest) -> None:
    """Quantise the pretrained encoders' matrices, channel by channel; inputs of products are
    quantised while the model runs.

    Embeddings, normalisations, softmax, BiRNN layers, tag and relation scores stay in 32 bits.

    # Parameters

    directory : `str`
        The directory; the encoders' graphs are replaced.
    manifest : `Manifest`
    """
    for feature in manifest.features:
        if feature["kind"] == "pieces":
            _quantise(os.path.join(directory, feature["graph"]))


def _quantise(path: str) -> None:
    # The library warns that one could prepare the graph, which would change nothing here.
    root = logging.getLogger()
    level = root.level
    root.setLevel(max(logging.ERROR, level))
    try:
        with TemporaryDirectory(dir=os.path.dirname(path), prefix=".bits") as temporary:
            target = os.path.join(temporary, "graph.onnx")
            quantize_dynamic(
                path,
                target,
                per_channel=True,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS),
            )
            os.replace(target, path)
    finally:
        root.setLevel(level)
