"""Which entity types a relation type may connect: all, or those of the training data."""

import importlib.util
from itertools import permutations

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch
from allennlp.models import load_archive

from joint_ner_re.labels import SIGNATURE_NAMESPACE
from joint_ner_re.models import joint_model
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.sentence import Entity, Relation, Sentence

# Ada shoots Oleg, and lives in Kesh; the Navy is related to nothing.
SHOT = Sentence(
    ["Ada", "shot", "Oleg", "in", "Kesh", "Navy"],
    [Entity("Peop", 0, 1), Entity("Peop", 2, 3), Entity("Loc", 4, 5), Entity("Org", 5, 6)],
    [Relation("Kill", 0, 1), Relation("Live_In", 0, 2)],
)
# What the model may predict there: people kill people, and live in locations.
POSSIBLE = {("Kill", 0, 1), ("Kill", 1, 0), ("Live_In", 0, 2), ("Live_In", 1, 2)}
# In another order, in a batch with the other sentence.
KESH = Sentence(["Kesh", "Ada"], [Entity("Loc", 0, 1), Entity("Peop", 1, 2)])
SEEN = {"dataset_reader.type": "joint_ner_re", "model.relation_arguments": "seen"}


def found(sentence):
    triples = [(r.type, r.head, r.tail) for r in sentence.relations]
    assert len(triples) == len(set(triples))
    return set(triples)


def all_of(sentence, types=("Kill", "Live_In")):
    pairs = permutations(range(len(sentence.entities)), 2)
    return {(name, *pair) for pair in pairs for name in types}


def sure(model):
    """Every relation gets a probability of 1 (in single precision)."""
    model.relation_scorer.output.bias.data.fill_(60.0)
    return model


def find_gold(monkeypatch, made):
    """Has the model find the sentences' own entities."""
    batch = Batch(made.instances)
    batch.index_instances(made.vocab)
    gold = joint_model.EntitySpans.gold(batch.as_tensor_dict()["annotation"])
    monkeypatch.setattr(made.model.entity_finder, "find", lambda *_: gold)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("scores_at_once", [1, 4_000_000])
def test_exactly_the_possible_relations_remain(make, monkeypatch, threshold, scores_at_once):
    monkeypatch.setattr(joint_model, "MAX_SCORES_AT_ONCE", scores_at_once)
    for value, expected in (
        ("any", [all_of(KESH), all_of(SHOT)]),
        ("seen", [{("Live_In", 1, 0)}, POSSIBLE]),
    ):
        made = make(
            [KESH, SHOT],
            {**SEEN, "model.relation_arguments": value, "model.relation_threshold": threshold},
        )
        sure(made.model)
        find_gold(monkeypatch, made)
        assert list(map(found, made.model.predict(made.instances))) == expected
        # Between given entities.
        predictor = JointPredictor(made.model, made.reader)
        assert list(map(found, predictor.relate_sentences([KESH, SHOT]))) == expected


def test_a_model_that_is_not_sure_predicts_them_with_the_scores_that_it_had(make):
    given = [KESH, SHOT]
    scores = []
    for value in ("any", "seen"):
        made = make(
            given, {**SEEN, "model.relation_arguments": value, "model.relation_threshold": 0.0}
        )
        related = JointPredictor(made.model, made.reader).relate_sentences(given)
        scores.append(
            {
                (n, r.type, r.head, r.tail): r.score
                for n, s in enumerate(related)
                for r in s.relations
            }
        )
    assert len(scores[1]) == 1 + len(POSSIBLE) and len(scores[0]) == 2 * 2 + 2 * 12
    assert scores[1].items() <= scores[0].items()


@pytest.mark.parametrize("value, predicted", [("any", 2 * 12), ("seen", len(POSSIBLE))])
def test_the_reported_scores_are_those_of_the_possible_relations(
    make, monkeypatch, value, predicted
):
    made = make([SHOT], {**SEEN, "model.relation_arguments": value})
    sure(made.model).eval()
    find_gold(monkeypatch, made)
    made.model.forward_on_instances(made.instances)
    metrics = made.model.get_metrics(reset=True)
    # Both gold relations are found.
    assert metrics["relation_recall"] == 1
    assert metrics["relation_precision"] == pytest.approx(2 / predicted)


def test_the_limit_counts_the_possible_relations(make, monkeypatch, caplog):
    made = make([SHOT], {**SEEN, "model.most_relations": len(POSSIBLE)})
    find_gold(monkeypatch, made)
    assert found(sure(made.model).predict(made.instances)[0]) == POSSIBLE
    assert "were left out" not in caplog.text


def test_the_loss_is_the_same_for_both(make):
    losses = []
    for value in ("any", "seen"):
        made = make([SHOT, KESH], {**SEEN, "model.relation_arguments": value})
        batch = Batch(made.instances)
        batch.index_instances(made.vocab)
        made.model.train()
        torch.manual_seed(3)
        losses.append(made.model(**batch.as_tensor_dict())["loss"].item())
    assert losses[0] == losses[1] > 0


NEAR = Sentence(
    ["Kesh", "Navy"], [Entity("Loc", 0, 1), Entity("Org", 1, 2)], [Relation("Near", 1, 0)]
)
# The other way round.
GIVEN = Sentence(["Navy", "Kesh"], [Entity("Org", 0, 1), Entity("Loc", 1, 2)])


def test_a_symmetric_type_connects_both_orders(make, monkeypatch):
    # As training teaches it: sure of relations from the entity that stands first, and of no others.
    forward = torch.tensor([[-60.0, 60.0], [-60.0, -60.0]]).unsqueeze(2)

    def related(symmetric):
        made = make([NEAR], {**SEEN, "dataset_reader.symmetric": symmetric})
        monkeypatch.setattr(
            made.model.relation_scorer, "score", lambda _, heads: forward[heads].repeat(2, 1, 1, 1)
        )
        predictor = JointPredictor(made.model, made.reader)
        return list(map(found, predictor.relate_sentences([NEAR, GIVEN])))

    # Whatever the types of the two.
    assert related(["Near"]) == [{("Near", 0, 1)}] * 2
    # From the Navy to Kesh alone.
    assert related([]) == [set(), {("Near", 0, 1)}]


def test_without_relations_there_is_nothing_to_know(make):
    made = make([KESH], {**SEEN, "model.relation_threshold": 0.0})
    assert found(made.model.predict(made.instances)[0]) == set()
    assert made.model.signatures == []


def test_training_data_that_the_vocabulary_does_not_know_are_an_error(make):
    made = make([SHOT], SEEN)
    other = Sentence(["Navy", "Ada"], [Entity("Org", 0, 1), Entity("Peop", 1, 2)])
    other = Sentence(other.tokens, other.entities, [Relation("Kill", 0, 1)], id="7")
    batch = Batch([made.reader.text_to_instance(other)])
    made.reader.apply_token_indexers(batch.instances[0])
    batch.index_instances(made.vocab)
    with pytest.raises(ConfigurationError, match="sentence '7': 'Kill' from 'Org' to 'Peop' is no"):
        made.model.train()(**batch.as_tensor_dict())
    # In evaluation it counts as missed.
    made.model.eval()(**batch.as_tensor_dict())
    assert made.model.get_metrics(reset=True)["relation_recall"] == 0


def test_the_value_is_checked(make):
    with pytest.raises(ConfigurationError, match="relation_arguments is 'all'; expected one of an"):
        make([SHOT], {**SEEN, "model.relation_arguments": "all"})


def test_an_archive_knows_what_its_training_data_connect(tiny_archive, in_root):
    overrides = {"model.relation_arguments": "seen", "model.relation_threshold": 0.0}
    archive = load_archive(tiny_archive, overrides=overrides)
    # fixtures/conll04_spert.json has 18 relations, all between these types.
    assert sorted(archive.model.signatures) == [
        ("Kill", "Peop", "Peop"),
        ("Live_In", "Peop", "Loc"),
        ("Located_In", "Loc", "Loc"),
        ("OrgBased_In", "Org", "Loc"),
        ("Work_For", "Peop", "Org"),
    ]
    predictor = JointPredictor(archive.model, archive.validation_dataset_reader)
    (related,) = predictor.relate_sentences([SHOT])
    assert found(related) == POSSIBLE | {
        ("Work_For", 0, 3),
        ("Work_For", 1, 3),
        ("OrgBased_In", 3, 2),
    }
    assert load_archive(tiny_archive).model.signatures is None


def test_an_archive_that_does_not_know_it_says_so(fixtures, tmp_path, few_threads):
    kept = fixtures / "archive_0.1.0"
    spec = importlib.util.spec_from_file_location("make", kept / "make.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.make(tmp_path / "model.tar.gz")
    assert not (kept / "vocabulary" / f"{SIGNATURE_NAMESPACE}.txt").exists()
    overrides = {"model.relation_arguments": "seen"}
    with pytest.raises(ConfigurationError, match="which entity types these .*: Causes, Has_Dose;"):
        load_archive(tmp_path / "model.tar.gz", overrides=overrides)
