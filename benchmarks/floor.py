"""The least that the arithmetic costs: the matrix products of the BiRNNs and the encoder, bare.

No gate, no activation, no norm, no copy: what a system takes beyond this time is overhead, or
work of another kind. The products have the sizes of the shipped model's, over the same padded
batches, into memory that is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from measure import Workload
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
from joint_ner_re.predictors.threads import MAX_THREADS, map_in_threads

Product = tuple[Callable[..., Tensor], Tensor, Tensor, Tensor]


class Room:
    """Matrices to multiply, made once for each shape."""

    def __init__(self, device: str, dtype: torch.dtype = torch.float32) -> None:
        self._options = {"device": device, "dtype": dtype}
        self._made: dict[tuple, Tensor] = {}

    def product(self, rows: int, inner: int, columns: int) -> Product:
        operands = (self._matrix("left", rows, inner), self._matrix("right", inner, columns))
        return (torch.mm, *operands, self._matrix("result", rows, columns))

    def products(self, batch: int, rows: int, inner: int, columns: int) -> Product:
        """A product for each member of a batch."""
        left = self._matrix("left", batch, rows, inner)
        right = self._matrix("right", batch, inner, columns)
        return (torch.bmm, left, right, self._matrix("result", batch, rows, columns))

    def _matrix(self, *key: Any) -> Tensor:
        if key not in self._made:
            self._made[key] = torch.rand(key[1:], **self._options)
        return self._made[key]


def floor(
    setup: Setup, setting: Setting, relations: bool = True, bfloat16: bool = False
) -> Workload:
    """The products of a repetition.

    # Parameters

    setup : `Setup`
    setting : `Setting`
    relations : `bool`, optional (default = `True`)
        Whether those of the relation layers are among them; a tagger has none.
    bfloat16 : `bool`, optional (default = `False`)
        Whether the matrices hold numbers of 16 bits.
    """
    made = load(setup, setting)
    batches = make_batches(
        made.reader, made.model, made.sentences, setting.batch_size, setup.device
    )
    training = setting.task == TRAINING
    # Batches run side by side in extraction, as those of the shipped model.
    at_once = 1 if training or setup.device != "cpu" else min(setup.threads, MAX_THREADS)
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    rooms = [Room(setup.device, dtype) for _ in range(at_once)]
    products: list[list[Product]] = [[] for _ in rooms]
    for number, batch in enumerate(batches):
        shape, room, own = batch["tags"].shape, rooms[number % at_once], products[number % at_once]
        for stack in stacks(made.model, relations):
            own += rnn_products(room, stack, *shape, training)
        if setting.vectors != KEPT:
            pieces = batch["tokens"][EMBEDDER]["pieces"]
            tuned = setting.vectors == TUNED and training
            own += encoder_products(room, made.model, *pieces.shape, tuned)
    return Workload(lambda: run_products(products), facts_of(made.sentences))


def relation_layers(setup: Setup, setting: Setting) -> Workload:
    """The products of the relation layers alone."""
    made = load(setup, setting)
    room = Room(setup.device)
    batches = make_batches(
        made.reader, made.model, made.sentences, setting.batch_size, setup.device
    )
    products: list[Product] = []
    for batch in batches:
        shape = batch["tags"].shape
        products += rnn_products(
            room, made.model.encoder.relation, *shape, setting.task == TRAINING
        )
    return Workload(lambda: run_products([products]), facts_of(made.sentences))


def stacks(model: JointModel, relations: bool) -> list[BiRnnStack]:
    """The BiRNNs whose products count. That of the characters, which is small, does not."""
    encoder = model.encoder
    return [encoder.shared, encoder.ner] + ([encoder.relation] if relations else [])


def run_products(products: Sequence[Sequence[Product]]) -> None:
    """One call of each, in order; the lists side by side."""

    def run(own: Sequence[Product]) -> None:
        with torch.inference_mode():
            for multiply, left, right, result in own:
                multiply(left, right, out=result)

    map_in_threads(run, products)
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


def encoder_products(
    room: Room, model: JointModel, batch: int, pieces: int, training: bool
) -> list[Product]:
    """Each layer: queries, keys and values; attention, twice; its output; the feed-forward.

    `training` says whether the encoder is trained, too.
    """
    embedder: Any = model.text_field_embedder._token_embedders[EMBEDDER]
    config = embedder.encoder.config
    # A sentence is read with a marker before and one behind it.
    length = pieces + len(embedder._markers.before) + len(embedder._markers.after)
    tokens, size, width = batch * length, config.hidden_size, config.intermediate_size
    heads, head = batch * config.num_attention_heads, size // config.num_attention_heads
    linear = [(tokens, size, 3 * size), (tokens, size, size)]
    linear += [(tokens, size, width), (tokens, width, size)]
    products: list[Product] = []
    for rows, inner, columns in linear:
        products.append(room.product(rows, inner, columns))
        if training:
            products.append(room.product(rows, columns, inner))
            products.append(room.product(inner, rows, columns))
    for inner, columns in ((head, length), (length, head)):
        products.append(room.products(heads, length, inner, columns))
        if training:
            products.append(room.products(heads, length, columns, inner))
            products.append(room.products(heads, inner, length, columns))
    return products * max(embedder._layers)
