"""Encoders that are frozen at first, in whole trainings."""

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from allennlp.data import Batch
from allennlp.models import load_archive
from trainings import check_recovery, same, weights_after

from joint_ner_re.pretrained import TransformerEmbedder
from joint_ner_re.sentence import Entity, Sentence
from joint_ner_re.training import UnfreezeCallback

ENCODER = "text_field_embedder.token_embedder_c.encoder."


@pytest.fixture
def train(fixtures, in_root, few_threads, bert_directory, tmp_path):
    """Trains for some epochs and returns the last weights by name."""

    def trained(name, unfreeze=None, trains=True, epochs=3, recover=False, **more):
        embedder = {"type": "transformer", "model_name": str(bert_directory)}
        callbacks = [{"type": "progress"}]
        if unfreeze is not None:
            callbacks.append({"type": "unfreeze", "epoch": unfreeze})
        overrides = {
            "dataset_reader.token_indexers.c": {
                "type": "word_pieces", "model_name": str(bert_directory),
            },
            "model.text_field_embedder.token_embedders.c": {
                **embedder, "train_parameters": trains,
            },
            "trainer.num_epochs": epochs,
            "trainer.callbacks": callbacks,
            **more,
        }  # fmt: skip
        config = fixtures / "tiny.jsonnet"
        return weights_after(config, tmp_path / name, overrides, epochs, recover)

    return trained


def encoder_of(weights):
    return {name: value for name, value in weights.items() if name.startswith(ENCODER)}


def pretrained(bert_directory):
    """The encoder as the model begins with it."""
    weights = TransformerEmbedder(str(bert_directory)).encoder.state_dict()
    return {ENCODER + name: value for name, value in weights.items()}


def test_until_then_a_training_is_that_of_a_frozen_encoder(train, tmp_path):
    train("run", unfreeze=2)
    train("frozen", trains=False)
    # Of the first training the state after two epochs.
    then, frozen = (
        torch.load(tmp_path / name / "model_state_e2_b0.th") for name in ("run", "frozen")
    )
    assert same(then, frozen) == list(frozen)


def test_a_frozen_encoder_has_no_gradient_from_a_batch_without_tokens(make, bert_directory):
    """Its loss has all weights in it, times 0: the optimizer would take its decay off them."""
    name = str(bert_directory)
    made = make([Sentence(["a"], [Entity("Drug", 0, 1)]), Sentence([])], {
        "dataset_reader.token_indexers.c": {"type": "word_pieces", "model_name": name},
        "model.text_field_embedder.token_embedders.c": {
            "type": "transformer", "model_name": name, "train_parameters": True,
        },
    })  # fmt: skip
    batch = Batch(made.instances[1:])
    batch.index_instances(made.vocab)
    embedder = made.model.text_field_embedder.token_embedder_c
    for frozen in (True, False):
        embedder.freeze(frozen)
        made.model.train()(**batch.as_tensor_dict())["loss"].backward()
        assert [p.grad is None for p in embedder.encoder.parameters()].count(not frozen) == 0


def test_from_the_first_epoch_on_it_is_that_of_a_trained_encoder(train):
    at_once, trained = train("at-once", unfreeze=0), train("trained")
    assert same(at_once, trained) == list(trained)


def test_the_encoder_changes_from_the_epoch_on(train, bert_directory, tmp_path):
    after = encoder_of(train("run", unfreeze=2))
    then = encoder_of(torch.load(tmp_path / "run" / "model_state_e2_b0.th"))
    before = pretrained(bert_directory)
    assert before and same(before, then) == list(before)
    # All of its matrices, that is; there is no gradient for the keys' biases.
    changed = set(then) - set(same(then, after))
    assert {name for name in then if ".layer." in name and name.endswith("weight")} <= changed


def test_frozen_it_reads_a_sentence_once_and_trained_in_every_batch(train, monkeypatch):
    read = []
    encode = TransformerEmbedder._encode

    def counted(self, sentences, mixed=False):
        read[-1] += len(sentences)
        return encode(self, sentences, mixed)

    monkeypatch.setattr(TransformerEmbedder, "_encode", counted)
    freeze = UnfreezeCallback._begin
    monkeypatch.setattr(
        UnfreezeCallback, "_begin", lambda *inputs: (read.append(0), freeze(*inputs))
    )
    train("run", unfreeze=2)
    first, second, third, _ = read
    # The corpus is read for training and, the same, for validation.
    assert second == 0 < first and third >= 2 * first


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_training_ends_as_if_it_had_not_been(train, interrupt, at):
    check_recovery(train, interrupt, at, epochs=3, unfreeze=2)


def test_an_archive_holds_the_changed_encoder(train, bert_directory, tmp_path):
    # Without validation data the last epoch is the best.
    last = train("run", unfreeze=1, epochs=2, validation_data_path=None)
    model = load_archive(tmp_path / "run" / "model.tar.gz").model
    assert set(same(model.state_dict(), last)) == set(last)
    before = pretrained(bert_directory)
    assert len(same(before, encoder_of(last))) < len(before)


def test_several_processes_freeze_and_train_the_encoder(
    train, bert_directory, few_imports, tmp_path
):
    accelerator = {"type": "torch", "find_unused_parameters": True}
    distributed = {"cuda_devices": [-1, -1], "ddp_accelerator": accelerator}
    after = encoder_of(train("run", unfreeze=2, distributed=distributed))
    then = encoder_of(torch.load(tmp_path / "run" / "model_state_e2_b0.th", map_location="cpu"))
    before = pretrained(bert_directory)
    assert same(before, then) == list(before)
    assert len(same(then, after)) < len(then)


def test_several_processes_without_the_option_are_an_error(train, few_imports):
    with pytest.raises(Exception, match="find_unused_parameters.: true"):
        train("run", unfreeze=2, distributed={"cuda_devices": [-1, -1]})


def test_without_an_epoch_to_train_it_in_it_is_an_error(train):
    with pytest.raises(ConfigurationError, match="num_epochs is 3.*from epoch 3 on.*: never; exp"):
        train("run", unfreeze=3)


def test_without_an_encoder_to_train_it_is_an_error(train):
    with pytest.raises(ConfigurationError, match="has nothing to unfreeze; expected a token"):
        train("run", unfreeze=1, trains=False)


@pytest.mark.parametrize("epoch, message", [
    (-1, "epoch is -1; expected 0 or more"),
    ("x", "epoch is 'x'; expected a whole number"),
])  # fmt: skip
def test_an_impossible_epoch_is_an_error(fixtures, in_root, tmp_path, epoch, message):
    settings = Params.from_file(fixtures / "tiny.jsonnet").as_dict()
    settings = with_overrides(
        settings, {"trainer.callbacks": [{"type": "unfreeze", "epoch": epoch}]}
    )
    with pytest.raises(ConfigurationError, match=message):
        train_model(Params(settings), str(tmp_path / "run"))
