import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Token, TokenIndexer, Vocabulary
from allennlp.modules.token_embedders import TokenEmbedder

from joint_ner_re.dataset_readers import GazetteerIndexer, GazetteerVocabulary
from joint_ner_re.gazetteer import OUTSIDE
from joint_ner_re.labels import GAZETTEER_NAMESPACE, label_names
from joint_ner_re.modules import GazetteerEmbedder
from joint_ner_re.sentence import Entity, Sentence

OVERRIDES = {
    "vocabulary": {"type": "gazetteer"},
    "dataset_reader.token_indexers.known": {"type": "gazetteer"},
    "model.text_field_embedder.token_embedders.known": {"type": "gazetteer", "embedding_dim": 5},
}
TRAINING = [
    Sentence(("Ada", "Marek", "left", "Kesh"), (Entity("Peop", 0, 2), Entity("Loc", 3, 4))),
    Sentence(("Kesh", "is", "old"), (Entity("Loc", 0, 1),)),
]


@pytest.fixture(scope="module")
def made(make):
    return make(TRAINING, OVERRIDES)


def numbers(text, vocab):
    tokens = [Token(word) for word in text.split()]
    return GazetteerIndexer().tokens_to_indices(tokens, vocab)["tokens"]


def test_the_vocabulary_collects_what_is_annotated(made):
    vocab = made.model.vocab
    assert isinstance(vocab, GazetteerVocabulary)
    assert len(label_names(vocab, GAZETTEER_NAMESPACE)) == 2
    # Loc comes before Peop: one sentence of one for "Ada Marek", two of two for "Kesh".
    peop, loc = 2 + 4 * (9 + 2), 2 + 4 * (3 + 2)
    assert numbers("KESH met Ada Marek", vocab) == [loc + 3, 1, peop, peop + 2]


def test_a_gold_annotation_of_new_text_tells_nothing(made):
    new = Sentence(("Oleg", "Hart", "left"), (Entity("Peop", 0, 2),))
    instance = made.reader.text_to_instance(new)
    made.reader.apply_token_indexers(instance)
    instance.index_fields(made.model.vocab)
    tensors = instance.as_tensor_dict()["tokens"]["known"]["tokens"]
    assert tensors.tolist() == [OUTSIDE] * 3


def test_ids_say_which_sentences_are_of_one_document(make):
    texts = [("Ada", "left"), ("Ada", "came"), ("Ada", "sat")]
    ids = ["report:1", "report:2", "7"]
    training = [Sentence(t, (Entity("Peop", 0, 1),), id=i) for t, i in zip(texts, ids)]
    vocab = make(training, OVERRIDES).model.vocab
    # Type 0; for the report one sentence of one counts, for the other two of two.
    assert numbers("Ada left", vocab) == [2 + 4 * 2 + 3, 1]
    assert numbers("Ada sat", vocab) == [2 + 4 * (3 + 2) + 3, 1]


def test_a_saved_vocabulary_gives_the_same_numbers(made, tmp_path):
    made.model.vocab.save_to_files(tmp_path)
    loaded = GazetteerVocabulary.from_files(tmp_path)
    text = "Kesh met Ada Marek"
    assert numbers(text, loaded) == numbers(text, made.model.vocab)
    assert max(numbers(text, loaded)) > OUTSIDE


def test_rare_words_can_be_left_out_of_the_vocabulary(make):
    vocabulary = {"type": "gazetteer", "min_count": {"tokens": 2}}
    vocab = make(TRAINING, {**OVERRIDES, "vocabulary": vocabulary}).model.vocab
    words = vocab.get_token_to_index_vocabulary("tokens")
    assert "kesh" in words and "ada" not in words
    assert len(label_names(vocab, GAZETTEER_NAMESPACE)) == 2


def test_the_embedder_has_a_vector_for_each_number(made):
    embedder = made.model.text_field_embedder.token_embedder_known
    assert isinstance(embedder, GazetteerEmbedder) and embedder.get_output_dim() == 5
    vectors = embedder(torch.tensor([[1, 73, 0]]))
    assert vectors.shape == (1, 3, 5)
    assert not vectors[0, 2].any() and vectors[0, :2].any(dim=1).all()
    with pytest.raises(IndexError):
        embedder(torch.tensor([[74]]))


def test_without_the_vocabulary_the_error_says_what_to_set():
    with pytest.raises(ConfigurationError, match='with "vocabulary": {"type": "gazetteer"}'):
        numbers("Kesh", Vocabulary())
    with pytest.raises(ConfigurationError, match="gazetteer_labels"):
        TokenEmbedder.from_params(Params({"type": "gazetteer"}), vocab=Vocabulary())


def test_a_damaged_entry_names_the_vocabulary():
    vocab = Vocabulary(counter={GAZETTEER_NAMESPACE: {"[1]": 1}})
    with pytest.raises(ConfigurationError, match="_labels': the gazetteer has the entry"):
        numbers("Kesh", vocab)


def test_nothing_else_is_counted():
    counter = {}
    GazetteerIndexer().count_vocab_items(Token("Kesh"), counter)
    assert counter == {}
    assert GazetteerIndexer().get_empty_token_list() == {"tokens": []}


def test_they_are_registered():
    assert TokenIndexer.by_name("gazetteer") is GazetteerIndexer
    assert Vocabulary.resolve_class_name("gazetteer")[0] is GazetteerVocabulary
