"""Checkpoints of strangers run nothing. For kills and damage see test_crash_safe_files.py."""

import shutil

import pytest
import torch
from allennlp.data import DataLoader
from allennlp.training import Checkpointer, TrainerCallback

from joint_ner_re.training import BalancedDataLoader, CrashSafeCheckpointer, ProgressCallback


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of a training of two epochs, with both checkpoints."""
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.mark.parametrize("kind", ["model", "training"])
def test_a_checkpoint_that_would_run_something_is_skipped(run, payload, target, caplog, kind):
    path = run / f"{kind}_state_e2_b0.th"
    torch.save({"x": payload}, path)
    found = CrashSafeCheckpointer(str(run)).load_checkpoint()
    assert not target.exists()
    assert found.trainer_state["epochs_completed"] == 1
    assert f"{path.name} is no complete file of tensors and plain values" in caplog.text


def test_best_weights_that_would_run_something_are_skipped(run, payload, target):
    torch.save(payload, run / "best.th")
    CrashSafeCheckpointer(str(run)).load_checkpoint()
    assert not target.exists()


def test_what_a_kill_left_of_a_removed_checkpoint_is_removed(run):
    """A kill came after the weights of an old checkpoint were removed, and before its state was."""
    (run / "model_state_e1_b0.th").unlink()
    found = CrashSafeCheckpointer(str(run)).load_checkpoint()
    assert found.trainer_state["epochs_completed"] == 2
    assert not (run / "training_state_e1_b0.th").exists()


@pytest.mark.parametrize("base, name, former, kind", [
    (Checkpointer, "crash_safe", "whole", CrashSafeCheckpointer),
    (DataLoader, "balanced", "even", BalancedDataLoader),
    (TrainerCallback, "progress", "experiment", ProgressCallback),
])  # fmt: skip
def test_former_names_still_work(base, name, former, kind):
    assert base.by_name(name) is base.by_name(former) is kind
