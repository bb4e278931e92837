"""Trainings whose last epochs leave out the sentences of which only the entities are known."""

from collections import Counter

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.data.samplers import BucketBatchSampler
from trainings import all_same, check_recovery, weights_after

from joint_ner_re.dataset_readers import Conll04Reader
from joint_ner_re.models import JointModel
from joint_ner_re.training import BalancedDataLoader

# Eleven sentences with known relations, two of them known to have none, and three others.
RELATED, OTHERS = "fixtures/conll04_spert.json", "fixtures/conll04.corp#entities"
pytestmark = pytest.mark.usefixtures("in_root", "few_threads")


def loader_of(paths, **options):
    sampler = BucketBatchSampler(batch_size=4, sorting_keys=["tokens"])
    options = options or {"batch_sampler": sampler}
    made = BalancedDataLoader(Conll04Reader(), paths, quiet=True, **options)
    made.index_with(Vocabulary.from_instances(Conll04Reader().read(RELATED)))
    return made


def read_by(loader):
    """How often each sentence comes in an epoch, by its id and whether its relations are known."""
    return Counter(
        (one["sentence"].id, known)
        for batch in loader
        for one, known in zip(batch["metadata"], batch["annotation"]["relations_known"].tolist())
    )


@pytest.fixture
def train(fixtures, tmp_path):
    """Trains for some epochs and returns the last weights by name."""

    def trained(name, since=None, epochs=3, recover=False, paths=(RELATED, OTHERS), **more):
        callbacks = [{"type": "progress"}]
        if since is not None:
            callbacks.append({"type": "known_relations", "epoch": since})
        overrides = {
            "train_data_path": list(paths),
            "trainer.num_epochs": epochs,
            "trainer.callbacks": callbacks,
            **more,
        }
        config = fixtures / "tiny.jsonnet"
        return weights_after(config, tmp_path / name, overrides, epochs, recover)

    return trained


def test_the_others_come_more_often_in_as_many_batches():
    loader = loader_of([RELATED, OTHERS])
    every, batches = read_by(loader), len(loader)
    loader.keep_known_relations()
    found = read_by(loader)
    assert len(every) == sum(every.values()) == 14
    # 14 places for eleven sentences.
    assert set(found) == set(read_by(loader_of([RELATED])))
    assert sorted(found.values()) == [1] * 8 + [2] * 3
    assert len(loader) == batches == 4


def test_where_all_relations_are_known_nothing_changes():
    loader = loader_of([RELATED])
    before = read_by(loader)
    loader.keep_known_relations()
    assert read_by(loader) == before


@pytest.mark.parametrize("paths, options, message", [
    ([OTHERS], {}, "none of the 3 sentences for training has known relations; expected a train_"),
    ([RELATED], {"batch_size": 2, "max_instances_in_memory": 4}, "without max_instances_in_memory"),
])  # fmt: skip
def test_a_loader_without_sentences_to_keep_is_an_error(paths, options, message):
    loader = loader_of(paths, **options)
    with pytest.raises(ConfigurationError, match=message):
        loader.keep_known_relations()


def test_the_model_reads_them_until_the_epoch(train, monkeypatch):
    """Of the 14 sentences of an epoch, the number of those without known relations."""
    counts = []
    forward = JointModel.forward

    def counted(self, tokens, metadata, annotation=None):
        if self.training:
            counts.append((~annotation["relations_known"]).sum().item())
        return forward(self, tokens, metadata, annotation)

    monkeypatch.setattr(JointModel, "forward", counted)
    train("run", since=2)
    # Two batches of up to eight sentences.
    assert [sum(counts[epoch : epoch + 2]) for epoch in (0, 2, 4)] == [3, 3, 0]


def test_until_then_a_training_is_one_without_the_callback(train, tmp_path):
    end, other = train("run", since=2), train("other")
    then, before = (
        torch.load(tmp_path / name / "model_state_e2_b0.th") for name in ("run", "other")
    )
    assert all_same(then, before) and not all_same(end, other)


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_training_ends_as_if_it_had_not_been(train, interrupt, at):
    check_recovery(train, interrupt, at, epochs=3, since=1)


def test_several_processes_leave_them_out_alike(train, few_imports, tmp_path):
    end = train("run", since=2, distributed={"cuda_devices": [-1, -1]})
    then = torch.load(tmp_path / "run" / "model_state_e2_b0.th", map_location="cpu")
    assert not all_same(then, end)


def test_an_epoch_that_never_comes_is_an_error(train):
    with pytest.raises(ConfigurationError, match="num_epochs is 3.*known_relations' leaves.*ne"):
        train("run", since=3)


def test_without_known_relations_it_is_an_error_before_the_first_epoch(train, tmp_path):
    with pytest.raises(ConfigurationError, match="none of the 3 sentences"):
        train("run", since=2, paths=[OTHERS])
    assert not (tmp_path / "run" / "metrics_epoch_0.json").exists()


def test_another_data_loader_is_an_error(train):
    with pytest.raises(ConfigurationError, match="needs the data_loader 'balanced'; found Multi"):
        train("run", since=1, data_loader={"batch_size": 4})
