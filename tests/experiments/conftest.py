"""Small trainings, and ways to interrupt them."""

import json
from pathlib import Path

import pytest
from allennlp.common.params import with_overrides
from sqlalchemy import Engine, event

from joint_ner_re.experiments.runs import read_config, train

ROOT = Path(__file__).parents[2]

OVERRIDES = {
    "dataset_reader.num_folds": 3,
    "dataset_reader.dev_fraction": 0.3,
    "trainer.num_epochs": 3,
}


@event.listens_for(Engine, "connect")
def _trust_the_disk(connection, record):
    """No power fails while the tests run, and a study's database would wait for the disk often."""
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def tiny(fixtures, in_root, few_threads):
    """The configuration of fixtures/tiny.jsonnet, changed by overrides."""

    def config(**overrides):
        shipped = read_config(str(fixtures / "tiny.jsonnet"))
        return with_overrides(shipped, {**OVERRIDES, **overrides})

    return config


@pytest.fixture(autouse=True)
def few_pictures(pictures):
    """Reports have pictures, which few tests look at."""


def without_seconds(value):
    """A JSON value without what depends on the machine's speed."""
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
    if isinstance(value, list):
        return [without_seconds(item) for item in value]
    return value


@pytest.fixture
def scores_of():
    """An experiment's scores.json without seconds."""
    return lambda directory: without_seconds(json.loads((directory / "scores.json").read_text()))


@pytest.fixture(scope="session")
def learned(shared_directory, few_threads):
    """A model that has learned the fixture by heart. Tests only read it."""
    import joint_ner_re.plugin  # noqa: F401

    def fill(directory):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            overrides = {
                "trainer.num_epochs": 25,
                "trainer.optimizer.lr": 0.02,
                "trainer.learning_rate_scheduler": None,
                "model.relation_scorer.dropout": 0.0,
                **{f"model.encoder.{name}.dropout": 0.0 for name in ("shared", "ner", "relation")},
            }
            train(read_config("fixtures/tiny.jsonnet", json.dumps(overrides)), directory / "run")

    return shared_directory("learned", fill) / "run" / "model.tar.gz"
