"""Small trainings, and ways to interrupt them."""

import json
import struct
from contextlib import contextmanager
from pathlib import Path

import pytest
from allennlp.common.params import with_overrides
from matplotlib.figure import Figure

from joint_ner_re.experiments.runs import read_config, train

ROOT = Path(__file__).parents[2]

OVERRIDES = {
    "dataset_reader.num_folds": 3,
    "dataset_reader.dev_fraction": 0.3,
    "trainer.num_epochs": 3,
}


@pytest.fixture
def tiny(fixtures, in_root, few_threads):
    """The configuration of fixtures/tiny.jsonnet, changed by overrides."""

    def config(**overrides):
        shipped = read_config(str(fixtures / "tiny.jsonnet"))
        return with_overrides(shipped, {**OVERRIDES, **overrides})

    return config


@pytest.fixture(autouse=True)
def pictures(request, monkeypatch):
    """Draws only for tests that look at pictures, and within this context: it takes a second."""
    draw = Figure.savefig
    if "is_png" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", lambda self, file, **_: file.write(b"a picture"))

    @contextmanager
    def drawn():
        with monkeypatch.context() as patch:
            patch.setattr(Figure, "savefig", draw)
            yield

    return drawn


@pytest.fixture
def is_png():
    """Whether a file is a PNG picture of a sensible size."""

    def check(path):
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        return data[:8] == b"\x89PNG\r\n\x1a\n" and 300 < width < 5000 and 200 < height < 5000

    return check


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
def learned(tmp_path_factory, few_threads):
    """A model that has learned the fixture by heart."""
    import joint_ner_re.plugin  # noqa: F401

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        overrides = {
            "trainer.num_epochs": 25,
            "trainer.optimizer.lr": 0.02,
            "trainer.learning_rate_scheduler": None,
            "model.relation_scorer.dropout": 0.0,
            **{f"model.encoder.{name}.dropout": 0.0 for name in ("shared", "ner", "relation")},
        }
        config = read_config("fixtures/tiny.jsonnet", json.dumps(overrides))
        directory = tmp_path_factory.mktemp("learned") / "run"
        train(config, directory)
    return directory / "model.tar.gz"
