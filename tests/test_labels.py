import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from joint_ner_re.labels import (
    ENTITY_NAMESPACE,
    RELATION_NAMESPACE,
    SIGNATURE_NAMESPACE,
    known_signatures,
    label_names,
    label_numbers,
    signature_label,
)


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


def vocabulary_with(*entries):
    labels = {ENTITY_NAMESPACE: ['a"b', "c\nd", "é"], RELATION_NAMESPACE: ["R"]}
    return Vocabulary(
        counter={
            **{name: dict.fromkeys(some, 1) for name, some in labels.items()},
            SIGNATURE_NAMESPACE: dict.fromkeys(entries, 1),
        }
    )


def test_signatures_of_any_names_are_saved(tmp_path):
    known = [("R", 'a"b', "c\nd"), ("R", "é", 'a"b')]
    vocabulary_with(*(signature_label(*one) for one in known)).save_to_files(tmp_path)
    assert sorted(known_signatures(Vocabulary.from_files(tmp_path))) == known


@pytest.mark.parametrize(
    "entry",
    ["R", "3", '["R", "é"]', '["S", "é", "é"]', '["R", "é", "x"]', '["R", [], "é"]', "[" * 99_999],
)
def test_an_entry_that_is_no_signature_is_named(entry):
    vocab = vocabulary_with(signature_label("R", "é", "é"), entry)
    with pytest.raises(
        ConfigurationError, match="the vocabulary has the entry .*; expected a JSON"
    ):
        known_signatures(vocab)


def test_a_relation_type_without_signatures_is_named():
    with pytest.raises(ConfigurationError, match="these relation types connect: R; expected"):
        known_signatures(vocabulary_with())
