"""Searching, alone, in two processes and after a kill."""

import contextlib
import json
import pickle
import signal
import sqlite3
import time
from pathlib import Path

import optuna
import pytest
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from programs import Program

from joint_ner_re.experiments import search as search_module
from joint_ner_re.experiments.allocation import DEPTHS
from joint_ner_re.experiments.progress import progress_on_stdout
from joint_ner_re.experiments.repetition import Source
from joint_ner_re.experiments.search import Study, objective, search
from joint_ner_re.experiments.search_space import DEFAULT_SPACE, points_of, read_space
from joint_ner_re.resumable import ResumeError

ROOT = Path(__file__).parents[2]
SOURCE = Source("tiny.jsonnet")
SHARED, NER, RELATION = DEPTHS.values()


def written(directory, space):
    path = directory / "space.jsonnet"
    path.write_text(json.dumps(space))
    return str(path)


@pytest.fixture
def small(tmp_path):
    """A space of four points."""
    depth = {"type": "int", "low": 0, "high": 1}
    return written(tmp_path, {NER: depth, SHARED: depth, RELATION: {**depth, "high": 0}})


def study_of(directory):
    return json.loads((directory / "study.json").read_text())


def points(study):
    return sorted(tuple(trial["params"].values()) for trial in study["trials"])


@pytest.fixture
def few_steps(tiny):
    def config(**overrides):
        return tiny(**{"trainer.num_epochs": 2, **overrides})

    return config


@pytest.fixture
def untrained(monkeypatch):
    """Trials are as if trained: their scores are made of their depths."""

    def train(config, directory, keep_checkpoints):
        encoder = config["model"]["encoder"]
        score = 0.3 * encoder["ner"]["num_layers"] + 0.2 * encoder["shared"]["num_layers"]
        scores = {"entity_f1": score, "relation_f1": score, "mean_f1": score}
        training = {
            "best_epoch": 0, "epochs": 1, "best": scores, "last": scores, "seconds": 1.0,
            "parameters": {"trainable": 1, "total": 1},
        }  # fmt: skip
        directory.mkdir()
        (directory / "training.json").write_text(json.dumps(training))

    monkeypatch.setattr(search_module, "train", train)


def test_a_study_that_somebody_else_made_runs_nothing(few_steps, small, payload, target, tmp_path):
    """Optuna keeps JSON. Whatever stands in its place is not unpickled."""
    directory = tmp_path / "study"
    directory.mkdir()
    database = directory / "study.db"
    study = optuna.create_study(
        storage=f"sqlite:///{database}", study_name="search", direction="maximize"
    )
    study.set_user_attr("note", "a")
    trial = study.ask({SHARED: IntDistribution(0, 1)})
    trial.set_user_attr("note", "a")
    study.tell(trial, 0.5)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        for table in ("study_user_attributes", "trial_user_attributes"):
            connection.execute(f"UPDATE {table} SET value_json = ?", [pickle.dumps(payload)])
        column = "UPDATE trial_params SET distribution_json = ?"
        connection.execute(column, [pickle.dumps(payload)])
    with pytest.raises((ValueError, TypeError)):
        search(directory, few_steps(), small, source=SOURCE, trials=1, sampler="tpe")
    assert not target.exists()


# The whole


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_every_point_of_a_small_space_is_tried_once(
    few_steps, small, sampler, is_png, tmp_path, capsys
):
    directory = tmp_path / "study"
    with progress_on_stdout():
        search(directory, few_steps(), small, source=SOURCE, trials=9, sampler=sampler)
    study = study_of(directory)
    assert list(study["space"]) == [SHARED, NER, RELATION]
    assert points(study) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]
    assert {trial["state"] for trial in study["trials"]} == {"COMPLETE"}
    scores = [trial["score"] for trial in study["trials"]]
    assert scores == sorted(scores, reverse=True)
    assert "every point of the space has been tried" in capsys.readouterr().out
    for trial in study["trials"]:
        run = directory / f"trial_{trial['number']}"
        training = json.loads((run / "training.json").read_text())
        assert trial["score"] == training["best"]["mean_f1"]
        assert trial["parameters"] == training["parameters"]
        config = Params.from_file(str(run / "config.json"))["model"]["encoder"]
        assert [config[name]["num_layers"] for name in ("shared", "ner", "relation")] == list(
            trial["params"].values()
        )
    best = json.loads((directory / "best_overrides.json").read_text())
    assert best == study["trials"][0]["params"]
    assert is_png(directory / "study.png")
    assert "| 1 | " in (directory / "study.md").read_text()


def test_other_settings_than_depths(few_steps, is_png, tmp_path):
    space = {
        "trainer.optimizer.lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "model.entity_finder.tag_scheme": {"type": "categorical", "choices": ["BIO", "BIOUL"]},
    }
    directory = tmp_path / "study"
    search(
        directory, few_steps(), written(tmp_path, space), source=SOURCE, trials=3, sampler="random"
    )
    study = study_of(directory)
    assert len({trial["params"]["trainer.optimizer.lr"] for trial in study["trials"]}) == 3
    assert is_png(directory / "study.png")


def test_trials_go_on_up_to_their_number(few_steps, small, untrained, tmp_path):
    directory = tmp_path / "study"
    search(directory, few_steps(), small, source=SOURCE, trials=1)
    search(directory, few_steps(), small, source=SOURCE, trials=2)
    search(directory, few_steps(), small, source=SOURCE, trials=2)
    assert len(study_of(directory)["trials"]) == 2
    with pytest.raises(ResumeError, match="trainer.num_epochs was 2 and is 3 now"):
        search(directory, few_steps(**{"trainer.num_epochs": 3}), small, source=SOURCE, trials=2)


def test_no_trial_is_begun_when_the_time_is_up(few_steps, small, tmp_path):
    search(tmp_path / "study", few_steps(), small, source=SOURCE, trials=2, timeout=0.0)
    assert study_of(tmp_path / "study")["trials"] == []


def test_a_pruned_trial_keeps_its_scores_and_no_weights(few_steps, small, monkeypatch, tmp_path):
    directory = tmp_path / "study"
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: trial.number == 1)
    search(directory, few_steps(), small, source=SOURCE, trials=3)
    study = study_of(directory)
    (pruned,) = (trial for trial in study["trials"] if trial["state"] == "PRUNED")
    assert (pruned["number"], pruned["epochs"]) == (1, 1)
    assert pruned["score"] is not None and pruned["parameters"] is not None
    assert study["trials"][-1] == pruned
    assert not list((directory / "trial_1").glob("*.th"))


def test_the_median_pruner_hears_of_every_epoch(few_steps, small, tmp_path):
    directory = tmp_path / "study"
    search(directory, few_steps(), small, source=SOURCE, trials=1)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{directory / 'study.db'}")
    metrics = [
        json.loads((directory / "trial_0" / f"metrics_epoch_{n}.json").read_text()) for n in (0, 1)
    ]
    assert study.trials[0].intermediate_values == {
        number: pytest.approx(one["validation_mean_f1"]) for number, one in enumerate(metrics)
    }


def test_a_training_that_fails_is_told_and_the_others_go_on(few_steps, tmp_path):
    # The sharper rate makes the loss no number.
    space = {"trainer.optimizer.lr": {"type": "categorical", "choices": [1e30, 1e-3]}}
    directory = tmp_path / "study"
    search(
        directory, few_steps(), written(tmp_path, space), source=SOURCE, trials=2, sampler="grid"
    )
    study = study_of(directory)
    assert [trial["state"] for trial in study["trials"]] == ["COMPLETE", "FAIL"]
    assert "nan" in study["trials"][1]["error"]


def test_an_impossible_configuration_is_an_error(few_steps, tmp_path):
    space = {"model.encoder.ner.num_layers": {"type": "categorical", "choices": [-1]}}
    with pytest.raises(ConfigurationError, match="num_layers is -1"):
        search(tmp_path / "study", few_steps(), written(tmp_path, space), source=SOURCE, trials=2)


# Killed, and several at once


def process(directory, space, trials, *arguments):
    """`allennlp search` in a process of its own."""
    return Program(
        "allennlp", "search", "fixtures/tiny.jsonnet", "-s", directory, "--space", space,
        "--trials", trials, *arguments,
        directory=ROOT, variables={"ALLENNLP_LOG_LEVEL": "WARNING"},
    )  # fmt: skip


def test_two_processes_share_a_study_and_a_killed_ones_trial_goes_on(tmp_path, small):
    directory = tmp_path / "study"
    overrides = ["-o", '{"trainer.num_epochs": 6}', "--pruner", "none"]
    killed = process(directory, small, 4, *overrides)
    deadline = time.monotonic() + 100
    # Killed in the middle of its first training.
    while not (directory / "trial_0" / "metrics_epoch_2.json").exists():
        assert killed.returncode is None and time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    both = [process(directory, small, 4, *overrides) for _ in range(2)]
    said = ["".join(one.communicate()) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    study = study_of(directory)
    assert points(study) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]
    assert {trial["state"] for trial in study["trials"]} == {"COMPLETE"}
    assert {trial["epochs"] for trial in study["trials"]} == {6}
    assert "".join(said).count("trial 0: was left behind by a killed process") == 1
    assert "trial_0: resumes from its last checkpoint" in "".join(said)


class Killed(BaseException):
    """Stands for a kill."""


def test_a_trial_that_takes_its_process_down_is_given_up(
    few_steps, small, untrained, monkeypatch, tmp_path
):
    directory = tmp_path / "study"
    with monkeypatch.context() as patch:

        def die(*_):
            raise Killed

        patch.setattr(search_module, "train", die)
        for _ in range(3):
            with pytest.raises(Killed):
                search(directory, few_steps(), small, source=SOURCE, trials=2)
    search(directory, few_steps(), small, source=SOURCE, trials=2)
    states = {trial["number"]: trial for trial in study_of(directory)["trials"]}
    assert (states[0]["state"], states[0]["error"]) == ("FAIL", "its process was killed 3 times")
    assert states[1]["state"] == "COMPLETE"


def test_what_was_killed_before_it_had_begun_is_found_again(
    few_steps, small, untrained, monkeypatch, tmp_path
):
    directory = tmp_path / "study"
    with monkeypatch.context() as patch:

        def die(*_, **__):
            raise Killed

        patch.setattr(Study, "_lock", die)
        with pytest.raises(Killed):
            search(directory, few_steps(), small, source=SOURCE, trials=1)
    search(directory, few_steps(), small, source=SOURCE, trials=1)
    (trial,) = study_of(directory)["trials"]
    assert (trial["number"], trial["state"]) == (0, "COMPLETE")


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_kill_between_two_parameters_leaves_no_trial_without_the_others(
    few_steps, small, untrained, sampler, monkeypatch, tmp_path
):
    suggest = optuna.trial.Trial._suggest
    begun = []

    def dies_at_the_fifth(self, name, distribution):
        begun.append(name)
        # The second parameter of the second trial.
        if len(begun) == 5:
            raise Killed
        return suggest(self, name, distribution)

    def searched(directory):
        search(directory, few_steps(), small, source=SOURCE, trials=3, sampler=sampler)

    searched(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(optuna.trial.Trial, "_suggest", dies_at_the_fifth)
        with pytest.raises(Killed):
            searched(tmp_path / "study")
    searched(tmp_path / "study")
    whole, study = (
        {
            trial["number"]: (trial["params"], trial["score"], trial["state"])
            for trial in study_of(tmp_path / name)["trials"]
        }
        for name in ("whole", "study")
    )
    assert study == whole and len(whole) == 3


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETE])
def test_a_stored_trial_without_all_its_parameters_is_done_anew(
    few_steps, small, untrained, state, tmp_path, capsys
):
    """Earlier versions left such trials when they were killed, and later scored them."""
    directory = tmp_path / "study"
    search(directory, few_steps(), small, source=SOURCE, trials=1)
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{directory / 'study.db'}")
    damaged = study.ask({SHARED: IntDistribution(0, 1)})
    if state == TrialState.COMPLETE:
        study.tell(damaged, 0.99)
    with progress_on_stdout():
        search(directory, few_steps(), small, source=SOURCE, trials=3)
        search(directory, few_steps(), small, source=SOURCE, trials=3)
    found = study_of(directory)
    assert len(found["trials"]) == 3 and 1 not in (t["number"] for t in found["trials"])
    assert {trial["state"] for trial in found["trials"]} == {"COMPLETE"}
    assert len(set(points(found))) == 3
    assert found["trials"][0]["score"] < 0.99
    assert "trial 1: does not count" in capsys.readouterr().out
    assert {t.state for t in optuna.load_study(
        study_name="search", storage=f"sqlite:///{directory / 'study.db'}"
    ).trials} <= {TrialState.COMPLETE, TrialState.FAIL}  # fmt: skip


def test_a_trial_that_ends_while_it_is_looked_at_is_no_orphan(
    few_steps, small, monkeypatch, tmp_path
):
    config, directory = few_steps(), tmp_path / "study"
    directory.mkdir()
    work = Study(config, directory, source=SOURCE, space=read_space(small, config), trials=2)
    trial = work._begin(work._sample([], new=False))
    locked = search_module.locked

    def ended_first(path, **options):
        work.study.tell(trial, 0.5)
        return locked(path, **options)

    monkeypatch.setattr(search_module, "locked", ended_first)
    with contextlib.ExitStack() as stack:
        assert work._orphan(stack) is None


def test_trials_of_another_directory_are_left_alone(few_steps, small, tmp_path, capsys):
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    config = few_steps()
    options = {"source": SOURCE, "trials": 1, "storage": storage, "name": "both"}
    (tmp_path / "there").mkdir()
    there = Study(config, tmp_path / "there", space=read_space(small, config), **options)
    there._begin(there._sample([], new=False))
    with progress_on_stdout():
        search(tmp_path / "here", config, small, **options)
    assert "no trial is left to start; other processes are running 1" in capsys.readouterr().out
    assert study_of(tmp_path / "here")["trials"][0]["state"] == "RUNNING"


# Spaces


def test_the_shipped_space_is_the_default(tiny):
    config = tiny()
    shipped = str(ROOT / "training_config" / "search" / "depths.jsonnet")
    assert read_space(shipped, config) == read_space(None, config)
    assert list(read_space(None, config)) == list(DEPTHS.values()) == list(DEFAULT_SPACE)
    assert points_of(read_space(None, config)) == 64


def test_a_space_has_integers_floats_and_categories(tiny, tmp_path):
    space = {
        "trainer.optimizer.lr": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "trainer.num_epochs": {"type": "int", "low": 1, "high": 9, "step": 4},
        "model.entity_finder.tag_scheme": {"type": "categorical", "choices": ["BIO", "BIOUL"]},
    }
    found = read_space(written(tmp_path, space), tiny())
    assert found == {
        "trainer.optimizer.lr": FloatDistribution(0.1, 0.5, step=0.1),
        "trainer.num_epochs": IntDistribution(1, 9, step=4),
        "model.entity_finder.tag_scheme": CategoricalDistribution(["BIO", "BIOUL"]),
    }
    assert points_of(found) == 5 * 3 * 2


@pytest.mark.parametrize(
    "space, message",
    [
        ({}, "is empty"),
        ({"trainer.epochs": {"type": "int", "low": 0, "high": 1}}, "no 'trainer.epochs'; expected"),
        ({"model.encoder.3": {"type": "int", "low": 0, "high": 1}}, "no 'model.encoder.3'"),
        ({NER: {"type": "integer"}}, "expected an object whose type is one of int, float, cat"),
        ({NER: [0, 1]}, "expected an object whose type is one of"),
        ({NER: {"type": "int", "low": 0, "hihg": 3}}, "has the key 'hihg'; the type 'int' has"),
        ({NER: {"type": "int", "low": 0}}, "high"),
        ({NER: {"type": "int", "low": 3, "high": 0}}, "low"),
        ({NER: {"type": "categorical", "choices": []}}, "choices"),
    ],
)
def test_a_space_that_cannot_be_is_an_error(tiny, tmp_path, space, message):
    with pytest.raises(ConfigurationError, match="--space: ") as error:
        read_space(written(tmp_path, space), tiny())
    assert message in str(error.value)


def test_a_space_that_cannot_be_read_is_an_error(tiny, tmp_path):
    with pytest.raises(ConfigurationError, match="'missing.jsonnet' is not a file"):
        read_space("missing.jsonnet", tiny())
    (tmp_path / "a.jsonnet").write_text("{")
    with pytest.raises(ConfigurationError, match="a.jsonnet cannot be understood"):
        read_space(str(tmp_path / "a.jsonnet"), tiny())


def test_a_grid_needs_finitely_many_points(tiny, tmp_path):
    space = {"trainer.optimizer.lr": {"type": "float", "low": 0.1, "high": 0.5}}
    with pytest.raises(ConfigurationError, match="--sampler grid: the space has a float without"):
        search(
            tmp_path / "study", tiny(), written(tmp_path, space), source=SOURCE, trials=1,
            sampler="grid",
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match="--trials is 0"):
        search(tmp_path / "study", tiny(), None, source=SOURCE, trials=0)
    for timeout in (-1.0, float("nan")):
        with pytest.raises(ConfigurationError, match=f"--timeout is {timeout}; expected 0 sec"):
            search(tmp_path / "s", tiny(), None, source=SOURCE, trials=1, timeout=timeout)


def test_the_objective_is_what_the_trainer_tracks():
    figures = {"entity_f1": 0.5, "relation_f1": 0.25, "loss": 2.0}
    assert objective("+entity_f1", figures) == 0.5
    assert objective("-loss", figures) == -2.0
    assert objective(["+entity_f1", "+relation_f1"], figures) == 0.75
