import copy

import pytest
import torch
from allennlp.common import Params
from allennlp.training.optimizers import Optimizer

from joint_ner_re import optimizers

GROUPS = [[["bias$"], {"lr": 0.05, "weight_decay": 0.0}]]


def train(kind, network):
    torch.manual_seed(0)
    network = copy.deepcopy(network)
    options = {"type": kind, "lr": 0.01, "weight_decay": 0.1, "parameter_groups": GROUPS}
    optimizer = Optimizer.from_params(
        Params(options), model_parameters=list(network.named_parameters())
    )
    for _ in range(20):
        optimizer.zero_grad()
        network(torch.randn(7, 5)).square().sum().backward()
        optimizer.step()
    return network.state_dict(), optimizer


@pytest.mark.parametrize("release", [None, "1.12.1+cu113"])
def test_it_is_adamw(release, monkeypatch):
    network = torch.nn.Linear(5, 3)
    expected, _ = train("adamw", network)
    if release is not None:
        monkeypatch.setattr(optimizers.torch, "__version__", release)
    found, optimizer = train("fused_adamw", network)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.01]
    for name, weight in expected.items():
        assert not torch.equal(weight, network.state_dict()[name])
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=1e-5)


def test_the_step_is_fused_where_it_can_be(monkeypatch):
    parameters = list(torch.nn.Linear(5, 3).named_parameters())
    for release, expected in (("1.12.1", False), ("2.3.0", False), ("2.4.1", True), ("2.11", True)):
        monkeypatch.setattr(optimizers.torch, "__version__", release)
        assert optimizers._has_fused(parameters) == expected
