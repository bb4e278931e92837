import pytest
import torch

from joint_ner_re.modules.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_rest_makes_up_for_what_is_dropped(dtype):
    torch.manual_seed(0)
    inputs = torch.ones(100, 1000, dtype=dtype, requires_grad=True)
    outputs = Dropout(0.3)(inputs)
    assert outputs.dtype == dtype
    kept = outputs != 0
    # 100,000 draws: six standard deviations are 0.0087.
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.0087)
    torch.testing.assert_close(
        outputs[kept], torch.full_like(outputs[kept], 1 / 0.7), atol=0.01, rtol=0
    )
    outputs.sum().backward()
    assert torch.equal(inputs.grad, outputs)


def test_each_number_is_dropped_or_not_by_itself():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(2, 10_000)) != 0).float()
    assert kept.std(dim=1).min() > 0.49
    assert abs(torch.corrcoef(kept)[0, 1]) < 0.05
    assert abs(torch.corrcoef(torch.stack([kept[0, 1:], kept[0, :-1]]))[0, 1]) < 0.05


@pytest.mark.parametrize("p, training", [(0.0, True), (0.5, False)])
def test_nothing_is_dropped(p, training):
    inputs = torch.randn(4, 5)
    assert torch.equal(Dropout(p).train(training)(inputs), inputs)
