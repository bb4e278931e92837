"""One threshold for all relation types, or one for each."""

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.predictors import JointPredictor
from joint_ner_re.sentence import Entity, Relation, Sentence

TYPES = ["Live_In", "Work_For"]


@pytest.fixture
def corpus():
    entities = [Entity("Peop", 0, 1), Entity("Loc", 1, 2)]
    relations = [Relation(name, 0, 1) for name in TYPES]
    return [Sentence(["Ada", "Kesh"], entities, relations)] * 2


def predicted(made):
    (first, _) = made.model.predict(made.instances)
    return first


def test_each_type_has_its_threshold(make, corpus):
    everything = predicted(make(corpus, {"model.relation_threshold": 0.0}))
    scores = {}
    for relation in everything.relations:
        scores.setdefault(relation.type, []).append(relation.score)
    assert sorted(scores) == TYPES
    limits = {"Live_In": min(scores["Live_In"]) - 1e-5, "Work_For": max(scores["Work_For"]) + 1e-5}
    kept = predicted(make(corpus, {"model.relation_threshold": limits}))
    assert [r for r in everything.relations if r.type == "Live_In"] == list(kept.relations)


def test_an_integer_is_a_number(make, corpus):
    assert make(corpus, {"model.relation_threshold": 1}).model.relation_threshold == 1


@pytest.mark.parametrize(
    "threshold, message",
    [
        ({"Live_In": 0.5}, "relation_threshold lacks 'Work_For'; expected one number, or one for"),
        ({"Live_In": 0.5, "Work_For": 0.5, "Kill": 0.1}, "has the unknown 'Kill'; expected"),
        ({"Live_In": 0.5, "Work_For": 1.5}, "relation_threshold of 'Work_For' is 1.5; expected 0"),
        (1.5, "relation_threshold is 1.5; expected 0 to 1"),
    ],
)
def test_an_impossible_threshold_is_an_error(make, corpus, threshold, message):
    with pytest.raises(ConfigurationError) as error:
        make(corpus, {"model.relation_threshold": threshold})
    assert message in str(error.value)


@pytest.mark.parametrize("threshold", [1.5, {"Live_In": 0.5}])
def test_an_impossible_threshold_cannot_be_set_later(make, corpus, threshold):
    made = make(corpus, {"model.relation_threshold": 0.25})
    predictor = JointPredictor(made.model, made.reader)
    for owner in (made.model, predictor):
        with pytest.raises(ConfigurationError, match="relation_threshold"):
            owner.relation_threshold = threshold
    assert made.model.relation_threshold == predictor.relation_threshold == 0.25
    predictor.relation_threshold = {"Live_In": 0.5, "Work_For": 1}
    assert made.model.relation_threshold == {"Live_In": 0.5, "Work_For": 1}
