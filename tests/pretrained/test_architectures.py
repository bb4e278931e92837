"""Every architecture that is accepted works, and gives what transformers itself gives."""

import inspect
import json
import re

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from transformers import AutoModel, BertTokenizerFast

from joint_ner_re import pretrained
from joint_ner_re.pretrained import TransformerEmbedder, architectures, load_encoder
from joint_ner_re.pretrained.architectures import ARCHITECTURES, TOKENIZERS, tokenizer_class

SMALL = {
    "hidden_size": 8, "embedding_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 12, "max_position_embeddings": 40, "pad_token_id": 0,
}  # fmt: skip
# What an architecture needs besides, and settings that change what it computes.
FURTHER = {
    "albert": {"embedding_size": 6, "num_hidden_groups": 1},
    "big_bird": {"attention_type": "original_full"},
    "bert": {"position_embedding_type": "relative_key", "chunk_size_feed_forward": 2},
    "convbert": {"embedding_size": 6, "head_ratio": 1, "conv_kernel_size": 3},
    "deberta": {"relative_attention": True, "pos_att_type": "c2p|p2c", "talking_head": True},
    "deberta-v2": {
        "relative_attention": True, "pos_att_type": "c2p|p2c", "position_buckets": 4,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "conv_kernel_size": 3,
        "conv_act": "gelu", "attention_head_size": 4,
    },
    "electra": {"embedding_size": 6, "pruned_heads": {"0": [1]}},
    "longformer": {"attention_window": [4, 4]},
    "mobilebert": {
        "embedding_size": 6, "true_hidden_size": 8, "intra_bottleneck_size": 8,
        "num_feedforward_networks": 2,
    },
    "modernbert": {
        "global_attn_every_n_layers": 2, "local_attention": 4, "reference_compile": False,
    },
    "rembert": {"input_embedding_size": 6},
}  # fmt: skip
# They are about heads for tasks, about decoders, about what comes out, or about the code that
# computes attention; none changes the states of an encoder.
WITHOUT_EFFECT = {
    "_attn_implementation", "_attn_implementation_internal", "_pre_quantization_dtype",
    "add_cross_attention", "cls_dropout", "id2label", "is_decoder", "n_layers", "num_labels",
    "output_attentions", "output_hidden_states", "pooler_hidden_size", "problem_type",
    "use_return_dict",
    # Of classes that are not on the list, or derived from other settings.
    "n_positions", "rope_scaling", "true_hidden_size", "position_embedding_type",
}  # fmt: skip
each = pytest.mark.parametrize("name", ARCHITECTURES)


@pytest.fixture
def directory(bert_directory, tmp_path):
    """Makes an encoder of an architecture, with the tokenizer of the tests' BERT."""

    def make(name, **changes):
        tokenizer = BertTokenizerFast.from_pretrained(str(bert_directory))
        architecture = ARCHITECTURES[name]
        torch.manual_seed(5)
        settings = {**SMALL, "vocab_size": len(tokenizer), **FURTHER.get(name, {}), **changes}
        config = architecture.config_class.from_dict(settings)
        architecture.model_class(config).save_pretrained(str(tmp_path))
        tokenizer.save_pretrained(str(tmp_path))
        return str(tmp_path)

    return make


@each
def test_its_vectors_are_those_of_transformers(directory, name):
    """The only layer is the last one, and each word has one piece: [CLS] lithium caused [SEP]."""
    place = directory(name)
    embedder = TransformerEmbedder(place, layers=[-1], cache_megabytes=0).eval()
    with torch.no_grad():
        # Pieces and words count from 1.
        found = embedder(torch.tensor([[6, 7]]), torch.tensor([[1, 2]]))
        expected = AutoModel.from_pretrained(place).eval()(
            torch.tensor([[2, 5, 6, 3]]), output_hidden_states=True
        )
    torch.testing.assert_close(found, expected.hidden_states[-1][:, 1:3])
    assert found.shape == (1, 2, embedder.get_output_dim())


@each
def test_it_can_be_trained(directory, name):
    embedder = TransformerEmbedder(directory(name), train_parameters=True)
    embedder(torch.tensor([[6, 7]]), torch.tensor([[1, 2]])).square().sum().backward()
    assert embedder.encoder.get_input_embeddings().weight.grad.abs().sum() > 0


@each
def test_its_upper_layers_alone_can_be_trained(directory, name):
    place = directory(name, num_hidden_layers=2)
    options = {"train_parameters": True, "trained_layers": 1}
    if name == "albert":
        with pytest.raises(ConfigurationError, match="albert has the same weights in several"):
            TransformerEmbedder(place, **options)
        return
    embedder = TransformerEmbedder(place, **options)
    embedder(torch.tensor([[6, 7]]), torch.tensor([[1, 2]])).square().sum().backward()
    learning = [n for n, p in embedder.encoder.named_parameters() if p.grad is not None]
    assert learning and all(re.search(r"\blayers?\.1\.", n) for n in learning)


@each
def test_no_setting_that_its_model_reads_is_left_out(name):
    architecture = ARCHITECTURES[name]
    source = inspect.getsource(inspect.getmodule(architecture.model_class))
    read = {*re.findall(r"config\.(\w+)\b(?!\()", source)}
    read |= {*re.findall(r'[gs]etattr\((?:self\.)?config, "(\w+)"', source)}
    kind = architecture.config_class
    known = {*inspect.signature(kind.__init__).parameters, *kind.attribute_map}
    assert read - known <= architectures._FURTHER_SETTINGS | WITHOUT_EFFECT


def test_the_documented_list_is_the_one_in_use():
    listed = re.search(r"config.json`: (.*)\. Nothing", pretrained.__doc__, re.DOTALL)[1]
    assert re.split(r",\s+|\s+and\s+", listed) == list(ARCHITECTURES)


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
def test_every_tokenizer_has_a_fast_form(name):
    kind = tokenizer_class(f"{name}Tokenizer", "")
    assert kind.__name__ == f"{name}TokenizerFast"
    assert tokenizer_class(f"{name}TokenizerFast", "") is kind


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model_type": "detr"}, "model_type is 'detr', .* one of albert, bert"),
        ({"model_type": None}, "model_type is None"),
        ({"model_type": ["bert"]}, "model_type is"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000; expected 1 to 1000"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2'"),
        ({"num_hidden_layers": 2.0}, "num_hidden_layers is 2.0"),
        ({"vocab_size": 10**12}, "vocab_size is 1000000000000; expected at most"),
        ({"hidden_size": float("nan")}, "hidden_size is nan"),
        ({"hidden_size": None}, "config.json is damaged"),
        ({"hidden_size": -8}, "config.json is damaged"),
        ({"hidden_act": "__import__"}, "config.json is damaged"),
        ({"pruned_heads": {"x": []}}, "config.json is damaged"),
    ],
)
def test_an_impossible_configuration(directory, change, message):
    place = directory("bert")
    _change(place, change)
    with pytest.raises(ConfigurationError, match=message):
        load_encoder(place)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", "[" * 10**5, '{"a":' * 10**5, "1" * 10**5])
def test_a_damaged_configuration(directory, tmp_path, text):
    place = directory("bert")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigurationError, match="config.json (is damaged|holds a)"):
        load_encoder(place)


def test_a_configuration_that_is_too_large(directory, tmp_path, monkeypatch):
    monkeypatch.setattr(architectures, "MAX_JSON_BYTES", 20)
    with pytest.raises(ConfigurationError, match="expected at most 20"):
        load_encoder(directory("bert"))


def _change(place, change):
    with open(f"{place}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    with open(f"{place}/config.json", "w", encoding="utf-8") as file:
        json.dump({**config, **change}, file)
