from math import tanh

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from joint_ner_re.modules import TagScorer


def test_tag_scorer_by_hand():
    """W2 tanh(W1 h + b1) + b2 with h = (1, 2) and, as padding looks, (0, 0)."""
    scorer = TagScorer(input_size=2, num_tags=3, hidden_size=2).eval()
    scorer.hidden.weight.data = torch.tensor([[0.5, 0.25], [-1.0, 0.1]])
    scorer.hidden.bias.data = torch.tensor([0.0, 0.2])
    scorer.output.weight.data = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, -1.0]])
    scorer.output.bias.data = torch.tensor([0.0, 0.0, 0.5])
    a, b = tanh(0.5 + 0.5), tanh(-1 + 0.2 + 0.2)
    c = tanh(0.2)
    scores = scorer(torch.tensor([[[1.0, 2.0], [0.0, 0.0]]]))
    expected = [[[a, 2 * b, a - b + 0.5], [0, 2 * c, -c + 0.5]]]
    torch.testing.assert_close(scores, torch.tensor(expected))


def test_tag_scorer_without_a_hidden_layer_is_linear():
    scorer = TagScorer(input_size=4, num_tags=3, hidden_size=0)
    states = torch.randn(2, 5, 4)
    expected = states @ scorer.output.weight.T + scorer.output.bias
    torch.testing.assert_close(scorer(states), expected)
    assert len(list(scorer.parameters())) == 2


def test_tag_scorer_drops_in_training_only():
    scorer = TagScorer(input_size=8, num_tags=3, dropout=0.5)
    states = torch.randn(1, 20, 8)
    assert not torch.equal(scorer.train()(states), scorer(states))
    assert torch.equal(scorer.eval()(states), scorer(states))


def test_tag_scorer_from_a_configuration():
    params = Params({"hidden_size": 5, "activation": "relu", "dropout": 0.1})
    scorer = TagScorer.from_params(params, input_size=4, num_tags=3)
    assert scorer.hidden.weight.shape == (5, 4) and scorer.output.weight.shape == (3, 5)
    scorer.eval()
    states = torch.randn(2, 3, 4)
    expected = scorer.output(scorer.hidden(states).clamp(min=0))
    torch.testing.assert_close(scorer(states), expected)


@pytest.mark.parametrize(
    "option, message",
    [
        ({"hidden_size": -1}, "hidden_size is -1; expected 0 or more"),
        ({"dropout": 1}, "dropout is 1; expected at least 0 and less than"),
    ],
)
def test_impossible_sizes_are_refused(option, message):
    with pytest.raises(ConfigurationError, match=message):
        TagScorer(input_size=5, num_tags=4, **option)
