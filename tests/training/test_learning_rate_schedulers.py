import json

import pytest
import torch
from allennlp.commands.train import train_model_from_file
from allennlp.common import Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler

from joint_ner_re.training import ReduceOnPlateau


@pytest.mark.parametrize(
    "options, metrics, expected",
    [
        ({"mode": "max", "patience": 0}, [0.1, 0.2, 0.2, 0.1, 0.3], [1, 1, 0.5, 0.25, 0.25]),
        ({"mode": "max", "patience": 1}, [0.2, 0.2, 0.2, 0.2], [1, 1, 0.5, 0.5]),
        # Better by 0.15 at least, and never below 0.2.
        (
            {
                "mode": "max",
                "patience": 0,
                "threshold": 0.15,
                "threshold_mode": "abs",
                "min_lr": 0.2,
            },
            [0.1, 0.2, 0.3, 0.4, 0.4, 0.4],
            [1, 0.5, 0.5, 0.25, 0.2, 0.2],
        ),
        # After each cut one epoch is not counted.
        ({"patience": 0, "cooldown": 1}, [1, 2, 2, 2], [1, 0.5, 0.5, 0.25]),
        # Smaller cuts than this are not made.
        ({"patience": 0, "eps": 0.3}, [1, 2, 2], [1, 0.5, 0.5]),
    ],
)
def test_the_scheduler_follows_its_options(options, metrics, expected):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = LearningRateScheduler.from_params(
        Params({"type": "reduce_on_plateau", "factor": 0.5, **options}), optimizer=optimizer
    )
    assert isinstance(scheduler, ReduceOnPlateau)
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == expected


def test_reduce_on_plateau_trains_and_recovers(fixtures, in_root, few_threads, interrupt, tmp_path):
    config, run = fixtures / "tiny.jsonnet", tmp_path / "run"
    overrides = {
        "trainer.num_epochs": 4,
        "trainer.optimizer": {"type": "adamw", "lr": 0.01},
        # No epoch is better than the first by a factor of 1001: each halves the rate.
        "trainer.learning_rate_scheduler": {
            "type": "reduce_on_plateau", "mode": "max", "factor": 0.5, "patience": 0,
            "threshold": 1000.0,
        },
    }  # fmt: skip
    begun = interrupt(2)
    with pytest.raises(KeyboardInterrupt):
        train_model_from_file(config, run, json.dumps(overrides))
    train_model_from_file(config, run, json.dumps(overrides), recover=True)
    assert begun == [0, 1, 2, 2, 3]
    state = torch.load(run / "training_state_e4_b0.th", map_location="cpu")
    # The scheduler and its count of bad epochs went on where they had been.
    assert state["learning_rate_scheduler"]["last_epoch"] == 4
    assert state["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.01 * 0.5**3)
