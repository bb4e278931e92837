"""What the probability of a relation says: of the pair alone, or of its entities, too."""

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch

from joint_ner_re.models import joint_model
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.sentence import Entity, Relation, Sentence

SHOT = Sentence(
    ["Ada", "shot", "Oleg", "in", "Kesh"],
    [Entity("Peop", 0, 1), Entity("Peop", 2, 3), Entity("Loc", 4, 5)],
    [Relation("Kill", 0, 1), Relation("Live_In", 0, 2)],
)
SHORT = Sentence(["Kesh", "Ada"], [Entity("Loc", 0, 1), Entity("Peop", 1, 2)])
READER = {"dataset_reader.type": "joint_ner_re"}


def predictions(make, value, threshold, sentences=(SHOT, SHORT)):
    made = make(
        list(sentences),
        {**READER, "model.relation_probability": value, "model.relation_threshold": threshold},
    )
    return made.model.predict(made.instances)


def by_relation(sentence):
    return {(r.type, r.head, r.tail): r.score for r in sentence.relations}


@pytest.mark.parametrize("scores_at_once", [1, 4_000_000])
def test_the_whole_has_the_product_of_all_three(make, monkeypatch, scores_at_once):
    monkeypatch.setattr(joint_model, "MAX_SCORES_AT_ONCE", scores_at_once)
    pairs, wholes = (predictions(make, value, 0.0) for value in ("pair", "whole"))
    assert sum(len(sentence.relations) for sentence in pairs) >= 4
    for pair, whole in zip(pairs, wholes):
        assert whole.entities == pair.entities
        certain = [entity.score for entity in pair.entities]
        expected = {
            (kind, head, tail): score * certain[head] * certain[tail]
            for (kind, head, tail), score in by_relation(pair).items()
        }
        # Scores are rounded to six digits.
        assert by_relation(whole) == pytest.approx(expected, abs=3e-6)


def test_the_threshold_is_of_that_probability(make):
    every = predictions(make, "whole", 0.0)
    scores = sorted(score for sentence in every for score in by_relation(sentence).values())
    threshold = (scores[len(scores) // 2] + scores[len(scores) // 2 - 1]) / 2
    found = predictions(make, "whole", threshold)
    assert [by_relation(sentence) for sentence in found] == [
        {triple: score for triple, score in by_relation(sentence).items() if score >= threshold}
        for sentence in every
    ]
    assert 0 < sum(len(sentence.relations) for sentence in found) < len(scores)


def test_given_entities_are_certain(make):
    found = []
    for value in ("pair", "whole"):
        made = make([SHOT], {**READER, "model.relation_probability": value,
                             "model.relation_threshold": 0.0})  # fmt: skip
        given = [{"type": e.type, "start": e.start, "end": e.end} for e in SHOT.entities]
        predictor = JointPredictor(made.model, made.reader)
        found.append(predictor.relate_json([({"tokens": list(SHOT.tokens)}, given)]))
    assert found[0] == found[1] and len(found[0][0]["relations"]) == 12


def test_the_loss_stays_the_same(make):
    losses = []
    for value in ("pair", "whole"):
        made = make([SHOT, SHORT], {**READER, "model.relation_probability": value})
        made.model.eval()
        batch = Batch(made.instances)
        batch.index_instances(made.vocab)
        losses.append(made.model(**batch.as_tensor_dict())["loss"].item())
    assert losses[0] == losses[1]


def test_another_value_is_named(make):
    with pytest.raises(ConfigurationError, match="relation_probability is 'all'; expected one of"):
        make([SHOT], {**READER, "model.relation_probability": "all"})
