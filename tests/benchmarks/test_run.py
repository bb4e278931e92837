"""The benchmark itself, as small as it gets."""

import json
import time

import pytest
import run
import sections
import torch
from costs import Clock
from measure import Child, Workload, spread
from prepared import EXTRACTION, KEPT, TRAINING, Setting
from programs import forking
from sections import Sizes
from systems import SHIPPED, STOCK

ONLY = ("training", "extraction", "shares", "growth", "reading")
SIZES = Sizes(
    [Setting(TRAINING, "lstm", KEPT, 2), Setting(EXTRACTION, "lstm", KEPT, 2)],
    sentences=2,
    repetitions=1,
    learned=4,
    epochs=1,
    documents=(30,),
    crowds=(4,),
    crowd_tokens=30,
    hidden_size=4,
    in_process=True,
    side=64,
)


def test_writes_its_results(tmp_path, few_threads, fixtures, monkeypatch):
    monkeypatch.delenv("JOINT_NER_RE_DATA", raising=False)
    # The same on every processor.
    monkeypatch.setattr(sections, "has_bfloat16", lambda device: False)
    # The run sets what its processes inherit.
    for name in ("OMP_NUM_THREADS", "ALLENNLP_LOG_LEVEL", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "1" if name == "OMP_NUM_THREADS" else "ignore")
    only = [part for section in ONLY for part in ("--only", section)]
    data = fixtures / "sample" / "dev.jsonl"
    run.main(["--quick", "--threads", "1", "--data", str(data), "-o", str(tmp_path), *only], SIZES)
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.json",
        "results.md",
        "results.png",
    }
    results = json.loads((tmp_path / "results.json").read_text())
    groups = {group["name"]: group["rows"] for group in results["groups"]}
    assert list(groups) == ["training, LSTM, kept vectors", "extraction, LSTM, kept vectors"]
    for rows in groups.values():
        by_system = {row["system"]: row for row in rows}
        assert by_system[STOCK]["ratio"] == pytest.approx(1)
        assert 0 < by_system[SHIPPED]["part"] < 1
        assert all(row["sentences"] > 0 for row in rows)
    assert len(results["tables"]) == 3
    shares = results["tables"][0]
    for column in range(1, 5):
        assert sum(row[column] for row in shares["rows"][:-1]) == pytest.approx(100)
    crowded = results["tables"][1]["rows"][-1]
    assert crowded[1] == 4
    markdown = (tmp_path / "results.md").read_text()
    assert "| shipped model | 2 |" in markdown


def test_spread_is_median_and_quartiles():
    found = spread([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (found.low, found.median, found.high, found.repetitions) == (2.0, 3.0, 4.0, 5)


def test_a_process_hands_back_its_facts_and_its_error(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    # This process has one server that forks. With the benchmark's own, other tests would be slow.
    forking()
    worker = Child(Workload, time.perf_counter, {"sentences": 1})
    assert worker.ready() == {"sentences": 1}
    assert worker.repetition() >= 0
    assert worker.close().host > 1
    with pytest.raises(RuntimeError, match="no such thing"):
        Child(int, "no such thing").ready()


def test_a_clock_counts_forwards_and_backwards_and_gives_back_what_it_watched():
    replaced = torch.tanh
    module = torch.nn.Linear(2, 2)
    module.forward = replaced
    clock = Clock()
    clock.watch(module, "forward", "part")
    loss = module(torch.ones(1, 2, requires_grad=True)).sum()
    forwards = clock.seconds["part"]
    clock.watch_backward(loss)
    loss.backward()
    clock.unwatch()
    assert 0 < forwards < clock.seconds["part"]
    assert module.forward is replaced
