"""Relations between concepts, counted by hand."""

import pytest

from joint_ner_re.corpora import pubtator, read_corpus
from joint_ner_re.corpora.annotations import ConceptLink, Document, Mention
from joint_ner_re.metrics.concepts import score_concepts
from joint_ner_re.sentence import Entity, Relation, Sentence

TEXT = "Nervelin harms. It harms livers; Nervelin and Dolin harm."
MENTIONS = [
    Mention(1, "Drug", 0, 8, concepts=["D1"]),
    Mention(1, "Part", 25, 31, concepts=["P1"]),
    Mention(1, "Drug", 33, 41, concepts=["D1"]),
    Mention(1, "Drug", 46, 51, concepts=["D2|D3"]),
]
GOLD = Document("a", 1, "a", TEXT, MENTIONS, [], [
    ConceptLink(1, "Harms", "D1", "P1"), ConceptLink(1, "With", "D1", "D3"),
    ConceptLink(1, "Harms", "D3", "P1"),
])  # fmt: skip
SPANS = [(0, 8), (25, 31), (33, 41), (46, 51), (9, 14)]


def predicted(*relations):
    """A sentence of the document, with an entity for each of `SPANS` in the text's order."""
    spans = sorted(SPANS)
    entities = [Entity("X", number, number + 1) for number in range(len(spans))]
    tokens = [TEXT[begin:end] for begin, end in spans]
    links = [Relation(t, spans.index(SPANS[h]), spans.index(SPANS[u])) for t, h, u in relations]
    return Sentence(tokens, entities, links, "a", TEXT, spans)


def scores(*relations, symmetric=()):
    found = score_concepts([GOLD], [predicted(*relations)], symmetric)
    return found["precision"], found["recall"]


def test_a_pair_of_concepts_counts_once_wherever_it_was_found():
    # Both mentions of D1 with P1: one relation, right. Three are gold.
    assert scores(("Harms", 0, 1), ("Harms", 2, 1)) == (1, pytest.approx(1 / 3))


def test_a_mention_of_several_concepts_names_each():
    assert scores(("With", 0, 3), ("Harms", 3, 1)) == (1, pytest.approx(2 / 3))


def test_what_gold_does_not_have_is_wrong():
    # A mention that is none, a type that is wrong, and a direction that is wrong.
    assert scores(("Harms", 4, 1), ("With", 0, 1), ("Harms", 1, 0), ("Harms", 0, 1)) == (
        0.25, pytest.approx(1 / 3),
    )  # fmt: skip


def test_direction_may_not_matter():
    assert scores(("Harms", 1, 0)) == (0, 0)
    assert scores(("Harms", 1, 0), ("Harms", 0, 1), symmetric=["Harms"]) == (
        1, pytest.approx(1 / 3),
    )  # fmt: skip


def test_types_have_their_own_scores():
    found = score_concepts([GOLD], [predicted(("Harms", 0, 1), ("With", 0, 1))])
    assert {name: values["f1"] for name, values in found["per_type"].items()} == {
        "Harms": pytest.approx(2 / 3), "With": 0,
    }  # fmt: skip
    assert found["per_type"]["Harms"]["support"] == 2


@pytest.mark.parametrize("unit", ["sentence", 2, "document"])
def test_gold_read_with_all_pairs_finds_all_that_the_unit_holds(fixtures, unit):
    path = fixtures / "tools/pubtator.txt"
    sentences = list(read_corpus(path, unit=unit, concept_relations="all"))
    found = score_concepts(pubtator.documents(path), sentences)
    assert found["precision"] == 1
    if unit == "document":
        # Without those of a concept that no mention names.
        named = sum(values["support"] for values in found["per_type"].values())
        assert found["recall"] > 0.5 and named


def test_predictions_of_other_documents_are_refused():
    with pytest.raises(ValueError, match="'b' is of no gold document; expected an id such as 'a'"):
        score_concepts([GOLD], [Sentence(["x"], id="b")])
    with pytest.raises(ValueError, match="two gold documents have the id 'a'"):
        score_concepts([GOLD, GOLD], [])
