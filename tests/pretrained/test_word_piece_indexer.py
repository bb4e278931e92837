from allennlp.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from allennlp.data.fields import TextField

from joint_ner_re.pretrained import WordPieceIndexer


def tensors(directory, *texts):
    indexers = {"pieces": WordPieceIndexer(str(directory))}
    batch = Batch(
        [Instance({"t": TextField([Token(word) for word in text], indexers)}) for text in texts]
    )
    batch.index_instances(Vocabulary())
    return {name: rows.tolist() for name, rows in batch.as_tensor_dict()["t"]["pieces"].items()}


def test_numbers_and_words_count_from_one_and_padding_is_zero(bert_directory):
    """[PAD] [UNK] [CLS] [SEP] [MASK] lithium caused tremor ##s: numbers 0 to 8."""
    assert tensors(bert_directory, ["Lithium", "tremors"], ["caused"]) == {
        "pieces": [[6, 8, 9], [7, 0, 0]],
        "words": [[1, 2, 2], [1, 0, 0]],
    }


def test_texts_without_tokens(bert_directory):
    assert tensors(bert_directory, [], []) == {"pieces": [[], []], "words": [[], []]}
    assert tensors(bert_directory, [], ["a"]) == {"pieces": [[0], [11]], "words": [[0], [1]]}


def test_nothing_is_counted(bert_directory):
    counter = {}
    WordPieceIndexer(str(bert_directory)).count_vocab_items(Token("Kesh"), counter)
    assert counter == {}


def test_it_is_registered():
    assert TokenIndexer.by_name("word_pieces") is WordPieceIndexer
