"""Pretrained encoders: what they give, and which files they are read from."""

import json
import shutil

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from safetensors.torch import load_file, save_file

from joint_ner_re.pretrained import (
    MINILM,
    fingerprint,
    load_encoder,
    max_pieces,
    piece_tokenizer,
    save_encoder,
)


def test_an_encoder_is_in_evaluation_and_gives_all_layers(bert_directory):
    encoder = load_encoder(bert_directory)
    assert not encoder.training
    assert len(encoder(torch.tensor([[2, 5, 3]])).hidden_states) == 3


def test_limits_of_length(bert_directory, roberta_directory):
    assert max_pieces(load_encoder(bert_directory)) == 16
    # RoBERTa's first position is its padding number + 1 = 2.
    encoder = load_encoder(roberta_directory)
    assert max_pieces(encoder) == 16
    assert encoder(torch.full((1, 16), 5)).last_hidden_state.shape[1] == 16
    with pytest.raises(IndexError):
        encoder(torch.full((1, 17), 5))


def test_the_fingerprint_is_of_the_weights(bert_directory):
    one, other = load_encoder(bert_directory), load_encoder(bert_directory)
    assert fingerprint(one) == fingerprint(other)
    with torch.no_grad():
        other.embeddings.word_embeddings.weight[3, 2] += 1e-6
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("load", [piece_tokenizer, load_encoder])
def test_a_directory_without_an_encoder(tmp_path, load):
    with pytest.raises(ConfigurationError, match="expected a directory with"):
        load(str(tmp_path))


@pytest.fixture
def directory(bert_directory, tmp_path):
    """A copy of the encoder, for one test to change."""
    return shutil.copytree(bert_directory, tmp_path / "copy")


@pytest.fixture
def pickled_directory(directory):
    """The encoder with its weights in torch's own format."""
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    torch.save(weights, directory / "pytorch_model.bin")
    return directory


def test_weights_in_torchs_format(pickled_directory, bert_directory):
    assert fingerprint(load_encoder(pickled_directory)) == fingerprint(load_encoder(bert_directory))


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_would_run_something_do_not(pickled_directory, target, payload, zipped):
    path = pickled_directory / "pytorch_model.bin"
    torch.save({"weight": payload}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConfigurationError, match="pytorch_model.bin"):
        load_encoder(pickled_directory)
    assert not target.exists()


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_several_files(directory, bert_directory, kind):
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    stem = "model" if kind == "safetensors" else "pytorch_model"
    names = sorted(weights)
    index = {}
    for number, some in enumerate([names[:9], names[9:]]):
        shard = {name: weights[name] for name in some}
        name = f"{stem}-{number}.{kind}"
        if kind == "safetensors":
            save_file(shard, directory / name, {"format": "pt"})
        else:
            torch.save(shard, directory / name)
        index.update(dict.fromkeys(some, name))
    path = directory / f"{stem}.{kind}.index.json"
    path.write_text(json.dumps({"weight_map": index}))
    assert fingerprint(load_encoder(directory)) == fingerprint(load_encoder(bert_directory))


@pytest.mark.parametrize(
    "place", ["../evil.bin", "/evil.bin", "a/../../evil.bin", "missing.bin", ".."]
)
def test_an_index_names_files_beside_it_only(pickled_directory, place):
    path = pickled_directory / "pytorch_model.bin"
    path.rename(pickled_directory.parent / "evil.bin")
    (pickled_directory / "a").mkdir()
    index = {"weight_map": {"embeddings": place.replace("/evil", f"{pickled_directory.parent}/evil")
                            if place.startswith("/") else place}}  # fmt: skip
    (pickled_directory / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigurationError, match="expected files that lie beside it"):
        load_encoder(pickled_directory)


def test_an_index_without_names(pickled_directory):
    (pickled_directory / "pytorch_model.bin").unlink()
    (pickled_directory / "pytorch_model.bin.index.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="it has no weight_map"):
        load_encoder(pickled_directory)


def test_weights_of_halves_become_single_precision(directory):
    weights = load_file(directory / "model.safetensors")
    halves = {name: weight.half() for name, weight in weights.items()}
    save_file(halves, directory / "model.safetensors", {"format": "pt"})
    assert load_encoder(directory).dtype == torch.float32


def test_weights_that_were_saved_with_a_head(directory, bert_directory):
    """Their names begin with the encoder's, and there are more of them than are wanted."""
    weights = load_file(directory / "model.safetensors")
    headed = {f"bert.{name}": weight for name, weight in weights.items()}
    save_file({**headed, "cls.bias": torch.ones(3)}, directory / "model.safetensors")
    assert fingerprint(load_encoder(directory)) == fingerprint(load_encoder(bert_directory))


def test_weights_that_are_not_all_there(directory):
    weights = load_file(directory / "model.safetensors")
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, directory / "model.safetensors")
    with pytest.raises(ConfigurationError, match="lack 'encoder.layer.1.output.dense.bias'"):
        load_encoder(directory)


def test_weights_of_another_shape(directory):
    weights = load_file(directory / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"] = torch.ones(5)
    save_file(weights, directory / "model.safetensors")
    with pytest.raises(ConfigurationError, match="does not fit the weights"):
        load_encoder(directory)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"{}"])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_weights(directory, name, content):
    (directory / "model.safetensors").unlink()
    (directory / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{name} is damaged"):
        load_encoder(directory)


def test_no_weights(directory):
    (directory / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match="has no weights; expected model.safetensors or"):
        load_encoder(directory)


def test_a_configuration_that_describes_more_than_the_weights_hold(directory):
    """Before any memory is taken for it: these weights would have 4 TB."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config.update(hidden_size=10**6, vocab_size=10**6, num_attention_heads=1)
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigurationError, match="describes an encoder of [0-9]+ weights"):
        load_encoder(directory)


def test_what_is_saved_loads_again(bert_directory, tmp_path):
    encoder = load_encoder(bert_directory)
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight[3, 2] += 1
    save_encoder(encoder, str(bert_directory), str(tmp_path / "saved"))
    assert fingerprint(load_encoder(tmp_path / "saved")) == fingerprint(encoder)
    words = ["Lithium", "caused", "tremors", "☃"]
    before, after = (piece_tokenizer(str(d)) for d in (bert_directory, tmp_path / "saved"))
    assert (before.pieces(words), before.markers) == (after.pieces(words), after.markers)


def test_minilm_is_a_six_layer_encoder():
    """Its published size: 22.7 million parameters, of which the pooler's 147,840 are not used."""
    encoder = load_encoder(MINILM)
    assert sum(weight.numel() for weight in encoder.parameters()) == 22_713_216 - 384 * 385
    assert (encoder.config.num_hidden_layers, encoder.config.hidden_size) == (6, 384)
    assert max_pieces(encoder) == 512
