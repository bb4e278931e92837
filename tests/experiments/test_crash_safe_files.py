"""What AllenNLP writes is complete or not there, and the same training gives the same bytes."""

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import torch
from allennlp.commands import train as train_command
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common import util as common_util
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.training import GradientDescentTrainer
from programs import printed

import joint_ner_re.plugin  # noqa: F401 (registers what the configurations name)
from joint_ner_re.experiments.runs import read_config

ROOT = Path(__file__).parents[2]
# The last epoch is the best one.
CHANGES = {"trainer.num_epochs": 3, "trainer.validation_metric": "-loss"}


@pytest.fixture
def train(fixtures, in_root, few_threads):
    def trained(directory, recover=False, **overrides):
        config = read_config(str(fixtures / "tiny.jsonnet"), json.dumps({**CHANGES, **overrides}))
        return train_model(Params(config), directory, recover=recover)

    return trained


@pytest.fixture(scope="module")
def whole(tmp_path_factory, fixtures, few_threads):
    """A training that was not interrupted."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(fixtures.parent)
        config = read_config(str(fixtures / "tiny.jsonnet"), json.dumps(CHANGES))
        train_model(Params(config), directory)
    return directory


@pytest.fixture
def broken(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "run")


def metrics_of(directory):
    found = json.loads((directory / "metrics.json").read_text())
    return {k: v for k, v in found.items() if not k.endswith(("_MB", "duration", "seconds"))}


def same_weights(one, other):
    first, second = (torch.load(directory / "best.th") for directory in (one, other))
    return all(torch.equal(first[name], second[name]) for name in first)


def halve(path):
    content = path.read_bytes()
    # Others of its name are not touched.
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "halved", ["model_state_e3_b0.th", "training_state_e3_b0.th", "best.th", "model.tar.gz"]
)
def test_a_half_file_is_not_resumed(train, whole, broken, halved):
    halve(broken / halved)
    (broken / "metrics.json").unlink()
    train(broken, recover=True)
    assert same_weights(broken, whole)
    assert metrics_of(broken) == metrics_of(whole)
    with tarfile.open(broken / "model.tar.gz") as archive:
        assert "weights.th" in archive.getnames()


def test_weights_of_the_best_epoch_that_were_not_written_are_those_of_the_checkpoint(
    train, whole, broken
):
    """The kill came between the checkpoint of the best epoch and the best weights."""
    best = torch.load(broken / "training_state_e3_b0.th")["metric_tracker"]["best_epoch"]
    assert best == 2, "the last epoch has to be the best one here"
    os.remove(broken / "best.th")
    train(broken, recover=True)
    assert same_weights(broken, whole)


def test_after_all_epochs_only_the_end_is_done(train, whole, broken):
    (broken / "metrics.json").unlink()
    (broken / "model.tar.gz").unlink()
    written = (broken / "metrics_epoch_2.json").stat().st_ino
    train(broken, recover=True)
    assert (broken / "metrics_epoch_2.json").stat().st_ino == written
    # The last epoch's scores are there, too, of which AllenNLP knows nothing then.
    assert metrics_of(broken) == metrics_of(whole)
    assert metrics_of(broken)["epoch"] == 2


def test_dropout_goes_on_where_it_was(train, whole, broken):
    for name in ("model_state_e3_b0.th", "training_state_e3_b0.th"):
        (broken / name).unlink()
    train(broken, recover=True)
    assert same_weights(broken, whole)


def test_an_old_checkpoint_that_was_half_taken_away_does_not_stay(train, broken):
    for name in ("model_state_e3_b0.th", "training_state_e3_b0.th"):
        (broken / name).unlink()
    (broken / "training_state_e1_b0.th").write_bytes(b"old")
    train(broken, recover=True)
    assert sorted(path.name for path in broken.glob("training_state*")) == [
        "training_state_e2_b0.th", "training_state_e3_b0.th",
    ]  # fmt: skip


def test_what_a_killed_process_has_left_is_removed(train, whole, tmp_path):
    run = tmp_path / "run"
    # Versions before wrote directories, too.
    (run / ".vocabulary.17.tmp").mkdir(parents=True)
    (run / ".config.json.tmp").write_text("{")
    # There is nothing to resume, and nothing to lose.
    train(run, recover=True)
    assert same_weights(run, whole)
    assert not list(run.glob(".*"))


def test_a_directory_of_something_else_is_left_alone(train, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError):
        train(tmp_path, recover=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


# Each of AllenNLP's files


def write_archive(whole, path):
    archival_path = shutil.copytree(whole, path.parent / "copy")
    train_command.archive_model(archival_path, archive_path=path)


WRITERS = {
    "configuration": lambda whole, path: Params({"a": 1}).to_file(str(path)),
    "metrics": lambda whole, path: common_util.dump_metrics(str(path), {"a": 1}),
    "archive": write_archive,
    "best weights": lambda whole, path: GradientDescentTrainer._save_model_state(
        type("Trainer", (), {"_ddp_wrapped_model": None, "model": torch.nn.Linear(1, 1)})(),
        str(path),
    ),
    "vocabulary": lambda whole, path: Vocabulary.from_files(whole / "vocabulary").save_to_files(
        str(path.parent)
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_takes_its_name_when_it_is_whole(monkeypatch, whole, tmp_path, kind):
    path = tmp_path / ("tokens.txt" if kind == "vocabulary" else "file")
    WRITERS[kind](whole, path)
    assert path.stat().st_size
    path.write_text("old")
    shutil.rmtree(tmp_path / "copy", ignore_errors=True)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[kind](whole, path)
    assert path.read_text() == "old"
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob(".*.tmp"))


# The same bytes


def test_another_process_gives_the_same_archive(whole, tmp_path):
    """At another time, in another directory, and with another order of sets."""
    os.utime(whole, (0, 0))
    printed(
        "allennlp", "train", "fixtures/tiny.jsonnet", "-s", tmp_path / "elsewhere" / "run",
        "-o", json.dumps(CHANGES),
        directory=ROOT, variables={"ALLENNLP_LOG_LEVEL": "WARNING"},
    )  # fmt: skip
    first, second = whole / "model.tar.gz", tmp_path / "elsewhere" / "run" / "model.tar.gz"
    with tarfile.open(first) as one, tarfile.open(second) as other:
        assert one.getnames() == other.getnames()
        differing = [
            name for name in one.getnames()
            if one.getmember(name).isfile()
            and one.extractfile(name).read() != other.extractfile(name).read()
        ]  # fmt: skip
    assert differing == []
    assert first.read_bytes() == second.read_bytes()


def test_an_archive_holds_what_allennlps_own_does(whole, tmp_path):
    from allennlp.models.archival import archive_model

    (tmp_path / "run").mkdir()
    run = shutil.copytree(whole, tmp_path / "run", dirs_exist_ok=True)
    (run / "notes").mkdir()
    (run / "notes" / "a.txt").write_text("mine")
    options = {"include_in_archive": ["notes", "metrics.json"]}
    train_command.archive_model(run, archive_path=tmp_path / "ours.tar.gz", **options)
    archive_model(run, archive_path=tmp_path / "theirs.tar.gz", **options)

    def contents(path):
        with tarfile.open(path) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}

    ours, theirs = contents(tmp_path / "ours.tar.gz"), contents(tmp_path / "theirs.tar.gz")
    theirs.pop("vocabulary/.lock", None)
    # And how far the tokens are those of the reader.
    assert json.loads(ours.pop("tokens.json"))["sentences"] == 11
    assert ours == theirs


def test_the_list_of_namespaces_is_sorted(tmp_path):
    names = [f"*{letter}" for letter in "zxywvutsrq"]
    vocabulary = Vocabulary(non_padded_namespaces=names)
    vocabulary.add_token_to_namespace("a\nb", "x")
    vocabulary.save_to_files(tmp_path)
    lines = (tmp_path / "non_padded_namespaces.txt").read_text().splitlines()
    assert lines == sorted(names)
    again = Vocabulary.from_files(tmp_path)
    assert again.get_token_to_index_vocabulary("x") == {"a\nb": 0}
    assert again._non_padded_namespaces == set(names)


def test_an_archive_without_weights_is_an_error(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "best.th").unlink()
    with pytest.raises(RuntimeError, match="best.th does not exist"):
        train_command.archive_model(run)
