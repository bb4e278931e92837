"""Two processes train the model that one trains, count what one counts, and leave nothing out."""

import json
import os
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.data import Batch, DataLoader
from allennlp.models import load_archive
from allennlp.training.util import evaluate

from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.metrics import WeightedMean
from joint_ner_re.sentence import Sentence
from joint_ner_re.training import BalancedDataLoader

TWO = {"distributed": {"cuda_devices": [-1, -1]}}
# Nothing random, and steps that show every difference between gradients.
PLAIN = {
    "trainer.optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9},
    "trainer.learning_rate_scheduler.warmup_steps": 2,
    "model.relation_scorer.dropout": 0.0,
    **{f"model.encoder.{name}.dropout": 0.0 for name in ("shared", "ner", "relation")},
}


@pytest.fixture(scope="module")
def train(root, tmp_path_factory, few_imports):
    """Trains with fixtures/tiny.jsonnet on these sentences; `None` takes a setting out."""

    def trained(sentences, validation, **change):
        directory = tmp_path_factory.mktemp("distributed")
        config = Params.from_file(root / "fixtures" / "tiny.jsonnet").as_dict()
        config["dataset_reader"]["type"] = "joint_ner_re"
        for name, value in change.items():
            *parents, last = name.split(".")
            part = reduce(dict.__getitem__, parents, config)
            part.update({last: value})
            if value is None:
                del part[last]
        for name, corpus in (("train", sentences), ("validation", validation)):
            config[f"{name}_data_path"] = str(directory / f"{name}.jsonl")
            write_corpus(corpus, config[f"{name}_data_path"], "jsonl")
        run = directory / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            train_model(Params(deepcopy(config)), run)
        return SimpleNamespace(
            archive=str(run / "model.tar.gz"),
            validation=config["validation_data_path"],
            epochs=[json.loads((run / f"metrics_epoch_{n}.json").read_text()) for n in range(2)],
            logs="".join(path.read_text() for path in run.glob("out*.log")),
        )

    return trained


@pytest.fixture(scope="module")
def corpus(fixtures):
    """Nine sentences, 5 and 7 without a token: the second of two processes has both at once."""
    sentences = list(islice(read_corpus(fixtures / "sample" / "train.jsonl"), 9))
    sentences[5] = sentences[7] = Sentence([], id="empty")
    return sentences


# One process and two: batches in the file's order, so that they are the same, and no dropout.


@pytest.fixture(scope="module")
def runs(train, corpus):
    """The run of one process with batches of 4, and that of two processes with 2 each."""
    return [
        train(corpus, corpus[:5], **PLAIN, **processes, **{
            "data_loader.batch_sampler": None, "data_loader.batch_size": size,
            "validation_data_loader.batch_size": size,
        })
        for processes, size in (({}, 4), (TWO, 2))
    ]  # fmt: skip


def test_two_processes_train_the_model_of_one(runs):
    expected, found = (load_archive(run.archive).model.state_dict() for run in runs)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_two_processes_report_the_metrics_of_one(runs):
    for expected, found in zip(runs[0].epochs, runs[1].epochs):
        for name, value in expected.items():
            if name.endswith("loss"):
                assert found[name] == pytest.approx(value, rel=1e-5), name
            elif name.startswith(("validation_", "best_")):
                assert found[name] == value, name
        assert found["validation_entity_support/Drug"] > 0


def test_every_process_comes_to_its_end(runs):
    assert "completed its entire epoch" in runs[1].logs
    assert "finishing" not in runs[1].logs


# Buckets, as shipped: each process sorts its own sentences by length and cuts them into batches.


@pytest.fixture(scope="module")
def bucketed(train, fixtures):
    """One process that is given what both of two see in each step, and two with buckets of 2."""
    # An odd number of sentences, of all lengths: the first process has one batch more.
    sentences = list(islice(read_corpus(fixtures / "sample" / "train.jsonl"), 21))
    shares = [
        sorted(sentences[rank::2], key=lambda sentence: len(sentence.tokens)) for rank in range(2)
    ]
    steps = [share[start : start + 2] for start in range(0, 12, 2) for share in shares]
    in_order = [sentence for batch in steps for sentence in batch]
    sampler = {"type": "bucket", "batch_size": 2, "sorting_keys": ["tokens"], "shuffle": False}
    two = train(sentences, sentences[:5], **PLAIN, **TWO, **{"data_loader.batch_sampler": sampler})
    # The order of the sentences decides on the words' numbers, and these on their first weights.
    vocabulary = {"type": "from_files", "directory": str(Path(two.archive).parent / "vocabulary")}
    one = train(in_order, sentences[:5], **PLAIN, **{
        "data_loader.batch_sampler": None, "data_loader.batch_size": 4, "vocabulary": vocabulary,
    })  # fmt: skip
    return one, two


def test_the_same_bucketed_batches_give_the_same_weights(bucketed):
    expected, found = (load_archive(run.archive).model.state_dict() for run in bucketed)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6)


# As shipped: buckets, dropout, AdamW. The second process has one batch less to train on, and
# nothing to validate.


@pytest.fixture(scope="module")
def shipped(train, corpus):
    return train(corpus[:3], corpus[:1], **TWO, **{"data_loader.batch_sampler.batch_size": 1})


def test_metrics_of_two_processes_are_those_of_one_on_the_same_predictions(shipped, in_root):
    archive = load_archive(shipped.archive)
    loader = DataLoader.from_params(
        archive.config["validation_data_loader"], reader=archive.validation_dataset_reader,
        data_path=shipped.validation,
    )  # fmt: skip
    loader.index_with(archive.model.vocab)
    found = evaluate(archive.model, loader)
    reported = shipped.epochs[-1]
    assert found["entity_support/Drug"] > 0
    for name, value in found.items():
        if name.endswith("loss"):
            assert value == pytest.approx(reported[f"best_validation_{name}"], rel=1e-5)
        else:
            assert value == reported[f"best_validation_{name}"]


def test_an_empty_share_does_not_end_the_others(shipped):
    assert "finishing" not in shipped.logs


# One process has a batch whose loss is no number.


def meet_a_broken_batch(rank, folder, made):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting-point", world_size=2, rank=rank
    )
    if rank == 1:
        made.model.entity_finder.levels[0].scorer.output.bias.data.fill_(torch.nan)
    batch = Batch(made.instances[rank : rank + 1])
    batch.index_instances(made.vocab)
    try:
        made.model.train()(**batch.as_tensor_dict())
        error = "none"
    except ValueError as caught:
        error = str(caught)
    with open(os.path.join(folder, f"{rank}.txt"), "w") as file:
        file.write(error)


def test_a_loss_that_is_no_number_ends_all_processes(make, corpus, tmp_path):
    made = make(corpus[:2])
    torch.multiprocessing.start_processes(
        meet_a_broken_batch, (str(tmp_path), made), nprocs=2, start_method="fork"
    )
    errors = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert errors[0] == "another process has a batch whose loss is not finite: see its log"
    assert f"batch's sentences: {corpus[1].id!r}. Look" in errors[1]


# The processes wait for each other's gradients: every weight must have one, in every batch.

EXTENDED = {
    "model.relation_scorer.pair_layer": {"hidden_size": 4}, "model.spurious_entities": 1.0,
}  # fmt: skip


def finetuned(directory):
    embedder = {"type": "transformer", "model_name": directory, "train_parameters": True}
    return {
        "dataset_reader.token_indexers.c": {"type": "word_pieces", "model_name": directory},
        "model.text_field_embedder.token_embedders.c": embedder,
    }


@pytest.mark.parametrize("batch", [[0], [5], [5, 0]], ids=["tokens", "no tokens", "both"])
@pytest.mark.parametrize("kind", ["shipped", "extended", "finetuned", "no relations"])
def test_every_weight_has_a_gradient(make, corpus, bert_directory, kind, batch):
    options = {"extended": EXTENDED, "finetuned": finetuned(str(bert_directory))}.get(kind, {})
    if kind == "no relations":
        corpus = [replace(sentence, relations=()) for sentence in corpus]
    made = make(corpus, options)
    chosen = Batch([made.instances[n] for n in batch])
    chosen.index_instances(made.vocab)
    made.model.train()(**chosen.as_tensor_dict())["loss"].backward()
    learned = [(n, p.grad) for n, p in made.model.named_parameters() if p.requires_grad]
    assert [name for name, gradient in learned if gradient is None] == []


# The parts, in two processes that read no files.


class Number(int):
    """An instance."""

    def index_fields(self, vocab):
        pass


def reader_of(count):
    return SimpleNamespace(
        read=lambda path: map(Number, range(count)), apply_token_indexers=lambda instance: None
    )


COUNTS = [(3, 3), (3, 2), (5, 1), (1, 0), (0, 4), (0, 0)]
LOADERS = {"batches": {}, "lazy": {"max_instances_in_memory": 2}, "shuffled": {"shuffle": True}}


def work(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting-point", world_size=2, rank=rank
    )
    loaded = []
    for counts in COUNTS:
        for options in LOADERS.values():
            loader = BalancedDataLoader(
                reader_of(counts[rank]), "", batch_size=2, collate_fn=list, quiet=True, **options
            )
            loader.index_with(object())
            length = len(loader) if loader.max_instances_in_memory is None else None
            loaded.append([length, list(loader), list(loader)])
    mean, nothing = WeightedMean(), WeightedMean()
    if rank == 0:
        mean(torch.tensor(3.0), 2)
        mean(4.5, torch.tensor(1.0))
    means = [mean.get_metric(), mean.get_metric(True), mean.get_metric(), nothing.get_metric()]
    torch.distributed.destroy_process_group()
    with open(os.path.join(folder, f"{rank}.json"), "w") as file:
        json.dump([loaded, means], file)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """What the two processes wrote."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.start_processes(work, (str(folder),), nprocs=2, start_method="fork")
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_each_process_has_as_many_batches_and_all_of_its_own(parts):
    cases = [(counts, options) for counts in COUNTS for options in LOADERS]
    assert len(cases) == len(parts[0][0]) == len(parts[1][0])
    for (counts, name), *both in zip(cases, *(loaded for loaded, _ in parts)):
        most = max((count + 1) // 2 for count in counts)
        for count, (length, *epochs) in zip(counts, both):
            assert length == (None if name == "lazy" else most)
            for batches in epochs:
                assert len(batches) == most
                real = [batch for batch in batches if isinstance(batch, list)]
                assert sorted(n for batch in real for n in batch) == list(range(count))
                rest = [{"tokens": {}, "metadata": [], "annotation": {}}] * (most - len(real))
                assert batches[len(real) :] == rest


def test_a_mean_is_of_all_values_of_all_processes(parts):
    for _, means in parts:
        assert means == [2.5, 2.5, 0.0, 0.0]
