"""Modules of AllenNLP and torch that would not fit into memory: an error names the option."""

import json

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from allennlp.modules import FeedForward, Seq2SeqEncoder, Seq2VecEncoder, TokenEmbedder

import joint_ner_re.plugin  # noqa: F401
from joint_ner_re.configuration import check

FEED_FORWARD = {
    "input_dim": 4, "num_layers": 2, "hidden_dims": 4, "activations": "relu", "dropout": 0.1,
}  # fmt: skip
RECURRENT = {"input_size": 4, "hidden_size": 4, "num_layers": 2}
# A possible configuration of each, and its options that take memory or time as they grow.
MODULES = {
    "lstm": (Seq2SeqEncoder, {"type": "lstm", **RECURRENT}),
    "gru": (Seq2SeqEncoder, {"type": "gru", **RECURRENT}),
    "rnn": (Seq2SeqEncoder, {"type": "rnn", **RECURRENT}),
    "alternating_lstm": (Seq2SeqEncoder, {"type": "alternating_lstm", **RECURRENT}),
    "stacked_bidirectional_lstm": (
        Seq2SeqEncoder, {"type": "stacked_bidirectional_lstm", **RECURRENT},
    ),
    "pytorch_transformer": (
        Seq2SeqEncoder,
        {
            "type": "pytorch_transformer", "input_dim": 4, "num_layers": 2,
            "feedforward_hidden_dim": 4, "num_attention_heads": 2, "positional_embedding_size": 8,
        },
    ),
    "feedforward": (Seq2SeqEncoder, {"type": "feedforward", "feedforward": FEED_FORWARD}),
    "FeedForward": (FeedForward, FEED_FORWARD),
    "characters": (
        TokenEmbedder,
        {
            "type": "character_encoding", "embedding": {"embedding_dim": 4},
            "encoder": {"type": "cnn", "embedding_dim": 4, "num_filters": 4},
        },
    ),
    "vector": (Seq2VecEncoder, {"type": "lstm", **RECURRENT}),
    "embedding": (
        TokenEmbedder, {"type": "embedding", "embedding_dim": 4, "num_embeddings": 10**7},
    ),
}  # fmt: skip


def sizes(options, path=""):
    """The paths of all whole numbers but the size of a vocabulary."""
    for key, value in options.items():
        if isinstance(value, dict):
            yield from sizes(value, f"{path}{key}.")
        elif type(value) is int and key != "num_embeddings":
            yield path + key


@pytest.mark.parametrize("name", MODULES)
def test_a_size_that_is_too_large_is_named(name):
    kind, options = MODULES[name]
    check(kind, options, "model.part")
    assert list(sizes(options))
    for path in sizes(options):
        for value in (10**9, -1):
            wrong = with_overrides(json.loads(json.dumps(options)), {path: value})
            with pytest.raises(ConfigurationError) as error:
                check(kind, wrong, "model.part")
            message = str(error.value)
            assert f"model.part.{path} is {value}; expected 0 or more, at most" in message


@pytest.mark.parametrize("wrong, message", [
    # 1,000 * 16,000 * 16,000 weights are more than 1,000 GB.
    ({"num_layers": 1000, "hidden_size": 16_000}, "hidden_size is 16000 in 1000 layers.* 1024 GB"),
    ({"hidden_size": 16_000, "num_layers": 5}, "hidden_size is 16000 in 5 layers, at least: 128"),
])  # fmt: skip
def test_many_wide_layers_are_too_large_together(wrong, message):
    options = {"type": "lstm", "input_size": 4, **wrong}
    with pytest.raises(ConfigurationError, match=message):
        check(Seq2SeqEncoder, options, "model.encoder.ner")


def test_sizes_in_lists_are_looked_at():
    options = {**FEED_FORWARD, "hidden_dims": [4, 10**9]}
    with pytest.raises(ConfigurationError, match="x.hidden_dims is 1000000000; expected 0 or more"):
        check(FeedForward, options, "x")
    # One wide layer over a narrow one is possible, though two hundred of it would not be.
    check(FeedForward, {**FEED_FORWARD, "hidden_dims": [4, 16_000]}, "x")


def test_a_training_with_such_an_encoder_ends_before_anything_is_read(root):
    from allennlp.common import Params

    from joint_ner_re.configuration import check_training

    settings = Params.from_file(root / "fixtures" / "tiny.jsonnet").as_dict()
    encoder = {"type": "lstm", "hidden_size": 8, "num_layers": 10**9}
    with pytest.raises(ConfigurationError, match="model.encoder.ner.num_layers is 1000000000"):
        check_training(with_overrides(settings, {"model.encoder.ner": encoder}))
