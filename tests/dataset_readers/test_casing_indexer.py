from allennlp.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from allennlp.data.fields import TextField

from joint_ner_re.dataset_readers import CasingIndexer
from joint_ner_re.modules import CasingEmbedder

WORDS = ["1961", "lithium", "ADE", "Kesh", "1990s", "a1b2c", "."]


def tensor(*texts):
    indexers = {"casing": CasingIndexer()}
    batch = Batch(
        [Instance({"t": TextField([Token(word) for word in text], indexers)}) for text in texts]
    )
    batch.index_instances(Vocabulary())
    return batch.as_tensor_dict()["t"]["casing"]["tokens"]


def test_each_class_has_its_number_from_one():
    assert tensor(WORDS).tolist() == [[1, 2, 3, 4, 5, 6, 7]]


def test_padding_is_zero():
    assert tensor(["Kesh"], ["Kesh", "1", "."]).tolist() == [[4, 0, 0], [4, 1, 7]]


def test_a_text_without_tokens_has_no_number():
    assert tensor([], []).shape == (2, 0)


def test_nothing_is_counted():
    counter = {}
    CasingIndexer().count_vocab_items(Token("Kesh"), counter)
    assert counter == {}


def test_its_numbers_are_those_that_the_embedder_expects():
    vectors = CasingEmbedder()(tensor(WORDS, ["Kesh"]))
    assert vectors[0].tolist() == [[float(i == j) for j in range(7)] for i in range(7)]
    assert vectors[1, 0].argmax() == 3 and vectors[1, 1:].sum() == 0


def test_it_is_registered():
    assert TokenIndexer.by_name("casing") is CasingIndexer
