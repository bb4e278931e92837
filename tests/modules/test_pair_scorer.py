from math import sqrt, tanh

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from joint_ner_re.modules import EntitySpans, PairScorer


def new_scorer(relations=3, tag_size=2, **options):
    torch.manual_seed(0)
    scorer = PairScorer(
        input_size=5, num_labels=4, num_relations=relations, hidden_size=6,
        tag_embedding_size=tag_size, **options,
    ).double().eval()  # fmt: skip
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter)
    return scorer


def new_batch(entities=3):
    torch.manual_seed(1)
    states = torch.randn(2, 7, 5, dtype=torch.double)
    lasts = torch.randint(7, (2, entities))
    return states, torch.randint(4, (2, entities)), spans_of(lasts)


def spans_of(lasts, starts=None):
    """Entities of one token, where nothing else is said."""
    starts = lasts if starts is None else starts
    return EntitySpans(starts, lasts + 1, torch.zeros_like(lasts), torch.ones_like(lasts) > 0)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def relu(x):
    return max(x, 0.0)


def pair_scores(scorer, states, tags, lasts, activation=relu):
    """The formula of the paper for one sentence, pair by pair, in plain Python."""
    w1, b1 = scorer.hidden.weight.tolist(), scorer.hidden.bias.tolist()
    w2, b2 = scorer.output.weight.tolist(), scorer.output.bias.tolist()
    g = []
    for last, tag in zip(lasts.tolist(), tags.tolist()):
        label = []
        if scorer.tag_embedding is not None:
            label = scorer.tag_embedding.weight[tag].tolist()
        g.append(states[last].tolist() + label)
    f = [[activation(dot(row, vector) + b) for row, b in zip(w1, b1)] for vector in g]
    scores = []
    for i in range(len(g)):
        scores.append([])
        for j in range(len(g)):
            norms = sqrt(dot(f[i], f[i])) * sqrt(dot(f[j], f[j]))
            cosine = dot(f[i], f[j]) / norms if norms else 0.0
            distmult = [
                sum(a * m * b for a, m, b in zip(g[i], diagonal, g[j]))
                for diagonal in scorer.distmult.tolist()
            ]
            features = f[i] + f[j] + [cosine] + distmult
            scores[i].append([dot(row, features) + b for row, b in zip(w2, b2)])
    return scores


@pytest.mark.parametrize("tag_size", [0, 2])
@pytest.mark.parametrize("relations", [1, 3])
@pytest.mark.parametrize("entities", [1, 2, 4])
def test_scores_are_those_of_the_formula(entities, relations, tag_size):
    scorer, (states, tags, spans) = new_scorer(relations, tag_size), new_batch(entities)
    scores = scorer(states, tags, spans)
    assert scores.shape == (2, entities, entities, relations)
    for row in range(2):
        expected = pair_scores(scorer, states[row], tags[row], spans.lasts[row])
        torch.testing.assert_close(scores[row], torch.tensor(expected, dtype=torch.double))


@pytest.mark.parametrize("most", [1, 2 * 4 * 3, 2 * 4 * 3 * 3, 10**6])
def test_blocks_of_heads_are_the_whole_and_no_larger_than_asked(most):
    scorer = new_scorer(relations=3).eval()
    batch = new_batch(entities=4)
    blocks = list(scorer.by_head(*batch, most))
    one_head = 2 * 4 * 3
    assert all(logits.numel() <= max(most, one_head) for _, logits in blocks)
    assert [head for heads, _ in blocks for head in range(4)[heads]] == [0, 1, 2, 3]
    torch.testing.assert_close(torch.cat([logits for _, logits in blocks], 1), scorer(*batch))


def test_another_activation():
    params = Params({"hidden_size": 6, "tag_embedding_size": 2, "activation": "tanh"})
    scorer = PairScorer.from_params(params, input_size=5, num_labels=4, num_relations=3)
    scorer, (states, tags, spans) = scorer.double().eval(), new_batch()
    expected = pair_scores(scorer, states[0], tags[0], spans.lasts[0], tanh)
    torch.testing.assert_close(
        scorer(states, tags, spans)[0], torch.tensor(expected, dtype=torch.double)
    )


@pytest.mark.parametrize("relations, entities", [(0, 3), (0, 0), (3, 0), (3, 1), (0, 1)])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_no_relation_type_and_few_entities(relations, entities):
    scorer = PairScorer(input_size=5, num_labels=4, num_relations=relations, hidden_size=6)
    states, tags, spans = new_batch(entities)
    scores = scorer(states.float(), tags, spans)
    assert scores.shape == (2, entities, entities, relations)
    scores.sum().backward()
    for parameter in scorer.parameters():
        assert bool(torch.isfinite(parameter.grad).all())


def test_every_parameter_learns_and_the_optimiser_sees_the_diagonals():
    scorer, batch = new_scorer(), new_batch()
    assert "distmult" in dict(scorer.named_parameters())
    assert scorer.distmult.shape == (3, 5 + 2)
    scorer(*batch).square().sum().backward()
    assert all(bool(p.grad.any()) for p in scorer.parameters())
    assert bool(scorer.distmult.grad.any(dim=1).all())


def test_direction_matters():
    scorer, (states, tags, spans) = new_scorer(), new_batch(2)
    forth = scorer(states, tags, spans)
    back = scorer(states, tags.flip(1), spans_of(spans.lasts.flip(1)))
    assert not torch.isclose(forth[:, 0, 1], forth[:, 1, 0]).any()
    torch.testing.assert_close(forth[:, 0, 1], back[:, 1, 0])


def test_an_entity_is_its_last_token_and_that_tokens_tag():
    scorer, (states, tags, _) = new_scorer(), new_batch(2)
    spans = spans_of(torch.tensor([[2, 5], [2, 5]]), torch.tensor([[1, 5], [2, 4]]))
    scores = scorer(states, tags, spans)
    changed_states = states.clone()
    changed_states[:, torch.tensor([0, 1, 3, 4, 6])] += 1
    assert torch.equal(scorer(changed_states, tags, spans), scores)
    changed_tags = tags.clone()
    changed_tags[:, 1] = (tags[:, 1] + 1) % 4
    differs = ~torch.isclose(scorer(states, changed_tags, spans), scores).all(dim=3)
    assert differs.tolist() == [[[False, True], [True, True]]] * 2


def test_entities_without_a_hidden_feature_have_cosine_zero_and_finite_gradients():
    """All hidden features are cut off by the ReLU, so that their norm is 0."""
    scorer, (states, tags, spans) = new_scorer(), new_batch()
    scorer.hidden.bias.data.fill_(-1e3)
    states.requires_grad_()
    scores = scorer(states, tags, spans)
    expected = pair_scores(scorer, states[0], tags[0], spans.lasts[0])
    torch.testing.assert_close(scores[0], torch.tensor(expected, dtype=torch.double))
    scores.sum().backward()
    for tensor in (states, *scorer.parameters()):
        assert bool(torch.isfinite(tensor.grad).all())


def test_padding_entities_do_not_change_the_others():
    scorer, (states, tags, spans) = new_scorer(), new_batch(2)
    nothing = torch.zeros(2, 3, dtype=torch.long)
    longer = spans_of(torch.cat([spans.lasts, nothing], dim=1))
    scores = scorer(states, torch.cat([tags, nothing], dim=1), longer)
    torch.testing.assert_close(scores[:, :2, :2], scorer(states, tags, spans))


def test_dropout_is_on_entities_in_training_only():
    scorer, batch = new_scorer(dropout=0.5), new_batch()
    assert torch.equal(scorer(*batch), scorer(*batch))
    read = []
    scorer.hidden.register_forward_pre_hook(lambda module, values: read.append(values[0]))
    scorer(*batch)
    scorer.train()(*batch)
    kept = read[1] != 0
    assert kept.any() and not kept.all()
    torch.testing.assert_close(read[1][kept], 2 * read[0][kept])


@pytest.mark.parametrize(
    "option, message",
    [
        ({"hidden_size": 0}, "hidden_size is 0; expected 1 or more"),
        ({"tag_embedding_size": -1}, "tag_embedding_size is -1; expected 0 or more"),
        ({"dropout": 1.5}, "dropout is 1.5; expected at least 0 and less than 1"),
    ],
)
def test_impossible_sizes_are_refused(option, message):
    with pytest.raises(ConfigurationError, match=message):
        PairScorer(input_size=5, num_labels=4, num_relations=1, **option)
