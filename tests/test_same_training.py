"""The same seed gives the same weights, metrics and predictions, with several threads, too."""

import json
from itertools import islice

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.models import load_archive
from torch.nn import functional as F

from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.predictors import JointPredictor

# Batches of so many tokens that PyTorch shares their gradients out among threads, and the parts
# of the model that look values up by their places.
LARGE = {
    "dataset_reader.type": "joint_ner_re",
    "data_loader.batch_sampler.batch_size": 60,
    "model.relation_scorer.pair_layer": {"hidden_size": 64},
}


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def train(fixtures, in_root, tmp_path):
    """Trains in a directory of this name; returns the last weights, metrics and predictions."""
    sentences = list(islice(read_corpus(fixtures / "sample" / "train.jsonl"), 60))
    corpus = str(tmp_path / "corpus.jsonl")
    write_corpus(sentences, corpus, "jsonl")
    data = {"train_data_path": corpus, "validation_data_path": corpus}

    def trained(name):
        run = tmp_path / name
        train_model(Params.from_file(fixtures / "tiny.jsonnet", {**LARGE, **data}), run)
        metrics = [
            {
                name: value
                for name, value in json.loads(path.read_text()).items()
                if not name.endswith(("_MB", "duration", "seconds"))
            }
            for path in sorted(run.glob("metrics_epoch_*.json"))
        ]
        archive = load_archive(run)
        predictor = JointPredictor(archive.model, archive.validation_dataset_reader)
        predictions = predictor.predict_sentences(sentences)
        return torch.load(run / "model_state_e2_b0.th"), metrics, predictions

    return trained


def test_two_trainings_with_one_seed_are_one(threads, train):
    (first, metrics, predictions), (second, *others) = train("first"), train("second")
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert [metrics, predictions] == others
    assert metrics[0]["training_loss"] != metrics[1]["training_loss"]
    assert any(sentence.entities for sentence in predictions)


def test_a_gradient_of_looked_up_values_does_not_depend_on_the_threads(threads):
    """What the model uses for it. `values[places]` differs from call to call with two threads."""
    torch.manual_seed(1)
    places, values, slopes = torch.randint(0, 60, (900,)), torch.randn(60, 64), torch.randn(900, 64)
    gradients = []
    for _ in range(20):
        leaf = values.clone().requires_grad_()
        F.embedding(places, leaf).backward(slopes)
        gradients.append(leaf.grad)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
