"""Words to the pieces of pretrained encoders."""

import json
import shutil

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.pretrained import piece_tokenizer


@pytest.fixture
def directory(bert_directory, tmp_path):
    """A copy of the encoder, for one test to change."""
    return shutil.copytree(bert_directory, tmp_path / "copy")


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


def test_a_vocabulary_alone_is_enough(directory):
    """As many encoders of 2019 have it."""
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (directory / name).unlink()
    words = ["Lithium", "caused", "tremors", "☃"]
    assert piece_tokenizer(str(directory)).pieces(words) == ([5, 6, 7, 8, 1], [0, 1, 2, 2, 3])


def test_settings_of_the_tokenizer_are_used(directory):
    """Here letters keep their case, and the vocabulary has none in upper case."""
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_lower_case": False}))
    assert piece_tokenizer(str(directory)).pieces(["Lithium", "caused"]).ids == [1, 6]


def test_added_tokens_are_used(directory):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (directory / name).unlink()
    (directory / "added_tokens.json").write_text('{"Kesh": 14}')
    assert piece_tokenizer(str(directory)).pieces(["Kesh", "caused"]).ids == [14, 6]


def test_a_sentencepiece_model_is_converted(tmp_path):
    """The pieces are those that sentencepiece itself gives, one further on: 0 is <s>, 1 <pad>."""
    import sentencepiece
    from transformers import XLMRobertaConfig

    text = tmp_path / "text.txt"
    text.write_text("lithium caused tremors in the patient .\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(tmp_path / "sentencepiece.bpe"), vocab_size=23,
        minloglevel=2,
    )  # fmt: skip
    XLMRobertaConfig().save_pretrained(tmp_path)
    ids, words = piece_tokenizer(str(tmp_path)).pieces(["lithium", "caused"])
    reference = sentencepiece.SentencePieceProcessor(str(tmp_path / "sentencepiece.bpe.model"))
    assert ids == [number + 1 for number in reference.encode("lithium caused")]
    assert sorted(set(words)) == [0, 1]


@pytest.mark.parametrize(
    "name, content",
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", '{"added_tokens": []}'),
        ("tokenizer_config.json", "\ud800"),
        ("tokenizer_config.json", "[1]"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 5}}'),
        ("special_tokens_map.json", '{"unk_token": '),
        ("tokenizer_config.json", "[" * 100_000),
    ],
)
def test_damaged_files(directory, name, content):
    (directory / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError, match="damaged|expected an object"):
        piece_tokenizer(str(directory))


@pytest.mark.parametrize("named", ["BertJapaneseTokenizer", "evil.Tokenizer", "", 5, ["Bert"]])
@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
def test_a_tokenizer_that_is_not_used_here(directory, named, file):
    (directory / "tokenizer_config.json").write_text("{}")
    path = directory / file
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": named}))
    with pytest.raises(ConfigurationError, match=f"{file}: tokenizer_class is .* expected one of"):
        piece_tokenizer(str(directory))


def test_no_tokenizer(directory):
    for name in ("tokenizer.json", "vocab.txt"):
        (directory / name).unlink()
    with pytest.raises(ConfigurationError, match="has no tokenizer; expected tokenizer.json or"):
        piece_tokenizer(str(directory))
