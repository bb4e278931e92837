"""The subcommands as a user types them."""

import json

import pytest

from joint_ner_re.experiments.progress import logger

FEW = '{"trainer.num_epochs": 1, "dataset_reader.num_folds": 2, "dataset_reader.dev_fraction": 0.3}'


@pytest.fixture
def allennlp(allennlp, few_threads, in_root, pictures):
    return allennlp


def test_cross_validate(allennlp, fixtures, tmp_path, capsys):
    arguments = ("cross-validate", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o", FEW)
    allennlp(*arguments, "--folds", "1", "--keep-checkpoints")
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert (found["finished"], found["expected"]) == (1, 2)
    assert (tmp_path / "out" / "fold_1" / "model_state_e1_b0.th").exists()
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1].split(",")[0] for line in said] == [
        "fold_1 (1 of 1): 1 of 1 epochs",
        "fold_1 (1 of 1): finished",
        "1 of 2 folds",
    ]
    # The messages of other runs do not come here.
    assert not logger.handlers


def test_cross_validate_with_seeds(allennlp, fixtures, tmp_path):
    allennlp(
        "cross-validate", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o", FEW,
        "--folds", "1", "--seeds", "4,2",
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(found["runs"]) == ["fold_1_seed_2", "fold_1_seed_4"]


def test_repeat(allennlp, fixtures, tmp_path):
    allennlp(
        "repeat", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o", FEW, "--seeds", "4,2",
        "--data", fixtures / "conll04_multihead.txt",
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(found["runs"]) == ["seed_2", "seed_4"]
    assert found["data"] == ["conll04_multihead.txt"]


def test_search(allennlp, fixtures, tmp_path):
    allennlp(
        "search", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o", FEW, "--trials", "2",
        "--sampler", "grid", "--pruner", "none",
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "study.json").read_text())
    assert sorted(tuple(t["params"].values()) for t in found["trials"]) == [(0, 0, 0), (0, 0, 1)]


def test_ablate(allennlp, fixtures, tmp_path):
    allennlp(
        "ablate", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o",
        FEW[:-1] + ', "model.encoder.ner.num_layers": 0}', "--folds", "0",
    )  # fmt: skip
    found = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert (found["seeds"], found["folds"], len(found["variants"])) == ([13], [0], 3)


def test_ablate_needs_a_seed(allennlp, fixtures, tmp_path):
    with pytest.raises(SystemExit, match="no random_seed: give --seeds"):
        allennlp(
            "ablate", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", "-o",
            '{"random_seed": null}',
        )  # fmt: skip


def test_tune_threshold(allennlp, fixtures, tiny_archive, tmp_path, capsys):
    allennlp(
        "tune-threshold", tiny_archive, fixtures / "conll04_spert.json", "-s", tmp_path / "out",
        "--output-archive", tmp_path / "model.tar.gz", "--per-type", "never",
    )  # fmt: skip
    assert (tmp_path / "model.tar.gz").exists()
    assert json.loads((tmp_path / "out" / "threshold.json").read_text())["per_type"] is None
    assert "one for all types: F1" in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["", "a", "1,,2", "1.5", "-1", "1e3", "4294967296"])
def test_a_list_that_is_none_is_an_error(allennlp, fixtures, tmp_path, capsys, seeds):
    with pytest.raises(SystemExit):
        allennlp("repeat", fixtures / "tiny.jsonnet", "-s", tmp_path / "out", f"--seeds={seeds}")
    assert "is not a list of numbers; expected a list such as 13,14,15" in capsys.readouterr().err


@pytest.mark.parametrize(
    "config, overrides, message",
    [
        ("missing.jsonnet", "", "'missing.jsonnet' is not a file"),
        ("fixtures/tiny.jsonnet", "{", "with the overrides {"),
        ("fixtures/tiny.jsonnet", '{"trainer.num_epochs.x": 1}', "overrides are a JSON object"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_an_error(
    allennlp, tmp_path, config, overrides, message
):
    with pytest.raises(SystemExit) as error:
        allennlp("repeat", config, "-s", tmp_path / "out", "-o", overrides, "--seeds", "1")
    assert message in str(error.value)
