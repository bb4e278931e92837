"""Word vectors of a pretrained encoder, against the encoder itself word by word."""

import pytest
import torch
import transformers
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.modules import TokenEmbedder
from transformers import AutoModel, AutoTokenizer

from joint_ner_re.pretrained import MINILM, TransformerEmbedder, WordPieceIndexer, drop_upper_layers
from joint_ner_re.pretrained.embedder import _windows

SENTENCES = [
    ["Lithium", "caused", "tremors", "."],
    ["bb"],
    [],
    ["the", "☃", "bbb", "lithium", "caused", "a", "\u200b"],
]


def batch_of(directory, sentences=SENTENCES):
    indexer = WordPieceIndexer(str(directory))
    rows = [
        indexer.tokens_to_indices([type("T", (), {"text": word}) for word in words], None)
        for words in sentences
    ]
    width = max(len(row["pieces"]) for row in rows)
    return {
        name: torch.tensor([row[name] + [0] * (width - len(row[name])) for row in rows])
        for name in ("pieces", "words")
    }


def new_embedder(directory, **options):
    return TransformerEmbedder(str(directory), **options).eval()


def expected_states(directory, words):
    """All layers' states, each word the mean of its pieces, one piece after the other.

    Shape: (words, layers, size)
    """
    tokenizer = AutoTokenizer.from_pretrained(directory)
    encoder = AutoModel.from_pretrained(directory, output_hidden_states=True).eval()
    # "bb" is b ##b, an unknown word is one [UNK], and so is one that BERT cleans away.
    pieces = [tokenizer.tokenize(word) or ["[UNK]"] for word in words]
    ids = tokenizer.convert_tokens_to_ids(["[CLS]", *sum(pieces, []), "[SEP]"])
    with torch.no_grad():
        hidden = encoder(torch.tensor([ids])).hidden_states
    states, place = torch.stack(hidden, dim=2)[0], 1
    vectors = []
    for word in pieces:
        vectors.append(states[place : place + len(word)].mean(dim=0))
        place += len(word)
    return torch.stack(vectors)


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_a_word_is_the_mean_of_its_pieces_and_the_layers_are_mixed(bert_directory, trained, learns):
    embedder = new_embedder(bert_directory, train_parameters=trained)
    embedder.mix.data = torch.tensor([0.5, -1.0, 2.0])
    weights = [w / sum(map(pow, [2.718281828459045] * 3, [0.5, -1, 2])) for w in (
        2.718281828459045**0.5, 2.718281828459045**-1, 2.718281828459045**2)]  # fmt: skip
    with torch.set_grad_enabled(learns):
        vectors = embedder(**batch_of(bert_directory)).detach()
    assert vectors.shape == (4, 7, 8) and embedder.get_output_dim() == 8
    for row, words in enumerate(SENTENCES):
        assert not vectors[row, len(words) :].any()
        if words:
            states = expected_states(bert_directory, words)
            expected = sum(w * states[:, layer] for layer, w in enumerate(weights))
            torch.testing.assert_close(vectors[row, : len(words)], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers, layer", [([-1], 2), ([0], 0), ([1], 1), ([2, -1], 2)])
def test_one_layer_alone_has_no_mix(bert_directory, layers, layer):
    embedder = new_embedder(bert_directory, layers=layers)
    assert [n for n, p in embedder.named_parameters() if p.requires_grad] == []
    vectors = embedder(**batch_of(bert_directory))
    expected = expected_states(bert_directory, SENTENCES[0])[:, layer]
    torch.testing.assert_close(vectors[0, :4], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("highest, left", [(2, 2), (1, 1), (0, 0)])
def test_layers_above_the_highest_are_left_out(bert_directory, highest, left):
    embedder = new_embedder(bert_directory, layers=[0, highest])
    assert len(embedder.encoder.encoder.layer) == left
    if embedder.mix is not None:
        embedder.mix.data = torch.tensor([-1e4, 0.0])
    vectors = embedder(**batch_of(bert_directory))
    expected = expected_states(bert_directory, SENTENCES[3])[:, highest]
    torch.testing.assert_close(vectors[3], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["DistilBert", "Electra", "GPT2"])
def test_leaving_layers_out_changes_nothing_in_other_kinds(kind):
    """GPT-2 has a norm behind its last layer, and so keeps all its layers."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2}
    if kind == "GPT2":
        sizes = {"n_embd": 8, "n_layer": 3, "n_head": 2}
    elif kind == "DistilBert":
        sizes = {"dim": 8, "hidden_dim": 9, "n_layers": 3, "n_heads": 2}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=20, output_hidden_states=True, **sizes
    )
    encoder = getattr(transformers, f"{kind}Model")(config).eval()
    ids = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        whole = encoder(ids).hidden_states
        count = sum(p.numel() for p in encoder.parameters())
        drop_upper_layers(encoder, 2)
        short = encoder(ids).hidden_states
    for layer in range(3):
        assert torch.equal(whole[layer], short[layer])
    assert (sum(p.numel() for p in encoder.parameters()) < count) == (kind != "GPT2")


@pytest.mark.parametrize("trained", [False, True])
def test_a_long_sentence_is_read_in_windows(bert_directory, trained):
    """Its encoder takes 16 pieces, of which 2 are markers: windows of 14, by 7."""
    words = ["lithium", "caused", "a", "tremor", ".", "b", "the"] * 5
    embedder = new_embedder(bert_directory, layers=[-1], train_parameters=trained)
    vectors = embedder(**batch_of(bert_directory, [words, ["a"]]))
    assert vectors.shape == (2, 35, 8)
    # All pieces are words here. Windows begin at 0, 7, 14 and 21; they meet in the middle.
    taken = [(0, 0, 10), (7, 10, 17), (14, 17, 24), (21, 24, 35)]
    for begin, first, last in taken:
        states = expected_states(bert_directory, words[begin : begin + 14])[:, -1]
        torch.testing.assert_close(
            vectors[0, first:last], states[first - begin : last - begin], atol=1e-5, rtol=1e-5
        )


def test_at_the_limit_a_sentence_is_read_at_once(bert_directory):
    words = ["lithium", "caused"] * 7
    embedder = new_embedder(bert_directory, layers=[-1])
    vectors = embedder(**batch_of(bert_directory, [words]))
    expected = expected_states(bert_directory, words)[:, -1]
    torch.testing.assert_close(vectors[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 7, 14])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 13, 14, 15, 16, 27, 28, 29, 100])
def test_windows_cover_every_piece_once_where_it_has_context(length, size):
    windows = _windows(length, size)
    taken = [place for _, _, first, last in windows for place in range(first, last)]
    assert taken == list(range(length))
    for begin, end, first, last in windows:
        assert 0 <= begin <= first < last <= end <= length and end - begin <= size
        # A quarter of a window on each side, except at the sentence's ends.
        assert begin == 0 or first - begin >= size // 4
        assert end == length or end - last >= size // 4


def test_many_windows_go_through_the_encoder_in_parts(bert_directory, monkeypatch):
    batch = batch_of(bert_directory, [["a", "lithium", "."] * 20, ["the"]])
    expected = new_embedder(bert_directory)(**batch)
    monkeypatch.setattr("joint_ner_re.pretrained.embedder.MAX_PIECES_AT_ONCE", 20)
    sizes = []
    embedder = new_embedder(bert_directory)
    embedder.encoder.register_forward_hook(lambda _, __, output: sizes.append(len(output[0])))
    torch.testing.assert_close(embedder(**batch), expected, atol=1e-6, rtol=1e-6)
    assert len(sizes) > 1 and max(sizes) == 1


# Frozen or trained


def test_frozen_only_the_mix_learns_and_there_is_no_dropout(bert_directory):
    embedder = TransformerEmbedder(str(bert_directory)).train()
    assert [n for n, p in embedder.named_parameters() if p.requires_grad] == ["mix"]
    batch = batch_of(bert_directory)
    assert torch.equal(embedder(**batch), embedder.eval()(**batch))
    embedder.train()(**batch).pow(2).sum().backward()
    assert embedder.mix.grad.abs().sum() > 0


def test_trained_every_weight_has_a_gradient_and_there_is_dropout(bert_directory):
    embedder = TransformerEmbedder(str(bert_directory), train_parameters=True).train()
    batch = batch_of(bert_directory)
    first = embedder(**batch)
    assert not torch.equal(first, embedder(**batch))
    (first * torch.randn_like(first)).sum().backward()
    missing = [name for name, p in embedder.named_parameters() if p.grad is None]
    assert missing == []


@pytest.mark.parametrize("layers, trained", [([0, 1, 2], "layer.1."), ([0, 1], "layer.0.")])
def test_only_the_upper_layers_are_trained_and_have_dropout(bert_directory, layers, trained):
    embedder = TransformerEmbedder(
        str(bert_directory), train_parameters=True, trained_layers=1, layers=layers
    ).train()
    for module in embedder.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    batch = batch_of(bert_directory)
    embedder.mix.data = torch.tensor([0.0, *[-1e4] * (len(layers) - 1)])
    assert torch.equal(embedder(**batch), embedder(**batch))
    embedder.mix.data.zero_()
    first = embedder(**batch)
    assert not torch.equal(first, embedder(**batch))
    (first * torch.randn_like(first)).sum().backward()
    learning = {name for name, p in embedder.encoder.named_parameters() if p.grad is not None}
    assert learning and all(trained in name for name in learning)
    assert learning == {n for n, p in embedder.encoder.named_parameters() if p.requires_grad}
    embedder.freeze(True)
    assert not any(p.requires_grad for p in embedder.encoder.parameters())
    embedder.freeze(False)
    assert learning == {n for n, p in embedder.encoder.named_parameters() if p.requires_grad}
    embedder.eval()
    assert torch.equal(embedder(**batch), embedder(**batch))


def test_after_it_was_trained_a_frozen_encoder_gives_other_vectors(bert_directory):
    embedder = new_embedder(bert_directory, train_parameters=True)
    batch = batch_of(bert_directory)
    embedder.freeze(True)
    before = embedder(**batch)
    assert not any(p.requires_grad for p in embedder.encoder.parameters())
    embedder.freeze(False)
    assert all(p.requires_grad for p in embedder.encoder.parameters())
    with torch.no_grad():
        embedder.encoder.embeddings.word_embeddings.weight.mul_(2)
    embedder.freeze(True)
    after = embedder(**batch)
    assert not torch.allclose(before, after)
    embedder.freeze(False)
    torch.testing.assert_close(embedder(**batch), after)


# What is kept


def calls_of(embedder):
    sizes = []
    embedder.encoder.register_forward_hook(lambda _, __, output: sizes.append(len(output[0])))
    return sizes


def test_a_distinct_sentence_is_encoded_once(bert_directory):
    embedder = new_embedder(bert_directory)
    sizes = calls_of(embedder)
    twice = [SENTENCES[0], SENTENCES[0], SENTENCES[1]]
    first = embedder(**batch_of(bert_directory, twice))
    assert sizes == [2]
    again = embedder(**batch_of(bert_directory, [SENTENCES[1], SENTENCES[3], SENTENCES[0]]))
    assert sizes == [2, 1]
    torch.testing.assert_close(again[2, :4], first[0], atol=1e-6, rtol=1e-6)
    assert torch.equal(first[0], first[1])


def test_kept_vectors_are_those_that_are_computed_anew(bert_directory):
    kept, fresh = (new_embedder(bert_directory, cache_megabytes=size) for size in (100, 0))
    sizes = calls_of(fresh)
    for _ in range(2):
        for sentences in (SENTENCES, SENTENCES[:2], SENTENCES[1:]):
            batch = batch_of(bert_directory, sentences)
            torch.testing.assert_close(kept(**batch), fresh(**batch), atol=1e-6, rtol=1e-6)
    assert len(sizes) == 6


def test_what_is_kept_is_not_rounded(bert_directory):
    embedder = new_embedder(bert_directory)
    expected = new_embedder(bert_directory)(**batch_of(bert_directory))
    with torch.autocast("cpu", torch.bfloat16):
        embedder.remember = False
        rounded = embedder(**batch_of(bert_directory)).float()
        embedder.remember = True
        embedder(**batch_of(bert_directory))
    assert not torch.equal(rounded, expected)
    torch.testing.assert_close(rounded, expected, atol=0.1, rtol=0)
    torch.testing.assert_close(embedder(**batch_of(bert_directory)), expected)


def test_raw_text_is_not_kept(bert_directory):
    embedder = new_embedder(bert_directory)
    sizes = calls_of(embedder)
    embedder.remember = False
    batch = batch_of(bert_directory)
    assert torch.equal(embedder(**batch), embedder(**batch))
    assert len(sizes) == 2


@pytest.mark.parametrize("options", [{}, {"layers": [1]}, {"max_length": 6}])
@pytest.mark.parametrize("more", [[], [SENTENCES[0]]], ids=["each once", "one twice"])
def test_raw_text_has_the_vectors_that_a_corpus_has(bert_directory, options, more):
    """What is mixed before words are put together is what is mixed afterwards."""
    embedder = new_embedder(bert_directory, **options)
    if embedder.mix is not None:
        embedder.mix.data = torch.tensor([0.5, -1.0, 2.0])
    batch = batch_of(bert_directory, [*SENTENCES, *more])
    embedder.remember = False
    with torch.inference_mode():
        raw = embedder(**batch)
    embedder.remember = True
    torch.testing.assert_close(raw, embedder(**batch).detach(), atol=1e-6, rtol=1e-6)


def test_on_disk_for_the_next_run(bert_directory, tmp_path, number_kept):
    batch = batch_of(bert_directory)
    first = new_embedder(bert_directory, cache_directory=str(tmp_path))(**batch)
    later = new_embedder(bert_directory, cache_directory=str(tmp_path))
    sizes = calls_of(later)
    assert torch.equal(later(**batch), first) and sizes == []
    (file,) = tmp_path.glob("*.sqlite")
    assert number_kept(str(file)) == len(SENTENCES)


@pytest.mark.parametrize("change", ["weights", "layers", "max_length"])
def test_another_encoder_has_a_file_of_its_own(bert_directory, tmp_path, change):
    batch = batch_of(bert_directory)
    options = {"layers": {"layers": [0, 2]}, "max_length": {"max_length": 12}}.get(change, {})
    new_embedder(bert_directory, cache_directory=str(tmp_path))(**batch)
    other = new_embedder(bert_directory, cache_directory=str(tmp_path), **options)
    if change == "weights":
        other.encoder.embeddings.LayerNorm.weight.data += 1
    sizes = calls_of(other)
    other(**batch)
    assert sizes != [] and len(list(tmp_path.glob("*.sqlite"))) == 2


def test_loading_other_weights_forgets_the_vectors(bert_directory):
    embedder, other = new_embedder(bert_directory), new_embedder(bert_directory)
    other.encoder.embeddings.LayerNorm.weight.data += 1
    batch = batch_of(bert_directory)
    before = embedder(**batch)
    embedder.load_state_dict(other.state_dict())
    after = embedder(**batch)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, other(**batch))


# Options


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layers": []}, r"layers is \[\]; expected some of 0 to 2"),
        ({"layers": [3]}, r"layers is \[3\]; expected some of 0 to 2, or of -3 to -1"),
        ({"max_length": 3}, "max_length is 3; expected at least 4, and at most 16"),
        ({"max_length": 17}, "max_length is 17"),
        ({"cache_megabytes": -1}, "cache_megabytes is -1; expected 0 or more"),
        ({"trained_layers": 1}, "train_parameters is false, so none is trained; expected true"),
        (
            {"train_parameters": True, "trained_layers": 0},
            "trained_layers is 0; expected 1 to 2, the highest layer in the mix",
        ),
        (
            {"train_parameters": True, "trained_layers": 2, "layers": [0, 1]},
            "trained_layers is 2; expected 1 to 1",
        ),
        (
            {"train_parameters": True, "cache_directory": "x"},
            "vectors of an encoder that changes cannot be kept",
        ),
    ],
)
def test_impossible_options(bert_directory, options, message):
    with pytest.raises(ConfigurationError, match=message):
        TransformerEmbedder(str(bert_directory), **options)


def test_from_a_configuration(bert_directory):
    params = {"type": "transformer", "model_name": str(bert_directory), "layers": [0, -1]}
    embedder = TokenEmbedder.from_params(Params(params))
    assert isinstance(embedder, TransformerEmbedder) and embedder.mix.shape == (2,)


def test_roberta_too(roberta_directory):
    """Words in windows, with its own markers and positions."""
    embedder = new_embedder(roberta_directory, layers=[-1])
    words = ["ab", "ab", "☃"] * 4
    vectors = embedder(**batch_of(roberta_directory, [words, ["ab"]]))
    tokenizer = AutoTokenizer.from_pretrained(roberta_directory)
    encoder = AutoModel.from_pretrained(roberta_directory).eval()
    with torch.no_grad():
        states = encoder(**tokenizer("ab", return_tensors="pt")).last_hidden_state[0, 1]
    torch.testing.assert_close(vectors[1, 0], states, atol=1e-5, rtol=1e-5)
    assert vectors.shape == (2, 12, 8) and torch.isfinite(vectors).all()


def test_minilm_on_a_known_sentence():
    """The vectors that the encoder gives when it is called the usual way."""
    embedder = new_embedder(MINILM, layers=[-1])
    words = ["Lithium", "caused", "hyperparathyroidism", "."]
    vectors = embedder(**batch_of(MINILM, [words]))
    tokenizer = WordPieceIndexer(MINILM)._tokenizer._tokenizer
    encoding = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = embedder.encoder(**encoding).last_hidden_state[0]
    for word in range(len(words)):
        own = [place for place, owner in enumerate(encoding.word_ids()) if owner == word]
        torch.testing.assert_close(vectors[0, word], states[own].mean(0), atol=1e-5, rtol=1e-5)
