"""Small trainings, and ways to interrupt them."""

import json
import struct

import pytest

from joint_ner_re.experiments.runs import read_config

OVERRIDES = {
    "dataset_reader.num_folds": 3,
    "dataset_reader.dev_fraction": 0.3,
    "trainer.num_epochs": 3,
}


@pytest.fixture
def tiny(fixtures, in_root, few_threads, one_tokenizer):
    """The configuration of fixtures/tiny.jsonnet, changed by overrides."""

    def config(**overrides):
        return read_config(str(fixtures / "tiny.jsonnet"), json.dumps({**OVERRIDES, **overrides}))

    return config


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
