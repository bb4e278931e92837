"""A limit that no system can pass: the model's multiply-adds over the rate of the fastest product.

Counted are the products of the BiRNN layers and of the encoder for the tokens that there are,
without padding: whatever else a system computes, it computes these. The rate is the highest that a
large product of two matrices reaches in the same run, with the same number of threads and bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import Measured, Workload
from prepared import (
    EMBEDDER,
    KEPT,
    TRAINING,
    TUNED,
    Setting,
    Setup,
    facts_of,
    load,
    make_batches,
    synchronize,
)
from torch import Tensor

from joint_ner_re.models import JointModel
from joint_ner_re.modules import BiRnnStack

# Larger ones are not faster: by then a product's time is that of its arithmetic.
SIDES = {"cpu": 2048, "cuda": 8192}
JOINT, ENTITIES_ONLY = "multiply_adds", "multiply_adds_of_entities"
_OF_PRODUCT = "multiply_adds_of_the_product"

Product = tuple[Callable[..., Tensor], Tensor, Tensor, Tensor]


def limit(
    setup: Setup, setting: Setting, bfloat16: bool = False, side: int | None = None
) -> Workload:
    """A large product, with the model's multiply-adds for a repetition's sentences as facts.

    # Parameters

    setup : `Setup`
    setting : `Setting`
    bfloat16 : `bool`, optional (default = `False`)
        Whether the matrices hold numbers of 16 bits.
    side : `int`, optional (default = `None`)
        Rows and columns of both matrices; by default as many as the device needs.
    """
    made = load(setup, setting)
    # Each sentence in a batch of its own: no padding.
    lone = make_batches(made.reader, made.model, made.sentences, 1, setup.device)
    facts = facts_of(made.sentences)
    for name, relations in ((JOINT, True), (ENTITIES_ONLY, False)):
        facts[name] = sum(multiply_adds(made.model, batch, setting, relations) for batch in lone)
    side = side or SIDES[setup.device]
    facts[_OF_PRODUCT] = side**3
    options: Any = {
        "device": setup.device,
        "dtype": torch.bfloat16 if bfloat16 else torch.float32,
    }
    left, right, result = (torch.rand(side, side, **options) for _ in range(3))

    def multiply() -> None:
        with torch.inference_mode():
            torch.mm(left, right, out=result)
        synchronize()

    return Workload(multiply, facts)


def seconds_at_least(measured: Measured, what: str = JOINT) -> float:
    """The least time of a repetition's multiply-adds, by the fastest of the row's products."""
    facts = measured.facts
    return measured.seconds.best * facts[what] / facts[_OF_PRODUCT]


def multiply_adds(
    model: JointModel, batch: dict[str, Any], setting: Setting, relations: bool = True
) -> int:
    """Those of the BiRNN layers and the encoder for one sentence.

    # Parameters

    model : `JointModel`
    batch : `dict[str, Any]`
        The sentence alone.
    setting : `Setting`
    relations : `bool`, optional (default = `True`)
        Whether those of the relation layers are among them; a tagger has none.
    """
    training = setting.task == TRAINING
    tokens = batch["tags"].shape[1]
    count = sum(rnn_multiply_adds(stack, training) for stack in stacks(model, relations)) * tokens
    if setting.vectors != KEPT:
        pieces = batch["tokens"][EMBEDDER]["pieces"].shape[1]
        times = 3 if training and setting.vectors == TUNED else 1
        count += times * encoder_multiply_adds(model, pieces)
    return count


def rnn_multiply_adds(stack: BiRnnStack, training: bool) -> int:
    """Those of a stack for one token: each gate sees the input and the state before.

    Going backwards, a product gives the gradients of its matrix and of what it was multiplied
    with. The first layer's inputs may be frozen, so that theirs need not be computed.
    """
    count = 0
    for number, layer in enumerate(stack.layers):
        for network in (layer.forwards, layer.backwards):
            gates = len(network.weight_ih_l0)
            inputs = (3 if number else 2) if training else 1
            states = 3 if training else 1
            count += gates * (inputs * network.input_size + states * network.hidden_size)
    return count


def encoder_multiply_adds(model: JointModel, pieces: int) -> int:
    """Each layer: queries, keys, values and output; the feed-forward; attention, twice."""
    embedder: Any = model.text_field_embedder._token_embedders[EMBEDDER]
    config = embedder.encoder.config
    # A sentence is read with a marker before and one behind it.
    length = pieces + len(embedder._markers.before) + len(embedder._markers.after)
    size, width = config.hidden_size, config.intermediate_size
    layer = length * (4 * size * size + 2 * size * width) + 2 * length * length * size
    return layer * max(embedder._layers)


def stacks(model: JointModel, relations: bool = True) -> list[BiRnnStack]:
    """The BiRNNs whose products count. That of the characters, which is small, does not."""
    encoder = model.encoder
    return [encoder.shared, encoder.ner] + ([encoder.relation] if relations else [])


# The relation layers' products, done one by one


def relation_layers(setup: Setup, setting: Setting) -> Workload:
    """The products of the relation layers alone, over the padded batches."""
    made = load(setup, setting)
    batches = make_batches(
        made.reader, made.model, made.sentences, setting.batch_size, setup.device
    )
    room = Room(setup.device)
    products: list[Product] = []
    for batch in batches:
        shape = batch["tags"].shape
        products += rnn_products(
            room, made.model.encoder.relation, *shape, setting.task == TRAINING
        )
    return Workload(lambda: run_products(products), facts_of(made.sentences))


class Room:
    """Matrices to multiply, made once for each shape."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._made: dict[tuple, Tensor] = {}

    def product(self, rows: int, inner: int, columns: int) -> Product:
        """A product into memory that is there already."""
        operands = (self._matrix("left", rows, inner), self._matrix("right", inner, columns))
        return (torch.mm, *operands, self._matrix("result", rows, columns))

    def _matrix(self, *key: Any) -> Tensor:
        if key not in self._made:
            self._made[key] = torch.rand(key[1:], device=self._device)
        return self._made[key]


def run_products(products: Sequence[Product]) -> None:
    """One call of each, in order."""
    with torch.inference_mode():
        for multiply, left, right, result in products:
            multiply(left, right, out=result)
    synchronize()


def rnn_products(
    room: Room, stack: BiRnnStack, batch: int, length: int, training: bool
) -> list[Product]:
    """Each layer and direction: one product for the inputs of all tokens, one for each step."""
    products: list[Product] = []
    for layer in stack.layers:
        for network in (layer.forwards, layer.backwards):
            size, hidden = network.input_size, network.hidden_size
            gates = len(network.weight_ih_l0)
            tokens = batch * length
            products.append(room.product(tokens, size, gates))
            products += [room.product(batch, hidden, gates)] * length
            if training:
                # The gradients of the inputs and of both matrices, and those of the states,
                # step by step: twice as many operations as forwards.
                products.append(room.product(tokens, gates, size))
                products.append(room.product(size, tokens, gates))
                products.append(room.product(hidden, tokens, gates))
                products += [room.product(batch, gates, hidden)] * length
    return products
