import gzip
import logging
import zipfile

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.modules import TokenEmbedder
from torch import nn

from joint_ner_re.casing import CASINGS
from joint_ner_re.modules import CasingEmbedder, CharacterEmbedder, WordVectors
from joint_ner_re.modules.encoders import CELLS

# Characters


def new_character_embedder(cell="lstm", **options):
    vocab = Vocabulary()
    for character in "abcdefgh":
        vocab.add_token_to_namespace(character, "token_characters")
    torch.manual_seed(0)
    return CharacterEmbedder(vocab, embedding_size=5, hidden_size=3, cell=cell, **options)


#               Character numbers start at 2; 0 pads words and sentences.
CHARACTERS = torch.tensor(
    [
        [[2, 3, 4, 0], [5, 0, 0, 0], [2, 3, 4, 0]],
        [[2, 3, 4, 9], [5, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    ]
)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_word_is_the_last_states_over_its_characters(cell):
    """Every word on its own through PyTorch's bidirectional network, without padding."""
    embedder = new_character_embedder(cell)
    rnn = CELLS[cell](5, 3, batch_first=True, bidirectional=True)
    weights = dict(embedder.rnn.forwards.named_parameters())
    weights.update({f"{n}_reverse": w for n, w in embedder.rnn.backwards.named_parameters()})
    rnn.load_state_dict(weights)
    vectors = embedder(CHARACTERS)
    assert vectors.shape == (3, 3, 6) and embedder.get_output_dim() == 6
    for row, column in torch.cartesian_prod(torch.arange(3), torch.arange(3)).tolist():
        word = CHARACTERS[row, column]
        word = word[word > 0]
        expected = torch.zeros(6)
        if len(word):
            state = rnn(embedder.embedding(word)[None])[1]
            expected = (state[0] if cell == "lstm" else state)[:, 0].flatten()
        torch.testing.assert_close(vectors[row, column], expected, atol=1e-6, rtol=0)


def test_equal_words_are_encoded_once():
    embedder = new_character_embedder()
    rows = []
    embedder.rnn.forwards.register_forward_hook(lambda m, values, _: rows.append(len(values[0])))
    embedder(CHARACTERS)
    # three words and the padding
    assert rows == [4]


def test_more_padding_changes_nothing():
    embedder = new_character_embedder()
    wider = nn.functional.pad(CHARACTERS, (0, 3, 0, 2))
    torch.testing.assert_close(embedder(wider)[:, :3], embedder(CHARACTERS))
    assert not embedder(wider)[:, 3:].any()


def test_every_character_and_weight_learns():
    embedder = new_character_embedder()
    embedder(CHARACTERS).square().sum().backward()
    assert all(bool(p.grad.any()) for p in embedder.parameters())
    learned = embedder.embedding.weight.grad.any(dim=1).nonzero().flatten().tolist()
    assert learned == [2, 3, 4, 5, 9]


def test_dropout_on_characters_in_training_only():
    embedder = new_character_embedder(dropout=0.5)
    assert torch.equal(embedder.eval()(CHARACTERS), embedder(CHARACTERS))
    assert not torch.equal(embedder.train()(CHARACTERS), embedder(CHARACTERS))


def test_character_embedder_refuses_an_impossible_configuration():
    with pytest.raises(ConfigurationError, match="dropout is 1"):
        new_character_embedder(dropout=1)
    with pytest.raises(ConfigurationError, match="unknown cell 'cnn'"):
        new_character_embedder(cell="cnn")


def test_character_embedder_from_a_configuration():
    vocab = Vocabulary(counter={"chars": {"a": 1}})
    params = Params({"type": "bi_rnn_characters", "hidden_size": 7, "namespace": "chars"})
    embedder = TokenEmbedder.from_params(params, vocab=vocab)
    assert isinstance(embedder, CharacterEmbedder) and embedder.get_output_dim() == 14
    assert embedder.embedding.num_embeddings == 3


# Casing


def test_casing_is_one_hot_and_nothing_at_padding():
    embedder = CasingEmbedder()
    vectors = embedder(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 0]]))
    identity = torch.eye(7)
    assert embedder.get_output_dim() == len(CASINGS) == 7
    assert torch.equal(vectors[0], identity[:4])
    assert torch.equal(vectors[1, :3], identity[4:])
    assert not vectors[1, 3].any()
    assert vectors.dtype == torch.get_default_dtype()
    assert isinstance(TokenEmbedder.from_params(Params({"type": "casing"})), CasingEmbedder)


# Word vectors

LINES = ["the 1 2 3", "aspirin 0.5 -0.25 1e-3", "unused 7 7 7"]


@pytest.fixture
def vocab():
    vocab = Vocabulary()
    for word in ("the", "aspirin", "unknown", "at last"):
        vocab.add_token_to_namespace(word)
    return vocab


def write(path, lines):
    text = "".join(f"{line}\n" for line in lines)
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vectors.txt", text)
    else:
        path.write_text(text, encoding="utf-8")
    return str(path)


def vector(embedder, vocab, word):
    return embedder(torch.tensor([[vocab.get_token_index(word)]]))[0, 0].tolist()


@pytest.mark.parametrize("header", [[], ["3 3"], ["3"]], ids=["plain", "counts", "count"])
@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.zip", "v.vec"])
def test_vectors_are_read_from_the_file(tmp_path, vocab, name, header):
    path = write(tmp_path / name, header + LINES)
    embedder = WordVectors(vocab, 3, path)
    assert vector(embedder, vocab, "the") == [1, 2, 3]
    assert vector(embedder, vocab, "aspirin") == pytest.approx([0.5, -0.25, 0.001])
    assert not embedder.weight[0].any()
    assert embedder.weight.shape == (6, 3) and embedder.get_output_dim() == 3


def test_words_without_a_vector_get_random_ones_like_the_others(tmp_path):
    """2,000 missing words; those in the file have mean 3 and deviation 1."""
    vocab = Vocabulary()
    for number in range(2_002):
        vocab.add_token_to_namespace(f"w{number}")
    path = write(tmp_path / "v.txt", ["w0 2 4 2 4 2", "w1 4 2 4 2 3"])
    embedder = WordVectors(vocab, 5, path)
    missing = embedder.weight[4:]
    found = torch.tensor([2.0, 4, 2, 4, 2, 4, 2, 4, 2, 3])
    assert missing.mean().item() == pytest.approx(found.mean().item(), abs=0.06)
    assert missing.std().item() == pytest.approx(found.std(unbiased=False).item(), abs=0.05)
    assert len(missing.unique(dim=0)) == 2_000


def test_a_word_may_hold_spaces(tmp_path, vocab):
    path = write(tmp_path / "v.txt", [*LINES, "at last 4 5 6", ". . . 1 1 1"])
    assert vector(WordVectors(vocab, 3, path), vocab, "at last") == [4, 5, 6]


def test_the_share_of_words_with_a_vector_is_logged(tmp_path, vocab, caplog):
    path = write(tmp_path / "v.txt", LINES)
    with caplog.at_level(logging.INFO, logger="joint_ner_re"):
        WordVectors(vocab, 3, path)
    # the four words, padding and the unknown word's entry
    assert f"{path}: vectors for 2 of 6 words" in caplog.text


def test_vectors_do_not_learn_unless_told(tmp_path, vocab):
    path = write(tmp_path / "v.txt", LINES)
    assert not WordVectors(vocab, 3, path).weight.requires_grad
    assert WordVectors(vocab, 3, path, trainable=True).weight.requires_grad


def test_without_a_file_all_vectors_are_random(vocab):
    embedder = WordVectors(vocab, 3)
    assert embedder.weight.shape == (6, 3)
    assert not embedder.weight[0].any()
    assert bool(embedder.weight[1:].any(dim=1).all())


def test_another_namespace(tmp_path):
    vocab = Vocabulary()
    vocab.add_token_to_namespace("the", "lower")
    params = Params({"type": "word_vectors", "embedding_dim": 3, "namespace": "lower",
                     "pretrained_file": write(tmp_path / "v.txt", LINES)})  # fmt: skip
    embedder = TokenEmbedder.from_params(params, vocab=vocab)
    assert isinstance(embedder, WordVectors)
    assert embedder.weight[vocab.get_token_index("the", "lower")].tolist() == [1, 2, 3]


@pytest.mark.parametrize("header", [[], ["3 3"]], ids=["plain", "header"])
@pytest.mark.parametrize(
    "line, count",
    [("word 1 2", 2), ("word 1 2 3 4", 4), ("word 1", 1), ("word", 0), ("", 0)],
)
def test_a_line_of_another_dimension_is_an_error(tmp_path, vocab, header, line, count):
    path = write(tmp_path / "v.txt", [*header, LINES[0], line, LINES[1]])
    with pytest.raises(ConfigurationError) as error:
        WordVectors(vocab, 3, path)
    assert (
        f"{path}:{len(header) + 2}: the line has {count} numbers after its word; expected 3, the "
        "embedding_dim of the configuration"
    ) in str(error.value)


def test_what_is_no_number_is_an_error(tmp_path, vocab):
    path = write(tmp_path / "v.txt", ["unused 1 2 3", "the 1 two 3"])
    with pytest.raises(ConfigurationError) as error:
        WordVectors(vocab, 3, path)
    assert f"{path}:2: " in str(error.value)
    assert "'two'; expected a word and 3 numbers" in str(error.value)


@pytest.mark.parametrize("lines", [["unused 1 2 3"], ["1 3", "unused 1 2 3"], ["0 3"]])
def test_a_file_without_a_word_of_the_vocabulary_is_an_error(tmp_path, vocab, lines):
    path = write(tmp_path / "v.txt", lines)
    with pytest.raises(ConfigurationError, match="none of the 6 words of .* 'tokens' has a vector"):
        WordVectors(vocab, 3, path)


def test_an_empty_file_is_an_error(tmp_path, vocab):
    path = write(tmp_path / "v.txt", [])
    with pytest.raises(ConfigurationError, match="v.txt: the file is empty; expected a word and 3"):
        WordVectors(vocab, 3, path)


def test_a_dimension_below_one_is_an_error(vocab):
    with pytest.raises(ConfigurationError, match="embedding_dim is 0; expected 1 or more"):
        WordVectors(vocab, 0)
