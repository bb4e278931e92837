"""The stock assembly computes what the shipped model computes: only then is its time a measure."""

import copy
from itertools import permutations

import pytest
import torch
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model
from prepared import KEPT, Setup, configuration, labelled, make_batches, without_tags
from stock import StockModel
from torch.testing import assert_close

from joint_ner_re.modules import EntitySpans
from joint_ner_re.sentence import Entity, Relation, Sentence

SENTENCES = [
    Sentence(
        ["Lithium", "caused", "a", "fine", "tremor", "."],
        [Entity("Drug", 0, 1), Entity("Effect", 3, 5)],
        [Relation("Causes", 0, 1)],
    ),
    Sentence(
        ["rash", "naproxen", "lithium"],
        [Entity("Effect", 0, 1), Entity("Drug", 1, 2), Entity("Drug", 2, 3)],
        [Relation("Causes", 1, 0), Relation("Before", 1, 2)],
    ),
    Sentence(["tremor"], [Entity("Effect", 0, 1)]),
    Sentence(["nothing", "happened"]),
]


def make(cell, with_encoder):
    """A small shipped model, its stock assembly, and a batch for both."""
    torch.manual_seed(0)
    params = configuration(Setup("", "", hidden_size=8), cell, KEPT)
    if not with_encoder:
        del params["dataset_reader"]["token_indexers"].params["contextual"]
        del params["model"]["text_field_embedder"]["token_embedders"].params["contextual"]
    reader = DatasetReader.from_params(params["dataset_reader"])
    instances = [labelled(reader, sentence) for sentence in SENTENCES]
    vocabulary = Vocabulary.from_instances(instances)
    shipped = Model.from_params(vocab=vocabulary, params=params["model"]).eval()
    (batch,) = make_batches(reader, shipped, SENTENCES, len(SENTENCES), "cpu")
    return shipped, StockModel(shipped).eval(), batch


@pytest.fixture(params=["lstm", "gru"])
def both(request, few_threads):
    # The encoder is the same on both sides; without it the tests are quick.
    return make(request.param, with_encoder=False)


def encode_shipped(shipped, batch):
    mask = shipped._mask([len(fields["sentence"].tokens) for fields in batch["metadata"]])
    encoded = shipped.encoder(shipped.text_field_embedder(batch["tokens"]), mask)
    return mask, shipped.entity_finder.levels[0].scorer(encoded["ner"]), encoded["relation"]


def test_same_tag_scores_and_states(both):
    shipped, stock, batch = both
    with torch.no_grad():
        mask, scores, states = encode_shipped(shipped, batch)
        encoded = stock.encode(batch["tokens"])
    assert torch.equal(mask, encoded.mask)
    assert_close(encoded.tag_scores[mask], scores[mask], atol=1e-4, rtol=0)
    assert_close(encoded.states[mask], states[mask], atol=1e-4, rtol=0)


def test_same_with_the_encoder(few_threads):
    """AllenNLP finds the mask among the indexers' tensors: it must not be that of the pieces."""
    test_same_tag_scores_and_states(make("lstm", with_encoder=True))


def test_same_likelihood_and_tags(both):
    shipped, stock, batch = both
    with torch.no_grad():
        mask, scores, _ = encode_shipped(shipped, batch)
        expected = shipped.entity_finder.levels[0].crf.log_likelihood(scores, mask, batch["tags"])
        found = stock.crf(scores, batch["tags"], mask)
        paths = [path for path, _ in stock.crf.viterbi_tags(scores, mask)]
        tags = shipped.entity_finder.levels[0].crf.viterbi(scores, mask)
    assert_close(found, expected.sum(), atol=1e-4, rtol=0)
    assert paths == [row[real].tolist() for row, real in zip(tags, mask)]


def test_same_relation_logits(both):
    shipped, stock, batch = both
    annotation, tags = batch["annotation"], batch["tags"]
    gold = EntitySpans.gold(annotation)
    pairs = 0
    with torch.no_grad():
        _, _, states = encode_shipped(shipped, batch)
        expected = shipped.relation_scorer(states, tags.gather(1, gold.lasts), gold)
        for row, sentence in enumerate(SENTENCES):
            count = len(sentence.entities)
            logits = stock.pairs(states[row], tags[row], gold.lasts[row, :count])
            assert list(logits) == list(permutations(range(count), 2))
            for (head, tail), scores in logits.items():
                assert_close(scores, expected[row, head, tail], atol=1e-4, rtol=0)
                pairs += 1
    assert pairs == 2 + 6


def test_same_loss_and_gradient(both):
    shipped, stock, batch = both
    expected = shipped(**without_tags(batch))["loss"]
    found = stock(**batch)["loss"]
    assert_close(found, expected, atol=1e-4, rtol=1e-5)
    expected.backward()
    found.backward()
    assert_close(
        stock.pairs.distmult.grad, shipped.relation_scorer.distmult.grad, atol=1e-4, rtol=1e-4
    )


def test_same_predictions(both):
    shipped, stock, batch = both
    with torch.no_grad():
        expected = shipped(**without_tags(batch))["sentences"]
        found = stock(**batch)["sentences"]
    for one, other in zip(found, expected):
        assert [e.key for e in one.entities] == [e.key for e in other.entities]
        assert {(r.type, r.head, r.tail) for r in one.relations} == {
            (r.type, r.head, r.tail) for r in other.relations
        }


def test_the_shipped_model_stays_as_it_is(both):
    shipped, stock, batch = both
    before = copy.deepcopy(shipped.state_dict())
    stock.train()
    stock(**batch)["loss"].backward()
    assert all(torch.equal(before[name], value) for name, value in shipped.state_dict().items())
    assert all(parameter.grad is None for parameter in shipped.parameters())
