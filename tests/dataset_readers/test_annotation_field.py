import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Instance, Vocabulary

from joint_ner_re.dataset_readers import AnnotationField
from joint_ner_re.labels import (
    ENTITY_NAMESPACE,
    RELATION_NAMESPACE,
    SIGNATURE_NAMESPACE,
    known_signatures,
    label_names,
)
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = ["Acute", "lithium", "toxicity", ",", "naproxen", "rash", "."]
# "lithium toxicity" and "lithium" overlap: the longer is on the first level.
OVERLAP = Sentence(
    TOKENS,
    [Entity("Drug", 4, 5), Entity("Effect", 1, 3), Entity("Drug", 1, 2), Entity("Effect", 5, 6)],
    [Relation("Causes", 1, 2), Relation("Causes", 0, 3), Relation("Before", 3, 1)],
    id="s1",
)


def made_vocab():
    vocab = Vocabulary()
    for name in ("Drug", "Effect"):
        vocab.add_token_to_namespace(name, ENTITY_NAMESPACE)
    for name in ("Before", "Causes"):
        vocab.add_token_to_namespace(name, RELATION_NAMESPACE)
    return vocab


def tensors(*sentences, **options):
    batch = Batch([Instance({"annotation": AnnotationField(s, **options)}) for s in sentences])
    batch.index_instances(made_vocab())
    return batch.as_tensor_dict()["annotation"]


def test_entities_stand_in_the_order_of_their_levels_and_positions():
    made = tensors(OVERLAP)
    assert made["starts"].tolist() == [[1, 4, 5, 1]]
    assert made["ends"].tolist() == [[3, 5, 6, 2]]
    assert made["types"].tolist() == [[1, 0, 1, 0]]  # Effect, Drug, Effect, Drug
    assert made["levels"].tolist() == [[0, 0, 0, 1]]
    assert made["mask"].tolist() == [[True] * 4]


def test_relations_are_directed():
    made = tensors(OVERLAP)["relations"]
    expected = torch.zeros(1, 4, 4, 2)
    expected[0, 0, 3, 1] = 1  # lithium toxicity -Causes-> lithium
    expected[0, 1, 2, 1] = 1  # naproxen -Causes-> rash
    expected[0, 2, 0, 0] = 1  # rash -Before-> lithium toxicity
    assert torch.equal(made, expected)


def test_a_pair_holds_several_relations_and_both_directions():
    pair = Sentence(
        ["a", "b"],
        [Entity("Drug", 0, 1), Entity("Effect", 1, 2)],
        [Relation("Causes", 0, 1), Relation("Before", 0, 1), Relation("Before", 1, 0)],
    )
    assert tensors(pair)["relations"].tolist() == [[[[0, 0], [1, 1]], [[1, 0], [0, 0]]]]


def test_what_stands_twice_is_one():
    twice = Sentence(
        ["a", "b"],
        [
            Entity("Drug", 0, 1),
            Entity("Effect", 1, 2),
            Entity("Drug", 0, 1),
            Entity("Effect", 0, 1),
        ],
        [Relation("Causes", 0, 1), Relation("Before", 1, 2), Relation("Causes", 0, 2)],
    )
    made = tensors(twice)
    # Drug, Effect and, on the same span as the drug, the other effect.
    assert (made["starts"].tolist(), made["types"].tolist()) == ([[0, 1, 0]], [[0, 1, 1]])
    assert made["levels"].tolist() == [[0, 0, 1]]
    # Those of both copies, and none from one to the other.
    assert made["relations"].nonzero().tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]


def test_whether_relations_are_known_is_told_for_each_sentence():
    fields = [AnnotationField(OVERLAP), AnnotationField(OVERLAP, relations_known=False)]
    batch = Batch([Instance({"annotation": field}) for field in fields])
    batch.index_instances(made_vocab())
    known = batch.as_tensor_dict()["annotation"]["relations_known"]
    assert known.dtype == torch.bool and known.tolist() == [True, False]


def test_sentences_are_padded_to_the_most_entities():
    one = Sentence(["a", "b"], [Entity("Effect", 1, 2)])
    made = tensors(Sentence(["a"]), one, OVERLAP)
    assert made["mask"].sum(dim=1).tolist() == [0, 1, 4]
    assert made["starts"].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 4, 5, 1]]
    assert made["ends"].tolist() == [[1, 1, 1, 1], [2, 1, 1, 1], [3, 5, 6, 2]]
    assert made["levels"].tolist() == [[0] * 4, [0] * 4, [0, 0, 0, 1]]
    assert made["relations"].shape == (3, 4, 4, 2)
    assert made["relations"].sum(dim=(1, 2, 3)).tolist() == [0, 0, 3]


@pytest.mark.parametrize("others", [[], [OVERLAP]])
def test_types_of_numbers_do_not_depend_on_the_batch(others):
    made = tensors(Sentence(["a"]), *others)
    assert {made[n].dtype for n in ("starts", "ends", "types", "levels")} == {torch.long}
    assert (made["mask"].dtype, made["relations"].dtype) == (torch.bool, torch.float)


def test_a_batch_without_entities_has_no_column():
    made = tensors(Sentence(["a"]), Sentence([]))
    assert {name: tuple(value.shape) for name, value in made.items()} == {
        "starts": (2, 0), "ends": (2, 0), "types": (2, 0), "levels": (2, 0), "mask": (2, 0),
        "relations": (2, 0, 0, 2), "relations_known": (2,),
    }  # fmt: skip


@pytest.mark.parametrize(
    "symmetric, expected",
    [
        ((), [("Before", "Effect", "Effect"), ("Causes", "Drug", "Effect"),
              ("Causes", "Effect", "Drug")]),
        # A symmetric type connects its entity types in both orders.
        (["Near"], [("Near", "Drug", "Effect"), ("Near", "Effect", "Drug")]),
    ],
)  # fmt: skip
def test_the_vocabulary_has_what_relation_types_connect(symmetric, expected):
    pair = Sentence(TOKENS, OVERLAP.entities[:2], [Relation("Near", 0, 1)])
    sentence = pair if symmetric else OVERLAP
    field = AnnotationField(sentence, symmetric=symmetric)
    vocab = Vocabulary.from_instances([Instance({"annotation": field})])
    assert sorted(known_signatures(vocab)) == expected
    assert len(label_names(vocab, SIGNATURE_NAMESPACE)) == len(expected)


def test_types_that_only_overlapping_entities_have_are_in_the_vocabulary():
    sentence = Sentence(
        ["a", "b"],
        [Entity("Long", 0, 2), Entity("Short", 0, 1)],
        [Relation("Only", 0, 1)],
    )
    vocab = Vocabulary.from_instances([Instance({"annotation": AnnotationField(sentence)})])
    assert sorted(label_names(vocab, ENTITY_NAMESPACE)) == ["Long", "Short"]
    assert label_names(vocab, RELATION_NAMESPACE) == ["Only"]


@pytest.mark.parametrize(
    "sentence, what, name",
    [
        (Sentence(["a"], [Entity("Dose", 0, 1)], source="x.jsonl:7"), "entity", "Dose"),
        # Also on another level.
        (
            Sentence(["a", "b"], [Entity("Drug", 0, 2), Entity("Dose", 0, 1)], source="x.jsonl:7"),
            "entity",
            "Dose",
        ),
        (
            Sentence(
                ["a", "b"],
                [Entity("Drug", 0, 1), Entity("Drug", 1, 2)],
                [Relation("Kill", 0, 1)],
                source="x.jsonl:7",
            ),
            "relation",
            "Kill",
        ),
    ],
)
def test_an_unknown_type_is_an_error_that_names_file_and_line(sentence, what, name):
    with pytest.raises(ConfigurationError) as error:
        tensors(sentence, unknown_types="error")
    message = str(error.value)
    assert f"x.jsonl:7: the {what} type '{name}'" in message
    assert ("Drug, Effect" if what == "entity" else "Before, Causes") in message


def test_an_unknown_type_without_a_source_names_the_sentence():
    with pytest.raises(ConfigurationError, match="sentence 's9'.*'Dose'"):
        tensors(Sentence(["a"], [Entity("Dose", 0, 1)], id="s9"), unknown_types="error")


def test_unknown_types_are_in_no_tensor_otherwise():
    known = [Entity("Drug", 0, 1), Entity("Effect", 2, 3)]
    sentence = Sentence(
        ["a", "b", "c"],
        [known[0], Entity("Dose", 1, 2), known[1]],
        [Relation("Causes", 0, 2), Relation("Kill", 0, 2), Relation("Causes", 1, 2)],
    )
    expected = tensors(Sentence(sentence.tokens, known, [Relation("Causes", 0, 1)]))
    found = tensors(sentence)
    assert found.keys() == expected.keys()
    for name in found:
        assert torch.equal(found[name], expected[name]), name


def test_an_empty_field_and_lengths():
    field = AnnotationField(OVERLAP)
    assert (len(field), len(field.empty_field())) == (4, 0)


def test_the_readable_form_is_as_in_the_sentence():
    readable = AnnotationField(OVERLAP).human_readable_repr()
    assert len(readable["entities"]) == 4
    assert readable["relations"][2] == {"type": "Before", "head": 3, "tail": 1}
