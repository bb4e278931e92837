import copy

import torch
from allennlp.common import Params
from allennlp.training.optimizers import Optimizer

import joint_ner_re.training  # noqa: F401

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


def test_it_is_adamw():
    network = torch.nn.Linear(5, 3)
    expected, _ = train("adamw", network)
    found, optimizer = train("fused_adamw", network)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.01]
    for name, weight in expected.items():
        assert not torch.equal(weight, network.state_dict()[name])
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=1e-5)


def test_the_step_is_fused():
    _, optimizer = train("fused_adamw", torch.nn.Linear(5, 3))
    assert optimizer.defaults["fused"] is True
