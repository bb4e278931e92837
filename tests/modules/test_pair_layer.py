"""The layer over pairs, against its formula pair by pair in plain Python."""

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from joint_ner_re.modules import EntitySpans, PairLayer, PairScorer
from joint_ner_re.modules.pair_layer import maximum_tables, range_maximum


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
def test_the_maximum_over_any_range(length):
    """Every range of a sentence, against taking the maximum of its slice."""
    torch.manual_seed(length)
    values = torch.randn(2, length, 3)
    places = torch.arange(length + 1)
    begins = places.view(1, -1, 1).expand(2, length + 1, length + 1)
    ends = places.view(1, 1, -1).expand(2, length + 1, length + 1)
    maxima = range_maximum(maximum_tables(values), begins, ends)
    for row in range(2):
        for begin in range(length + 1):
            for end in range(length + 1):
                expected = torch.zeros(3)
                if begin < end:
                    expected = values[row, begin:end].max(dim=0)[0]
                assert torch.equal(maxima[row, begin, end], expected)


def test_tables_take_length_times_its_logarithm():
    tables = maximum_tables(torch.randn(1, 1000, 2))
    assert [table.size(1) for table in tables] == [1000 - 2**k + 1 for k in range(10)]


def new_layer():
    torch.manual_seed(0)
    layer = PairLayer(input_size=4, entity_size=5, num_relations=3, hidden_size=6).double()
    return layer.eval()


# Two entities side by side, one of three tokens, one over another, one before all.
SPANS = EntitySpans(
    torch.tensor([[4, 6, 20, 21, 0]]),
    torch.tensor([[6, 7, 23, 22, 1]]),
    torch.zeros(1, 5, dtype=torch.long),
    torch.ones(1, 5, dtype=torch.bool),
)


def expected_scores(layer, states, entities):
    """U relu(A g_i + b + B g_j + max_t P h_t + d), tokens between counted one by one."""
    limits = [0, 1, 2, 3, 4, 7, 15, 31]
    spans = list(zip(SPANS.starts[0].tolist(), SPANS.ends[0].tolist()))
    scores = torch.zeros(5, 5, 3, dtype=torch.double)
    for i, (start, end) in enumerate(spans):
        for j, (other_start, other_end) in enumerate(spans):
            between = [
                t for t in range(len(states)) if end <= t < other_start or other_end <= t < start
            ]
            bucket = next((n for n, most in enumerate(limits) if len(between) <= most), 8)
            hidden = (
                layer.head.weight @ entities[i]
                + layer.head.bias
                + layer.tail.weight @ entities[j]
                + layer.distance.weight[2 * bucket + (start > other_start)]
            )
            if between:
                hidden = (
                    hidden
                    + torch.stack([layer.between.weight @ states[t] for t in between]).max(dim=0)[0]
                )
            scores[i, j] = layer.output.weight @ hidden.clamp(min=0)
    return scores


def test_scores_are_those_of_the_formula():
    layer = new_layer()
    states = torch.randn(1, 60, 4, dtype=torch.double)
    entities = torch.randn(1, 5, 5, dtype=torch.double)
    tables = layer.prepare(states)
    scores = layer(tables, entities, SPANS, slice(None))
    torch.testing.assert_close(scores[0], expected_scores(layer, states[0], entities[0]))
    for head in range(5):
        block = layer(tables, entities, SPANS, slice(head, head + 1))
        torch.testing.assert_close(block, scores[:, head : head + 1])


@pytest.mark.parametrize("distance, bucket", [
    (0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (7, 5), (8, 6), (15, 6), (16, 7), (31, 7),
    (32, 8), (500, 8),
])  # fmt: skip
def test_distances_come_in_buckets(distance, bucket):
    layer = new_layer()
    spans = EntitySpans(
        torch.tensor([[0, 1 + distance]]),
        torch.tensor([[1, 2 + distance]]),
        torch.zeros(1, 2, dtype=torch.long),
        torch.ones(1, 2, dtype=torch.bool),
    )
    layer.distance.weight.data.zero_()
    layer.distance.weight.data[2 * bucket] = 100.0
    layer.output.weight.data.fill_(1.0)
    states = torch.zeros(1, 600, 4, dtype=torch.double)
    entities = torch.zeros(1, 2, 5, dtype=torch.double)
    scores = layer(layer.prepare(states), entities, spans, slice(None))
    # The way back, from the later entity to the earlier one, has an embedding of its own.
    assert bool((scores[0, 0, 1] > 500).all()) and bool((scores[0, 1, 0] < 50).all())


def new_scorer(**options):
    torch.manual_seed(0)
    params = Params({"hidden_size": 6, "tag_embedding_size": 2, **options})
    return PairScorer.from_params(params, input_size=4, num_labels=3, num_relations=3).eval()


def test_the_scorer_adds_it_to_the_papers_scores():
    scorer = new_scorer(pair_layer={"hidden_size": 8})
    states, tags = torch.randn(1, 30, 4), torch.tensor([[0, 1, 2, 1, 0]])
    whole = scorer(states, tags, SPANS)
    represented = scorer.represent(states, tags, SPANS)
    added = scorer.pair_layer(represented.between, represented.entities, SPANS, slice(None))
    scorer.pair_layer = None
    torch.testing.assert_close(whole, scorer(states, tags, SPANS) + added)
    assert bool(added.any())


@pytest.mark.parametrize("most", [1, 3 * 5 * 8, 10**6])
def test_blocks_of_heads_are_the_whole(most):
    scorer = new_scorer(pair_layer={"hidden_size": 8})
    states, tags = torch.randn(1, 30, 4), torch.tensor([[0, 1, 2, 1, 0]])
    blocks = list(scorer.by_head(states, tags, SPANS, most))
    whole = scorer(states, tags, SPANS)
    torch.testing.assert_close(torch.cat([logits for _, logits in blocks], dim=1), whole)
    # What bounds the memory is the hidden layer, not the few scores that come of it.
    assert len(blocks) == {1: 5, 120: 2, 10**6: 1}[most]


def test_every_parameter_learns():
    scorer = new_scorer(pair_layer={})
    states = torch.randn(1, 30, 4, requires_grad=True)
    scorer(states, torch.tensor([[0, 1, 2, 1, 0]]), SPANS).square().sum().backward()
    # The fixture's pairs do not have every distance.
    assert all(bool(p.grad.any()) for p in scorer.pair_layer.parameters())
    assert bool(states.grad[:, 7:20].any())


def test_it_drops_in_training_only():
    scorer = new_scorer(pair_layer={}, dropout=0.0)
    states, tags = torch.randn(1, 30, 4), torch.tensor([[0, 1, 2, 1, 0]])
    assert not torch.equal(scorer.train()(states, tags, SPANS), scorer(states, tags, SPANS))
    assert torch.equal(scorer.eval()(states, tags, SPANS), scorer(states, tags, SPANS))


def test_without_entities_there_are_no_scores():
    scorer = new_scorer(pair_layer={})
    nothing = torch.zeros(2, 0, dtype=torch.long)
    spans = EntitySpans(nothing, nothing, nothing, nothing > 0)
    assert scorer(torch.randn(2, 3, 4), nothing, spans).shape == (2, 0, 0, 3)


@pytest.mark.parametrize(
    "options, message",
    [({"hidden_size": 0}, "hidden_size is 0"), ({"dropout": 1.0}, "dropout is 1.0")],
)
def test_impossible_options(options, message):
    with pytest.raises(ConfigurationError, match=message):
        new_scorer(pair_layer=options)
