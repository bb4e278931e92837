import json
import os
import random

import pytest
import torch.distributed
import torch.multiprocessing
from allennlp.training.metrics import Metric

from joint_ner_re.metrics import JointScore, score
from joint_ner_re.sentence import Entity, Relation, Sentence

ENTITY_TYPES, RELATION_TYPES = ["Loc", "Org", "Peop", "Never"], ["Kill", "Live_In", "Never"]


def annotated(rng):
    """A sentence of six tokens with random annotations of all types but "Never"."""
    entities = [
        Entity(rng.choice(ENTITY_TYPES[:3]), start, start + rng.randint(1, 2))
        for start in rng.sample(range(5), rng.randint(0, 4))
    ]
    relations = [
        Relation(rng.choice(RELATION_TYPES[:2]), *rng.sample(range(len(entities)), 2))
        for _ in range(rng.randint(0, 3))
        if len(entities) > 1
    ]
    return Sentence("abcdef", entities, relations)


def corpus(seed, size):
    rng = random.Random(seed)
    return [annotated(rng) for _ in range(size)], [annotated(rng) for _ in range(size)]


def expected(gold, predicted):
    """The metric's figures by the names that it documents, from `score`."""
    strict, boundaries = score(gold, predicted), score(gold, predicted, "boundaries")
    figures = {}
    for task, types in strict.pop("per_type").items():
        for name, values in types.items():
            figures.update({f"{task}_{figure}/{name}": v for figure, v in values.items()})
    del boundaries["per_type"]
    return {**figures, **strict, **{f"boundaries_{n}": v for n, v in boundaries.items()}}


def new_metric():
    return JointScore(ENTITY_TYPES, RELATION_TYPES)


@pytest.mark.parametrize("size", [1, 3, 20])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_batches_add_up_to_the_score_of_the_whole(size, batch_size):
    gold, predicted = corpus(size, size)
    metric = new_metric()
    for start in range(0, size, batch_size):
        batch = slice(start, start + batch_size)
        metric(gold[batch], predicted[batch])
    assert metric.get_metric() == expected(gold, predicted)


def test_reset():
    metric = new_metric()
    metric(*corpus(1, 5))
    assert metric.get_metric(reset=True) == expected(*corpus(1, 5))
    assert metric.get_metric() == expected([], [])
    metric(*corpus(2, 5))
    assert metric.get_metric() == metric.get_metric() == expected(*corpus(2, 5))
    metric.reset()
    assert metric.get_metric() == expected([], [])


def test_every_value_is_a_number_that_can_be_logged():
    metric = new_metric()
    metric(*corpus(3, 5))
    assert all(type(value) in (int, float) for value in metric.get_metric().values())


def test_without_relation_types():
    metric = JointScore(["Loc"], [])
    sentence = Sentence("ab", [Entity("Loc", 0, 1)])
    metric([sentence], [sentence])
    assert metric.get_metric() == expected([sentence], [sentence])
    assert metric.get_metric()["mean_f1"] == 0.5


def test_it_can_be_configured():
    assert Metric.by_name("joint_score") is JointScore


def test_gold_of_an_unknown_type_counts_as_missed():
    metric = JointScore(["Loc"], [])
    gold = Sentence("ab", [Entity("Loc", 0, 1), Entity("Dose", 1, 2)])
    guess = Sentence("ab", [Entity("Loc", 0, 1)])
    metric([gold], [guess])
    assert metric.unknown() == {"entity": {"Dose": 1}, "relation": {}}
    found = metric.get_metric(reset=True)
    # One of two is found: recall 1/2; the mean over the types of 1 and 0 is 1/2.
    assert (found["entity_precision"], found["entity_recall"]) == (1.0, 0.5)
    assert (found["entity_macro_f1"], found["entity_support/Dose"]) == (0.5, 1)
    assert metric.get_metric()["entity_recall"] == 0.0


# Several processes: the figures are those of one process that saw everything.

CORPUS = corpus(4, 9)
# A type that the models do not know, which only one process meets.
CORPUS[0][8] = Sentence(CORPUS[0][8].tokens, [Entity("Unknown", 0, 1)])
# (first, last) sentence of each process
SHARDS = {"uneven": [(0, 7), (7, 9)], "one empty": [(0, 9), (9, 9)], "both empty": [(0, 0)] * 2}


def work(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting-point", world_size=2, rank=rank
    )
    results = {}
    for name, shards in SHARDS.items():
        metric, shard = new_metric(), slice(*shards[rank])
        metric(CORPUS[0][shard], CORPUS[1][shard])
        # Asked twice: reading the figures must not add the other process's counts to its own.
        results[name] = [metric.get_metric(), metric.get_metric(reset=True), metric.get_metric()]
        results[f"totals of {name}"] = metric.totals()
    torch.distributed.destroy_process_group()
    with open(os.path.join(folder, f"{rank}.json"), "w") as file:
        json.dump(results, file)


@pytest.fixture(scope="module")
def results_of_processes(tmp_path_factory):
    if not (torch.distributed.is_available() and hasattr(os, "fork")):
        pytest.skip("needs torch.distributed and forked processes")
    folder = tmp_path_factory.mktemp("processes")
    processes = torch.multiprocessing.start_processes(
        work, args=(str(folder),), nprocs=2, join=False, start_method="fork"
    )
    try:
        for _ in range(2):  # one call may return when the first process has ended
            if processes.join(timeout=60):
                break
        else:
            pytest.fail("the processes did not end")
    finally:
        for process in processes.processes:
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("rank", [0, 1])
def test_processes_agree_with_one_process(results_of_processes, shards, rank):
    seen = slice(0, 0 if shards == "both empty" else 9)
    whole, nothing = expected(CORPUS[0][seen], CORPUS[1][seen]), expected([], [])
    assert results_of_processes[rank][shards] == [whole, whole, nothing]


@pytest.mark.parametrize("rank", [0, 1])
def test_the_totals_are_those_of_all_processes(results_of_processes, rank):
    for name, seen in [("uneven", 9), ("one empty", 9), ("both empty", 0)]:
        gold, predicted = CORPUS[0][:seen], CORPUS[1][:seen]
        assert results_of_processes[rank][f"totals of {name}"] == {
            "entity": [different(predicted, "entities"), different(gold, "entities")],
            "relation": [different(predicted, "relations"), different(gold, "relations")],
        }


def different(sentences, what):
    """How many annotations there are; those that are equal in one sentence count once."""
    found = 0
    for sentence in sentences:
        keys = [entity.key for entity in sentence.entities]
        if what == "relations":
            keys = [(r.type, keys[r.head], keys[r.tail]) for r in sentence.relations]
        found += len(set(keys))
    return found


def test_the_totals_are_those_of_the_last_report():
    metric = JointScore(["Loc"], ["Near"])
    assert metric.totals() == {}
    two = [Entity("Loc", 0, 1), Entity("Loc", 1, 2)]
    metric([Sentence("ab", two, [Relation("Near", 0, 1)])], [Sentence("ab", two[:1])])
    metric.get_metric()
    assert metric.totals() == {}
    metric.get_metric(reset=True)
    assert metric.totals() == {"entity": (1, 2), "relation": (0, 1)}
