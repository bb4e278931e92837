from allennlp.data import Vocabulary

from joint_ner_re.labels import ENTITY_NAMESPACE, RELATION_NAMESPACE, label_names, label_numbers


def test_labels_are_numbered_from_zero_and_named_in_that_order():
    vocab = Vocabulary()
    for name in ("Work_For", "Kill", "Live_In"):
        vocab.add_token_to_namespace(name, RELATION_NAMESPACE)
    assert label_numbers(vocab, RELATION_NAMESPACE) == {"Work_For": 0, "Kill": 1, "Live_In": 2}
    assert label_names(vocab, RELATION_NAMESPACE) == ["Work_For", "Kill", "Live_In"]


def test_labels_have_no_padding_and_no_unknown_entry_after_saving(tmp_path):
    vocab = Vocabulary(counter={ENTITY_NAMESPACE: {"Drug": 2, "Effect": 1}})
    vocab.save_to_files(tmp_path)
    assert label_names(Vocabulary.from_files(tmp_path), ENTITY_NAMESPACE) == ["Drug", "Effect"]


def test_asking_for_a_missing_namespace_does_not_make_it():
    vocab = Vocabulary()
    assert label_numbers(vocab, RELATION_NAMESPACE) == {}
    assert label_names(vocab, RELATION_NAMESPACE) == []
    assert RELATION_NAMESPACE not in vocab.get_namespaces()
