import copy
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
from joint_ner_re.modules import CasingEmbedder, CharacterEmbedder, WordVectors, embedders
from joint_ner_re.modules.encoders import CELLS
from joint_ner_re.training import FusedAdamW

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


def encoded_words(embedder):
    """How many words each pass encodes from now on."""
    counts, encode = [], embedder._encode

    def counted(characters, places):
        counts.append(len(places))
        return encode(characters, places)

    embedder._encode = counted
    return counts


@pytest.mark.parametrize("few", [1, 10, 64])
def test_one_long_word_has_no_other_wait_for_it_and_shapes_are_few(few, monkeypatch):
    monkeypatch.setattr(embedders, "MIN_WORDS_PER_PASS", few)
    embedder = new_character_embedder()
    shapes = []
    embedder.rnn.register_forward_hook(lambda _, values, __: shapes.append(values[0].shape[:2]))
    characters = torch.zeros(1, 40, 70, dtype=torch.long)
    for word, length in enumerate([*range(1, 9)] * 3 + [9, 16, 17, 33, 70]):
        # All different.
        characters[0, word, :length] = 2 + word % 7
        characters[0, word, 0] = 2 + word // 7
    found = embedder(characters)
    # Words of at most 8 characters, then 9 to 16, 17 to 32, 33 to 64 and 65 to 128; or the five
    # that are longer than 8 together; or all.
    expected = {1: [8, 16, 24, 40, 72], 10: [8, 72], 64: [72]}[few]
    assert shapes == [(32, width) for width in expected]
    for word in (0, 7, 24, 26, 28, 39):
        alone = embedder(characters[:, word : word + 1])
        torch.testing.assert_close(found[:, word : word + 1], alone)
    shapes.clear()
    embedder(characters[:, :9])
    embedder(characters[:, 3:7])
    assert set(shapes) == {(32, 8)}


def test_equal_words_are_encoded_once():
    embedder = new_character_embedder()
    counts = encoded_words(embedder)
    embedder(CHARACTERS)
    # three words and the padding
    assert counts == [4]


def test_outside_training_a_word_is_encoded_once_for_all_batches():
    embedder = new_character_embedder().eval()
    expected = embedder(CHARACTERS).detach()
    counts = encoded_words(embedder)
    with torch.no_grad():
        torch.testing.assert_close(embedder(CHARACTERS[:1, :2]), expected[:1, :2])
        # With more padding it is the same word.
        wider = nn.functional.pad(CHARACTERS, (0, 3))
        torch.testing.assert_close(embedder(wider), expected)
        torch.testing.assert_close(embedder(CHARACTERS.flip(0)), expected.flip(0))
    assert counts == [2, 2]
    embedder.train()
    with torch.no_grad():
        embedder(CHARACTERS)
    assert counts == [2, 2, 4]


def test_training_encodes_words_anew():
    """As in an epoch: evaluation, training by an optimizer of any kind, evaluation."""
    embedder = new_character_embedder().eval()
    with torch.no_grad():
        before = embedder(CHARACTERS)
    embedder.train()
    embedder(CHARACTERS).square().sum().backward()
    FusedAdamW(list(embedder.named_parameters()), lr=0.1).step()
    embedder.eval()
    expected = embedder(CHARACTERS).detach()
    with torch.no_grad():
        after = embedder(CHARACTERS)
    torch.testing.assert_close(after, expected)
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("change", ["step", "load", "double"])
def test_other_weights_encode_words_anew(change):
    embedder, other = new_character_embedder().eval(), new_character_embedder()
    with torch.no_grad():
        before = embedder(CHARACTERS)
        for parameter in other.parameters():
            parameter.mul_(2)
        if change == "step":
            for parameter in embedder.parameters():
                parameter.mul_(2)
        elif change == "load":
            embedder.load_state_dict(other.state_dict())
        else:
            embedder.double()
        after = embedder(CHARACTERS)
    if change == "double":
        assert after.dtype == torch.double
        torch.testing.assert_close(after.float(), before)
    else:
        assert not torch.allclose(after, before)
        torch.testing.assert_close(after, other(CHARACTERS).detach())


def test_when_there_is_no_more_room_for_words_it_begins_again(monkeypatch):
    monkeypatch.setattr(embedders, "MAX_KNOWN_WORDS", 3)
    embedder = new_character_embedder().eval()
    expected = embedder(CHARACTERS).detach()
    counts = encoded_words(embedder)
    with torch.no_grad():
        for _ in range(2):
            for row in range(2):
                torch.testing.assert_close(embedder(CHARACTERS[row, None]), expected[row, None])
        # Four words at once are more than there is room for.
        torch.testing.assert_close(embedder(CHARACTERS), expected)
    assert counts == [2, 3, 2, 3, 4]


def test_words_are_known_in_all_modes():
    embedder = new_character_embedder().eval()
    expected = embedder(CHARACTERS).detach()
    with torch.inference_mode():
        embedder(CHARACTERS[:1, :2])
    with torch.no_grad():
        torch.testing.assert_close(embedder(CHARACTERS), expected)
    with torch.inference_mode():
        torch.testing.assert_close(embedder(CHARACTERS), expected)


def test_a_copy_learns_its_words_itself():
    embedder = new_character_embedder().eval()
    with torch.no_grad():
        before = embedder(CHARACTERS)
        copied = copy.deepcopy(embedder)
        for parameter in copied.parameters():
            parameter.mul_(2)
        assert not torch.allclose(copied(CHARACTERS), before)
        torch.testing.assert_close(embedder(CHARACTERS), before)


@pytest.mark.parametrize("first_low", [False, True])
def test_a_words_vector_does_not_depend_on_the_precision_in_which_it_came_first(first_low):
    expected, low = new_character_embedder().eval(), new_character_embedder().eval()
    mixed = new_character_embedder().eval()
    with torch.no_grad():
        expected = expected(CHARACTERS)
        with torch.autocast("cpu", torch.bfloat16):
            low = low(CHARACTERS)
        for is_low in (first_low, not first_low, first_low):
            with torch.autocast("cpu", torch.bfloat16, enabled=is_low):
                assert torch.equal(mixed(CHARACTERS), low if is_low else expected)
    assert low.dtype == torch.float32 and not torch.equal(low, expected)
    torch.testing.assert_close(low, expected, atol=0.02, rtol=0)


def test_training_does_not_round_words():
    embedder = new_character_embedder()
    expected = embedder(CHARACTERS)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(embedder(CHARACTERS), expected, atol=0, rtol=0)


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
