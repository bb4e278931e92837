"""Trainings that begin with the weights of another one."""

import json
import shutil
import tarfile

import pytest
import torch
from allennlp.commands.train import train_model_from_file
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from trainings import all_same, check_recovery, weights_after

import joint_ner_re.plugin  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_root", "few_threads")
# A learning rate at which nothing changes.
NOTHING = {"trainer.optimizer.lr": 0.0}


@pytest.fixture(scope="module")
def first(fixtures, tmp_path_factory):
    """The directory of a training of fixtures/tiny.jsonnet."""
    run = tmp_path_factory.mktemp("first") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(fixtures.parent)
        train_model_from_file(fixtures / "tiny.jsonnet", run)
    return run


@pytest.fixture
def train(fixtures, first, tmp_path):
    """Trains with `continued.libsonnet` and returns the last weights by name."""

    def train(name, directory=first, epochs=1, recover=False, fields="", **overrides):
        config = tmp_path / f"{name}.jsonnet"
        config.write_text(
            f"(import {json.dumps(str(fixtures / 'tiny.jsonnet'))}) + "
            f"(import {json.dumps(str(fixtures.parent / 'training_config/continued.libsonnet'))}) "
            f"+ {{ first:: {json.dumps(str(directory))}, epochs:: {epochs}, {fields} }}"
        )
        return weights_after(config, tmp_path / name, overrides, epochs, recover)

    return train


def weights_of(first):
    return torch.load(first / "best.th", map_location="cpu")


def test_it_begins_with_the_best_weights_of_the_first(train, first):
    assert all_same(train("run", **NOTHING), weights_of(first))


def test_it_goes_on_from_there(train, first):
    assert not all_same(train("run"), weights_of(first))


def test_it_begins_with_those_of_an_unpacked_archive(train, first, tmp_path):
    with tarfile.open(first / "model.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert all_same(train("run", tmp_path / "unpacked", **NOTHING), weights_of(first))


def test_several_processes_begin_with_them(train, first, few_imports):
    found = train("run", distributed={"cuda_devices": [-1, -1]}, **NOTHING)
    assert all_same(found, weights_of(first))


def test_the_result_no_longer_needs_the_first(train, first, fixtures, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(first, copied)
    last = train("run", copied, **NOTHING)
    shutil.rmtree(copied)
    model = load_archive(tmp_path / "run" / "model.tar.gz").model
    assert all_same(model.state_dict(), last)


def test_an_interrupted_training_resumes_with_its_own_weights(train, interrupt):
    check_recovery(train, interrupt, 1, epochs=2)


@pytest.mark.parametrize("fields, message", [
    ("hidden_size:: 12", r"best.th: the shape of .* is \(32,\), but the model needs \(48,\); e"),
    ("layers+:: { shared: 2 }", r"shared.layers.1.* is None, but the model needs \(32,\)"),
    ("layers+:: { ner: 0 }", r"encoder.ner.* is \(32,\), but the model needs None"),
])  # fmt: skip
def test_other_layers_are_an_error_that_names_them(train, fields, message):
    with pytest.raises(ConfigurationError, match=message):
        train("run", fields=fields)


def test_a_directory_without_weights_is_an_error(train, tmp_path):
    with pytest.raises(ConfigurationError, match="neither best.th nor weights.th; expected the"):
        train("run", tmp_path, fields="vocabulary: {}")


def test_another_vocabulary_of_the_same_sizes_is_an_error(train, first, fixtures, tmp_path):
    """With the numbers of two types exchanged, the weights of one would be the other's."""
    other = tmp_path / "other"
    shutil.copytree(first / "vocabulary", other)
    labels = (other / "relation_labels.txt").read_text("utf-8").split()
    (other / "relation_labels.txt").write_text("\n".join(labels[::-1]), "utf-8")
    fields = f"vocabulary: {{ type: 'from_files', directory: {json.dumps(str(other))} }}"
    with pytest.raises(ConfigurationError, match="other relation_labels than the model; exp"):
        train("run", fields=fields)


def test_a_new_type_is_an_error_that_names_it(train, fixtures, tmp_path):
    text = (fixtures / "conll04_spert.json").read_text("utf-8")
    (tmp_path / "new.json").write_text(text.replace("Kill", "Slay"), "utf-8")
    with pytest.raises(ConfigurationError, match="'Slay' is not in the model's vocabulary"):
        train("run", train_data_path=str(tmp_path / "new.json"))
