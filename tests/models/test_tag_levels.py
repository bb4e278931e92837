"""Entities that overlap, on several levels of tags."""

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch

from joint_ner_re.sentence import Entity, Relation, Sentence

DRUG, EFFECT = "Drug", "Effect"
# "lithium" is in "lithium toxicity".
NESTED = Sentence(
    ["Acute", "lithium", "toxicity", "after", "naproxen"],
    [Entity(EFFECT, 1, 3), Entity(DRUG, 1, 2), Entity(DRUG, 4, 5)],
    [Relation("Causes", 1, 0), Relation("Causes", 2, 0)],
    id="nested",
)
FLAT = Sentence(
    ["naproxen", "caused", "tremor"],
    [Entity(DRUG, 0, 1), Entity(EFFECT, 2, 3)],
    [Relation("Causes", 0, 1)],
    id="flat",
)
NONE = Sentence(["Nothing", "happened"], id="none")
CORPUS = [NESTED, FLAT, NONE]
OUTER = ["O", "B-Effect", "L-Effect", "O", "U-Drug"]
INNER = ["O", "U-Drug", "O", "O", "O"]


@pytest.fixture
def two_levels(make):
    return make(CORPUS, {"model.entity_finder.tag_levels": 2, "model.relation_threshold": 0.0})


def batch_of(made, *indices):
    batch = Batch([made.instances[index] for index in indices])
    batch.index_instances(made.vocab)
    return batch.as_tensor_dict()


def numbers(model, tags):
    return torch.tensor([[model.entity_finder.codec.tags.index(tag) for tag in tags]])


def predict_tags(monkeypatch, model, *levels):
    """Has the model decode these tags, given by name, whatever its scores."""
    for level, tags in zip(model.entity_finder.levels, levels):
        found = numbers(model, tags)
        monkeypatch.setattr(level.crf, "viterbi", lambda scores, mask, found=found: found)


def outputs(modules, action):
    """What each of the modules returned while `action` ran, and its inputs; and what that did."""
    calls = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, output: calls.append((inputs, output)))
        for module in modules
    ]
    try:
        return calls, action()
    finally:
        for hook in hooks:
            hook.remove()


def test_each_level_has_weights_of_its_own(make):
    option = "model.entity_finder.tag_levels"
    one, three = (make(CORPUS, {option: number}).model for number in (1, 3))

    def count(model):
        return sum(parameter.numel() for parameter in model.parameters())

    level = sum(p.numel() for p in one.entity_finder.levels.parameters())
    assert count(three) - count(one) == 2 * level
    # What a model without levels has saved is found again.
    assert set(one.state_dict()) < set(three.state_dict())


def test_the_loss_is_the_sum_of_all_levels(two_levels):
    model = two_levels.model.eval()
    batch = batch_of(two_levels, 0)
    scorers = [level.scorer for level in model.entity_finder.levels]
    calls, _ = outputs(scorers, lambda: model(**batch))
    mask = torch.ones(1, 5, dtype=torch.bool)
    expected = [
        -float(level.crf.log_likelihood(scores, mask, numbers(model, tags)))
        for level, (_, scores), tags in zip(model.entity_finder.levels, calls, [OUTER, INNER])
    ]
    assert len(expected) == 2 and expected[0] != expected[1]
    assert model.get_metrics()["ner_loss"] == pytest.approx(sum(expected), rel=1e-5)


def test_further_levels_begin_with_hardly_any_entity(make):
    model = make(CORPUS, {"model.entity_finder.tag_levels": 3}).model
    scorers = [level.scorer.eval() for level in model.entity_finder.levels]
    states = torch.randn(50, 20, scorers[0].hidden.in_features)
    outside = [scorer(states).softmax(dim=2)[:, :, 0].mean() for scorer in scorers]
    assert outside[0] < 0.5 and min(outside[1:]) > 0.95


def test_with_one_level_what_it_cannot_hold_is_in_no_loss(make):
    made = make([*CORPUS, NESTED.without([1])])
    found = []
    for index in (0, 3):
        model = made.model.eval()
        model(**batch_of(made, index))
        found.append(model.get_metrics(reset=True))
    for name in ("ner_loss", "relation_loss"):
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-5)
    assert (found[0]["entity_support/Drug"], found[1]["entity_support/Drug"]) == (2, 1)


def test_relations_in_the_loss_have_the_tags_of_their_levels(two_levels):
    model = two_levels.model.eval()
    calls, _ = outputs([model.relation_scorer], lambda: model(**batch_of(two_levels, 0)))
    _, tags, spans = calls[0][0]
    assert spans.mask.tolist() == [[True] * 3]
    assert spans.starts.tolist() == [[1, 4, 1]] and spans.ends.tolist() == [[3, 5, 2]]
    names = [model.entity_finder.codec.tags[tag] for tag in tags[0]]
    assert names == ["L-Effect", "U-Drug", "U-Drug"]


def test_entities_of_all_levels_are_predicted_in_the_order_of_the_sentence(two_levels, monkeypatch):
    model = two_levels.model.eval()
    predict_tags(monkeypatch, model, OUTER, INNER)
    scorers = [level.scorer for level in model.entity_finder.levels]
    calls, output = outputs(scorers, lambda: model(**batch_of(two_levels, 0)))
    (sentence,) = output["sentences"]
    assert [e.key for e in sentence.entities] == [(EFFECT, 1, 3), (DRUG, 1, 2), (DRUG, 4, 5)]
    # Each has its own level's probability.
    mask = torch.ones(1, 5, dtype=torch.bool)
    expected = []
    for level, tags, start, end in ((0, OUTER, 1, 3), (1, INNER, 1, 2), (0, OUTER, 4, 5)):
        crf = model.entity_finder.levels[level].crf
        span = torch.tensor([[start]]), torch.tensor([[end]])
        scores = calls[level][1]
        expected.append(crf.span_probabilities(scores, mask, numbers(model, tags), *span).item())
    assert [e.score for e in sentence.entities] == pytest.approx(expected, abs=1e-6)
    # With a threshold of 0, all ordered pairs of the three.
    assert len(sentence.relations) == 6
    assert model.get_metrics()["entity_f1"] == 1


def test_relations_point_to_the_entities_they_were_scored_for(two_levels, monkeypatch):
    model = two_levels.model.eval()
    predict_tags(monkeypatch, model, OUTER, INNER)
    calls, output = outputs([model.relation_scorer], lambda: model(**batch_of(two_levels, 0)))
    # The loss's call has gold entities by level: effect, naproxen, lithium.
    logits = calls[0][1][0, :, :, 0]
    gold = {(EFFECT, 1, 3): 0, (DRUG, 4, 5): 1, (DRUG, 1, 2): 2}
    (sentence,) = output["sentences"]
    for relation in sentence.relations:
        head, tail = (gold[sentence.entities[i].key] for i in (relation.head, relation.tail))
        assert relation.score == pytest.approx(logits[head, tail].sigmoid().item(), abs=1e-5)


def test_an_entity_that_two_levels_find_is_one_entity(two_levels, monkeypatch):
    model = two_levels.model.eval()
    inner = ["O", "U-Drug", "O", "O", "U-Drug"]
    predict_tags(monkeypatch, model, OUTER, inner)
    (sentence,) = model(**batch_of(two_levels, 0))["sentences"]
    assert [e.key for e in sentence.entities] == [(EFFECT, 1, 3), (DRUG, 1, 2), (DRUG, 4, 5)]
    assert len({(r.head, r.tail) for r in sentence.relations}) == len(sentence.relations) == 6
    # The same span with another type is another entity.
    predict_tags(monkeypatch, model, OUTER, ["O"] * 4 + ["U-Effect"])
    (sentence,) = model(**batch_of(two_levels, 0))["sentences"]
    assert [e.key for e in sentence.entities] == [(EFFECT, 1, 3), (DRUG, 4, 5), (EFFECT, 4, 5)]


def test_wrong_entities_of_all_levels_are_met_in_training(make, monkeypatch):
    made = make(CORPUS, {"model.entity_finder.tag_levels": 2, "model.spurious_entities": 1.0})
    model = made.model.train()
    # Right on the other level; wrong; and the wrong type.
    predict_tags(
        monkeypatch, model, ["O", "U-Drug", "O", "O", "O"], ["O", "U-Drug"] + ["U-Effect"] * 3
    )
    calls, _ = outputs([model.relation_scorer], lambda: model(**batch_of(made, 0)))
    _, tags, spans = calls[0][0]
    real = spans.mask[0]
    found = [
        (start, end, model.entity_finder.codec.tags[tag])
        for start, end, tag in zip(*(t[0][real].tolist() for t in (spans.starts, spans.ends, tags)))
    ]
    gold = [(1, 3, "L-Effect"), (4, 5, "U-Drug"), (1, 2, "U-Drug")]
    wrong = [(place, place + 1, "U-Effect") for place in (2, 3, 4)]
    assert found == gold + wrong


@pytest.mark.parametrize("indices", [[0], [1], [2], [0, 2], [2, 2]])
def test_every_kind_of_batch_has_finite_gradients_and_predictions(two_levels, indices):
    model = two_levels.model.train()
    loss = model(**batch_of(two_levels, *indices))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    instances = [two_levels.instances[index] for index in indices]
    assert len(model.predict(instances)) == len(indices)


def test_what_overlaps_is_learned(two_levels):
    """Two levels learn a corpus by heart that one level cannot hold."""
    model = two_levels.model.train()
    model.relation_threshold = 0.5
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    batch = batch_of(two_levels, 0, 1, 2)
    for _ in range(150):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.eval()
    model.get_metrics(reset=True)
    model(**batch)
    found = model.get_metrics(reset=True)
    assert (found["entity_f1"], found["relation_f1"]) == (1, 1)


@pytest.mark.parametrize("number", [0, -1, 11])
def test_an_impossible_number_of_levels_is_an_error(make, number):
    with pytest.raises(ConfigurationError, match=f"tag_levels is {number}; expected 1 to 10"):
        make(CORPUS, {"model.entity_finder.tag_levels": number})
