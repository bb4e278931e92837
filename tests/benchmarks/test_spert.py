"""The script that compares the speed with SpERT's, here with a stand-in for SpERT's checkout."""

import json
import sys

import pytest
import runtime
import spert

import joint_ner_re

ARGS = """
import argparse

def predict_argparser():
    parser = argparse.ArgumentParser()
    for name in ("types_path", "model_path", "tokenizer_path", "dataset_path", "predictions_path"):
        parser.add_argument("--" + name)
    for name in ("eval_batch_size", "sampling_processes", "max_span_size", "spacy_model"):
        parser.add_argument("--" + name)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--lowercase", action="store_true")
    return parser
"""
READER = """
import json

class JsonPredictionInputReader:
    def __init__(self, types_path, tokenizer, max_span_size, spacy_model):
        self.types = json.load(open(types_path))

    def read(self, path, label):
        return json.load(open(path))
"""
# It writes down each prediction: how it was asked, and for what.
TRAINER = """
import json
import os
import time

class SpERTTrainer:
    _tokenizer = None

    def __init__(self, args):
        self.args = args

    def _load_model(self, reader):
        return "model of " + self.args.model_path

    def _predict(self, model, dataset, reader):
        time.sleep(0.01)
        with open(os.path.join(self.args.model_path, "calls.jsonl"), "a") as file:
            call = [model, int(self.args.eval_batch_size), int(self.args.sampling_processes)]
            file.write(json.dumps([*call, reader.types, dataset]) + "\\n")
"""


@pytest.fixture
def checkout(tmp_path):
    """A directory with the modules of SpERT that the script uses."""
    (tmp_path / "checkout" / "spert").mkdir(parents=True)
    (tmp_path / "checkout" / "args.py").write_text(ARGS)
    for name, text in {"__init__": "", "input_reader": READER, "spert_trainer": TRAINER}.items():
        (tmp_path / "checkout" / "spert" / f"{name}.py").write_text(text)
    return tmp_path / "checkout"


def test_both_sides_have_rows(checkout, tiny_exported, fixtures, tmp_path, monkeypatch, capfd):
    (tmp_path / "exported").symlink_to(tiny_exported)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "types.json").write_text('"types"')
    corpus = fixtures / "conll04_spert.json"
    monkeypatch.setattr(
        sys, "argv",
        ["spert.py", str(tmp_path / "exported"), "--spert", str(checkout), "--spert-model",
         str(tmp_path / "trained"), str(corpus), "--repetitions", "2", "--threads", "1",
         "--processes", "0"],
    )  # fmt: skip
    spert.main()
    out = capfd.readouterr().out.partition("| ---: |\n")[2]
    rows = [row.strip("| ").split(" | ") for row in out.splitlines()]
    assert [row[0] for row in rows] == [
        "SpERT, batch 1, 0 more processes", "SpERT, batch 32, 0 more processes", "exported",
    ]  # fmt: skip
    assert max(float(row[4]) for row in rows[:2]) == 1.0
    assert max(float(row[5]) for row in rows[:2]) == 1.0
    assert all(float(row[2]) > 1 for row in rows)

    calls = [json.loads(line) for line in (tmp_path / "trained" / "calls.jsonl").open()]
    # Each row predicts once before the clock starts.
    assert sorted(call[1] for call in calls) == [1, 1, 1, 32, 32, 32]
    sentences = [sentence.with_text() for sentence in joint_ner_re.read_corpus(corpus)]
    by_length = sorted(sentences, key=lambda sentence: len(sentence.text))
    for model, _, processes, types, dataset in calls:
        assert model == f"model of {tmp_path / 'trained'}"
        assert (processes, types) == (0, "types")
        assert dataset == [list(sentence.tokens) for sentence in by_length]


def test_a_checkout_that_fails_ends_the_script_with_its_reason(checkout):
    (checkout / "args.py").write_text("import no_such_package_xyz")
    row = spert.SpertRow(str(checkout), [], 1, 1)
    with pytest.raises(SystemExit, match="ended by itself: .*'no_such_package_xyz'"):
        row.repeat()


def test_a_model_that_is_not_there_ends_the_script_with_its_reason(tmp_path):
    row = runtime.Row("start", str(tmp_path / "none"), "", 1)
    with pytest.raises(SystemExit, match="ended by itself: .*none: no such file"):
        row.answer()


def test_rates_are_medians():
    answers = [{"sentences": 10, "wall": wall, "cpu": 1} for wall in (1, 2, 5)]
    assert (runtime.rate(answers, "wall"), runtime.rate(answers, "cpu")) == (5, 10)
