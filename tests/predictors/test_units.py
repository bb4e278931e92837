"""Prediction with more than a sentence as one sequence, and with relations without a direction."""

from itertools import combinations

import pytest
import spacy
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.predictors import Predictor

from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.metrics import score
from joint_ner_re.sentence import Entity, Relation, Sentence

TEXT = "Ada Marek lives in Kesh. Hart shot Pell in Lisgard. Brod Mining is in Kesh, said Hart."


def loaded(archive, **options):
    """The tiny model with options of the reader, predicting each relation for each pair."""
    overrides = {f"dataset_reader.{name}": value for name, value in options.items()}
    overrides = Params(overrides).params
    predictor = Predictor.from_path(str(archive), import_plugins=False, overrides=overrides)
    predictor._model.relation_threshold = 0.0
    return predictor


def pairs_of_sentences(output):
    """The numbers of the sentences that relations link."""

    def number(entity):
        start = output["entities"][entity]["start"]
        return next(i for i, (a, b) in enumerate(output["sentences"]) if a <= start < b)

    return {tuple(sorted((number(r["head"]), number(r["tail"])))) for r in output["relations"]}


@pytest.mark.parametrize(
    "unit, linked",
    [
        ("sentence", {(0, 0), (1, 1), (2, 2)}),
        (2, {(0, 0), (0, 1), (1, 1), (2, 2)}),
        ("document", {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}),
    ],
)
def test_relations_may_link_what_is_in_one_unit(tiny_archive, unit, linked):
    output = loaded(tiny_archive, unit=unit).predict_json({"text": TEXT})
    assert pairs_of_sentences(output) == linked
    # The sentences are named as before, and so are places in the text.
    assert output["sentences"] == [[0, 6], [6, 12], [12, 21]]
    for entity in output["entities"]:
        assert TEXT[entity["char_start"] : entity["char_end"]] == entity["text"]


def test_spacy_reads_the_same_units(tiny_archive):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    component = nlp.add_pipe("joint_ner_re", config={"archive": str(tiny_archive)})
    component._predictor = loaded(tiny_archive, unit="document")
    doc = nlp(TEXT)
    expected = component.predictor.predict_json({"text": TEXT})
    assert [(e.start_char, e.end_char) for e in doc.ents] == [
        (e["char_start"], e["char_end"]) for e in expected["entities"]
    ]
    assert len(doc._.relations) == len(expected["relations"])


def test_a_relation_without_direction_is_predicted_once(tiny_archive):
    directed = loaded(tiny_archive).predict_json({"sentence": TEXT})
    types = {relation["type"] for relation in directed["relations"]}
    some = sorted(types)[0]
    output = loaded(tiny_archive, symmetric=[some]).predict_json({"sentence": TEXT})
    found = [(r["head"], r["tail"]) for r in output["relations"] if r["type"] == some]
    assert sorted(found) == list(combinations(range(len(output["entities"])), 2))
    best = {
        frozenset((r["head"], r["tail"])): max(
            other["score"]
            for other in directed["relations"]
            if other["type"] == some and {other["head"], other["tail"]} == {r["head"], r["tail"]}
        )
        for r in directed["relations"]
    }
    assert {frozenset((r["head"], r["tail"])): r["score"] for r in output["relations"]
            if r["type"] == some} == pytest.approx(best, abs=1e-5)  # fmt: skip


def test_scores_take_either_order():
    entities = [Entity("X", 0, 1), Entity("X", 1, 2)]
    gold = Sentence(["a", "b"], entities, [Relation("R", 0, 1), Relation("S", 0, 1)])
    guess = Sentence(["a", "b"], entities, [Relation("R", 1, 0), Relation("S", 1, 0)])
    assert score([gold], [guess])["relation_f1"] == 0
    assert score([gold], [guess], symmetric=["R"])["relation_f1"] == 0.5
    assert score([gold], [guess], symmetric=["R", "S"])["relation_f1"] == 1


def test_the_reader_hands_its_options_on(tmp_path, caplog):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"tokens": ["A", "B"], "entities": [{"type": "Old", "start": 0, "end": 1},'
        '{"type": "Old", "start": 1, "end": 2}], "relations": [{"type": "R", "head": 1, '
        '"tail": 0}]}\n'
        '{"tokens": "no list"}\n'
    )
    reader = JointReader(labels={"Old": "New"}, symmetric=["R"], on_error="skip")
    (instance,) = reader.read(str(path))
    sentence = instance["metadata"]["sentence"]
    assert [entity.type for entity in sentence.entities] == ["New", "New"]
    assert sentence.relations == (Relation("R", 0, 1),)
    assert "a.jsonl:2" in caplog.text and "errors that were skipped: 1" in caplog.text
    with pytest.raises(ValueError, match="a.jsonl:2"):
        list(JointReader().read(str(path)))


@pytest.mark.parametrize(
    "options", [{"unit": "page"}, {"labels": {"a": ""}}, {"on_error": "ignore"}, {"unit": 0}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigurationError, match="expected"):
        JointReader(**options)
