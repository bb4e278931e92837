"""The commands as a user types them; most of them in this process, which is far faster."""

import json
import math
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from allennlp.commands import find_learning_rate
from programs import printed

from joint_ner_re.corpora import read_corpus


@pytest.fixture
def allennlp(allennlp, few_threads):
    return allennlp


def metrics_of(path):
    return json.loads(path.read_text())


def test_train_writes_an_archive_and_the_metrics_of_every_epoch(
    allennlp, fixtures, in_root, tmp_path
):
    allennlp("train", fixtures / "tiny.jsonnet", "-s", tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.tar.gz", "metrics_epoch_0.json", "metrics_epoch_1.json"} <= names
    metrics = metrics_of(tmp_path / "run" / "metrics.json")
    # Counted in fixtures/conll04_spert.json.
    assert metrics["best_validation_entity_support/Peop"] == 11
    assert metrics["best_validation_relation_support/Kill"] == 3
    assert metrics["training_relation_loss"] > 0


def test_options_on_the_command_line_change_the_configuration(
    allennlp, fixtures, in_root, tmp_path
):
    overrides = '{"trainer.num_epochs": 1, "model.encoder.ner.num_layers": 0}'
    allennlp("train", fixtures / "tiny.jsonnet", "-s", tmp_path / "run", "-o", overrides)
    assert metrics_of(tmp_path / "run" / "metrics.json")["epoch"] == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["encoder"]["ner"]["num_layers"] == 0


def test_an_interrupted_training_recovers(allennlp, fixtures, in_root, interrupt, tmp_path):
    arguments = ("train", fixtures / "tiny.jsonnet", "-s", tmp_path / "run")
    begun = interrupt(1)
    with pytest.raises(SystemExit) as caught:
        allennlp(*arguments)
    assert caught.value.code == 130
    assert not (tmp_path / "run" / "metrics_epoch_1.json").exists()
    allennlp(*arguments, "--recover")
    assert begun == [0, 1, 1]
    assert metrics_of(tmp_path / "run" / "metrics.json")["epoch"] == 1


@pytest.fixture
def documents(tmp_path):
    """In d0 a relation crosses the end of a sentence; in d1 a mention has a full stop inside."""
    directory = tmp_path / "in"
    directory.mkdir()
    for name, text, annotations in (
        ("d0", "Ada left. Bob slept.", "T1\tPeop 0 3\tAda\nT2\tPeop 10 13\tBob\n"),
        ("d1", "Rosa pv. alba met Bob.", "T1\tPeop 0 13\tRosa pv. alba\nT2\tPeop 18 21\tBob\n"),
    ):
        (directory / f"{name}.txt").write_text(text)
        (directory / f"{name}.ann").write_text(f"{annotations}R1\tKill Arg1:T1 Arg2:T2\n")
    return directory


LOST = "relations from one sentence to another, left out"
JOINED = "sentence ends inside a mention, where the sentences were joined"


def test_evaluate_logs_what_the_ends_of_sentences_cost(
    allennlp, tiny_archive, documents, tmp_path, caplog
):
    allennlp("evaluate", tiny_archive, documents, "--output-file", tmp_path / "scores.json",
             "-o", json.dumps({"dataset_reader.type": "joint_ner_re"}))  # fmt: skip
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert f"{documents}: {LOST}: 1" in warnings
    assert f"{documents}: {JOINED}: 1" in warnings


def test_a_training_ends_with_what_the_ends_of_sentences_cost(
    allennlp, fixtures, in_root, documents, tmp_path
):
    overrides = {
        "dataset_reader.type": "joint_ner_re", "trainer.callbacks": [{"type": "progress"}],
        "trainer.num_epochs": 1, "train_data_path": str(documents),
        "validation_data_path": str(documents),
    }  # fmt: skip
    allennlp(
        "train", fixtures / "tiny.jsonnet", "-s", tmp_path / "run", "-o", json.dumps(overrides)
    )
    log = (tmp_path / "run" / "out.log").read_text().splitlines()
    (warning,) = [line for line in log if "the ends of sentences cost" in line]
    # Training and development data are the same file here, which is named once.
    assert warning.partition(" - ")[2] == (
        "WARNING - joint_ner_re.training.progress - "
        f"the ends of sentences cost: {documents}: 1 {LOST} (50.0 % of 2); 1 {JOINED}. The "
        "reader's unit takes several sentences at once, and its sentence_rules say where they end"
    )


def test_evaluate_gives_the_metrics_of_training_again(
    allennlp, fixtures, in_root, tiny_run, tiny_archive, tmp_path
):
    trained = metrics_of(tiny_run / "metrics.json")
    allennlp(
        "evaluate", tiny_archive, fixtures / "conll04_spert.json",
        "--output-file", tmp_path / "metrics.json",
        "--predictions-output-file", tmp_path / "predictions.jsonl",
    )  # fmt: skip
    found = metrics_of(tmp_path / "metrics.json")
    for name in ("entity_f1", "relation_recall", "boundaries_entity_f1", "relation_support/Kill"):
        assert found[name] == pytest.approx(trained[f"best_validation_{name}"], abs=1e-6)
    assert found["ner_loss"] == pytest.approx(trained["best_validation_ner_loss"], rel=1e-4)
    batches = [json.loads(line) for line in (tmp_path / "predictions.jsonl").open()]
    predicted = [tokens for batch in batches for tokens in batch["tokens"]]
    gold = json.loads((fixtures / "conll04_spert.json").read_text())
    assert predicted == [sentence["tokens"] for sentence in gold]


def test_predict_on_json_lines(allennlp, tiny_archive, tmp_path):
    lines = [{"text": "Ada left Kesh. It rained.", "id": "d"}, {"tokens": ["Kesh"], "page": 2}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out.jsonl"
    allennlp("predict", tiny_archive, tmp_path / "in.jsonl", "--output-file", out, "--silent")
    first, second = map(json.loads, out.read_text().splitlines())
    assert (first["id"], first["text"], first["sentences"]) == (
        "d",
        lines[0]["text"],
        [[0, 4], [4, 7]],
    )
    assert (second["tokens"], second["meta"]) == (["Kesh"], {"page": 2})


@pytest.mark.parametrize("batch_size", [1, 5])
def test_predict_on_plain_text_gives_a_readable_corpus(
    allennlp, tiny_archive, tmp_path, batch_size
):
    path = tmp_path / "in.txt"
    path.write_text("Ada left Kesh.\r\n\nZoë \N{GRINNING FACE} stayed. It rained.\n", "utf-8")
    out = tmp_path / "out.jsonl"
    allennlp(
        "predict", tiny_archive, path, "--output-file", out, "--silent", "--batch-size", batch_size
    )
    texts = [sentence.text for sentence in read_corpus(out)]
    assert texts == ["Ada left Kesh.", "", "Zoë \N{GRINNING FACE} stayed. It rained."]


def test_predict_on_a_corpus_gives_its_sentences_with_predictions(
    allennlp, fixtures, tiny_archive, tmp_path
):
    corpus, out = fixtures / "conll04_spert.json", tmp_path / "out.jsonl"
    allennlp(
        "predict", tiny_archive, corpus, "--output-file", out, "--silent", "--use-dataset-reader",
        "--batch-size", 4,
    )  # fmt: skip
    gold, predicted = list(read_corpus(corpus)), list(read_corpus(out))
    assert [(s.id, s.tokens) for s in predicted] == [(s.id, s.tokens) for s in gold]
    assert all(entity.score is not None for s in predicted for entity in s.entities)


def test_predictions_can_be_drawn(allennlp, tiny_archive, tmp_path):
    (tmp_path / "in.txt").write_text("Ada left <b> Kesh.\n")
    out, page = tmp_path / "out.jsonl", tmp_path / "page.html"
    allennlp("predict", tiny_archive, tmp_path / "in.txt", "--output-file", out, "--silent")
    allennlp("draw", out, page)
    assert "&lt;" in page.read_text() and "<b>" not in page.read_text()


def test_draw_takes_the_format_where_it_cannot_be_told(allennlp, fixtures, tmp_path):
    allennlp("draw", fixtures / "ade.rel", tmp_path / "page.html", "--format", "ade_rel")
    assert "Amoxicillin" in (tmp_path / "page.html").read_text()


def test_build_vocab_holds_words_and_types(allennlp, fixtures, in_root, tmp_path):
    allennlp("build-vocab", fixtures / "tiny.jsonnet", tmp_path / "vocab.tar.gz")
    with tarfile.open(tmp_path / "vocab.tar.gz") as archive:
        labels = archive.extractfile("entity_labels.txt").read().decode().split()
        words = archive.extractfile("tokens.txt").read().decode().split("\n")
    assert sorted(labels) == ["Loc", "Org", "Other", "Peop"]
    # Lower-cased, and twice or more often in the corpus.
    assert "kesh" in words and "Kesh" not in words and "chemist" not in words


def test_find_lr_tries_rising_rates(allennlp, fixtures, in_root, monkeypatch, tmp_path):
    plotted, plot = [], find_learning_rate._save_plot
    monkeypatch.setattr(
        find_learning_rate, "_save_plot", lambda *values: (plotted.extend(values), plot(*values))
    )
    allennlp(
        "find-lr", fixtures / "tiny.jsonnet", "-s", tmp_path / "lr", "--num-batches", 11,
        "--start-lr", 1e-4, "--end-lr", 0.1,
    )  # fmt: skip
    rates, losses = plotted[:2]
    assert rates == sorted(rates) and rates[0] < 2e-4 and rates[-1] > 0.05
    assert len(losses) == len(rates) and all(map(math.isfinite, losses))
    assert (tmp_path / "lr" / "lr-losses.png").read_bytes().startswith(b"\x89PNG")


def test_print_results_finds_the_run(allennlp, tiny_run, capsys):
    name = "best_validation_entity_support/Peop"
    allennlp("print-results", tiny_run.parent, "--keys", name, "no_such_key")
    assert capsys.readouterr().out.splitlines() == [
        f"model_run, {name}, no_such_key",
        f"{tiny_run / 'metrics.json'}, 11, N/A",
    ]


# Processes of their own: how a user's shell finds the package.


def test_from_elsewhere_the_package_is_included_by_name(root, tiny_archive, tmp_path):
    (tmp_path / "in.txt").write_text("Ada left Kesh.\n")
    printed(
        "allennlp", "predict", tiny_archive, "in.txt", "--output-file", "out.jsonl", "--silent",
        "--include-package", "joint_ner_re",
        directory=tmp_path, variables={"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert [s.text for s in read_corpus(tmp_path / "out.jsonl")] == ["Ada left Kesh."]


def test_in_a_checkout_the_package_is_found_and_hashing_changes_nothing(
    root, fixtures, tiny_run, tmp_path
):
    # A copy, so that nothing but the plugin file and the directory itself can find the package.
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copy(root / ".allennlp_plugins", checkout)
    for name in ("joint_ner_re", "training_config", "fixtures"):
        (checkout / name).symlink_to(root / name)
    # The only test that starts AllenNLP as a shell does.
    done = subprocess.run(
        [sys.executable, "-m", "allennlp", "train", "fixtures/tiny.jsonnet", "-s", "run"],
        cwd=checkout,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "PYTHONHASHSEED": "12"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found, expected = (metrics_of(run / "metrics.json") for run in (checkout / "run", tiny_run))
    assert found["best_validation_loss"] == pytest.approx(
        expected["best_validation_loss"], rel=1e-3
    )
    assert found.keys() == expected.keys()
