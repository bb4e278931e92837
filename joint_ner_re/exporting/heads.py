"""The graphs above the token vectors: states and tag scores, entities, pairs of entities."""

from typing import Any

import torch
from torch import Tensor

from joint_ner_re.exporting.graphs import ExportError, Graph
from joint_ner_re.exporting.recurrent import add_stack
from joint_ner_re.models import JointModel
from joint_ner_re.modules import CrfEntityFinder, PairScorer


def check_heads(model: JointModel) -> None:
    """Make sure that the entity finder and the relation scorer are of this package.

    # Raises

    `ExportError`
        If one is not; the message names it.
    """
    for part, module, kind, name in (
        ("model.entity_finder", model.entity_finder, CrfEntityFinder, "crf"),
        ("model.relation_scorer", model.relation_scorer, PairScorer, "crone"),
    ):
        if type(module) is not kind:
            raise ExportError(
                f"{part} is {type(module).__name__}, which cannot be exported; expected {name}: "
                "use the archive itself"
            )


def states_graph(model: JointModel) -> Graph:
    """From the tokens' vectors to tag scores and the states for relations.

    Inputs: `vectors` (batch, length, input size), 0 at padding, and `lengths` (batch,), each 1 or
    more. Outputs: `scores_0` and so on, one for each level of tags (batch, length, tags); `states`
    (batch, length, size); with a pair layer also `between` (batch, length, its hidden size).
    """
    graph = Graph("states")
    size = model.text_field_embedder.get_output_dim()
    vectors = graph.input("vectors", "float", ["batch", "length", size])
    lengths = graph.input("lengths", "int32", ["batch"])
    vectors = graph.node("Transpose", [vectors], perm=[1, 0, 2])
    encoder: Any = model.encoder
    shared = add_stack(graph, vectors, lengths, encoder.shared, "model.encoder.shared")
    ner = add_stack(graph, shared, lengths, encoder.ner, "model.encoder.ner")
    states = add_stack(graph, shared, lengths, encoder.relation, "model.encoder.relation")
    ner, states = (graph.node("Transpose", [value], perm=[1, 0, 2]) for value in (ner, states))
    finder: Any = model.entity_finder
    for number, level in enumerate(finder.levels):
        hidden = ner
        if level.scorer.hidden is not None:
            hidden = graph.linear(hidden, level.scorer.hidden.weight, level.scorer.hidden.bias)
            hidden = graph.activation(
                hidden, level.scorer.activation, "model.entity_finder.scorer.activation"
            )
        output = level.scorer.output
        scores = graph.linear(hidden, output.weight, output.bias)
        graph.output(scores, f"scores_{number}", ["batch", "length", finder.num_labels])
    graph.output(states, "states", ["batch", "length", encoder.relation.get_output_dim()])
    pair_layer: Any = model.relation_scorer.pair_layer
    if pair_layer is not None:
        between = graph.linear(states, pair_layer.between.weight)
        graph.output(between, "between", ["batch", "length", pair_layer.between.out_features])
    return graph


def entities_graph(model: JointModel) -> Graph:
    """What the pairs need of each entity.

    Inputs: `lasts` (entities, size), the state of each entity's last token, and `labels`
    (entities,). Outputs: `entities` (g of `PairScorer`), `directions` (f, divided by its length),
    `as_head` and `as_tail` (the parts of the logits that depend on one entity alone, with the
    bias); with a pair layer also `pair_head` and `pair_tail`.
    """
    scorer: Any = model.relation_scorer
    graph = Graph("entities")
    size = model.encoder.relation.get_output_dim()
    entities = graph.input("lasts", "float", ["entities", size])
    labels = graph.input("labels", "int64", ["entities"])
    if scorer.tag_embedding is not None:
        embedded = graph.node("Gather", [graph.weight(scorer.tag_embedding.weight), labels])
        entities = graph.node("Concat", [entities, embedded], axis=1)
    else:
        # An input that no node reads is left out by some tools; this one has to stay.
        none = graph.node("Cast", [graph.node("Sub", [labels, labels])], to=1)
        none = graph.node("Unsqueeze", [none, graph.weight([1], "int64")])
        entities = graph.node("Add", [entities, none])
    hidden = graph.linear(entities, scorer.hidden.weight, scorer.hidden.bias)
    hidden = graph.activation(hidden, scorer.activation, "model.relation_scorer.activation")
    # As `torch.nn.functional.normalize`.
    norm = graph.node("ReduceL2", [hidden], axes=[1], keepdims=1)
    norm = graph.node("Max", [norm, graph.weight(1e-12)])
    as_head, as_tail, _, _ = _blocks(scorer)
    relations = scorer.num_relations
    graph.output(entities, "entities", ["entities", scorer.hidden.in_features])
    graph.output(
        graph.node("Div", [hidden, norm]), "directions", ["entities", scorer.hidden.out_features]
    )
    head = graph.linear(hidden, as_head, scorer.output.bias)
    graph.output(head, "as_head", ["entities", relations])
    graph.output(graph.linear(hidden, as_tail), "as_tail", ["entities", relations])
    if scorer.pair_layer is not None:
        pair: Any = scorer.pair_layer
        width = pair.output.in_features
        head = graph.linear(entities, pair.head.weight, pair.head.bias)
        graph.output(head, "pair_head", ["entities", width])
        graph.output(graph.linear(entities, pair.tail.weight), "pair_tail", ["entities", width])
    return graph


def pairs_graph(model: JointModel) -> Graph:
    """The logits of pairs of entities.

    Inputs: the outputs of `entities_graph`, and `heads` and `tails` (pairs,), rows of these; with
    a pair layer also `maxima` (pairs, hidden size), the greatest `between` of the tokens between
    the two, and `distances` (pairs,), rows of its table. Output: `logits` (pairs, relation types).
    """
    scorer: Any = model.relation_scorer
    graph = Graph("pairs")
    relations = scorer.num_relations
    size, width = scorer.hidden.in_features, scorer.hidden.out_features
    values = {
        name: graph.input(name, "float", ["entities", columns])
        for name, columns in (
            ("entities", size), ("directions", width), ("as_head", relations),
            ("as_tail", relations),
        )
    }  # fmt: skip
    heads = graph.input("heads", "int64", ["pairs"])
    tails = graph.input("tails", "int64", ["pairs"])

    def both(name: str) -> str:
        parts = [graph.node("Gather", [values[name], rows]) for rows in (heads, tails)]
        return graph.node("Mul", parts)

    _, _, cosine_weight, mixture = _blocks(scorer)
    # Distmult is linear in m, so W2's last block mixes the m_k; g_i * g_j is the same for all k.
    logits = graph.linear(both("entities"), mixture @ scorer.distmult)
    cosine = graph.node("ReduceSum", [both("directions"), graph.weight([1], "int64")], keepdims=1)
    parts = [
        graph.node("Mul", [cosine, graph.weight(cosine_weight.squeeze(1))]),
        graph.node("Gather", [values["as_head"], heads]),
        graph.node("Gather", [values["as_tail"], tails]),
    ]
    if scorer.pair_layer is not None:
        parts.append(_pair_layer(graph, scorer.pair_layer, heads, tails))
    for part in parts:
        logits = graph.node("Add", [logits, part])
    graph.output(logits, "logits", ["pairs", relations])
    return graph


def _pair_layer(graph: Graph, layer: Any, heads: str, tails: str) -> str:
    width = layer.output.in_features
    of_head = graph.input("pair_head", "float", ["entities", width])
    of_tail = graph.input("pair_tail", "float", ["entities", width])
    maxima = graph.input("maxima", "float", ["pairs", width])
    distances = graph.input("distances", "int64", ["pairs"])
    hidden = graph.node("Gather", [of_head, heads])
    for part in (
        graph.node("Gather", [of_tail, tails]),
        graph.node("Gather", [graph.weight(layer.distance.weight), distances]),
        maxima,
    ):
        hidden = graph.node("Add", [hidden, part])
    return graph.linear(graph.node("Relu", [hidden]), layer.output.weight)


def _blocks(scorer: Any) -> tuple[Tensor, ...]:
    """W2's blocks: for the head, the tail, the cosine, and the products of distmult."""
    width = scorer.hidden.out_features
    with torch.no_grad():
        return scorer.output.weight.split([width, width, 1, scorer.num_relations], dim=1)
