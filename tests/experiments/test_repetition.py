"""Folds and seeds, whole and interrupted."""

import json

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.training.checkpointer import Checkpointer

from joint_ner_re.corpora import read_corpus
from joint_ner_re.experiments import repetition, runs
from joint_ner_re.experiments.repetition import (
    Source,
    cross_validate,
    fold_runs,
    repeat,
    seed_runs,
    with_seed,
)
from joint_ner_re.experiments.reports import percent
from joint_ner_re.metrics import score
from joint_ner_re.resumable import ResumeError
from joint_ner_re.training import ProgressCallback

SOURCE = Source("some/where/tiny.jsonnet", '{"a": 1}')


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Holds one cross-validation of three folds, made by the first test that asks."""
    return tmp_path_factory.mktemp("finished") / "cv"


@pytest.fixture
def whole(finished, tiny):
    if not finished.exists():
        cross_validate(tiny(), finished, SOURCE)
    return finished


def ids(path):
    return [sentence.id for sentence in read_corpus(path)]


# Cross-validation


def test_every_sentence_is_predicted_once_by_a_model_that_has_not_seen_it(whole, fixtures):
    everything = ids(fixtures / "conll04_spert.json")
    assert sorted(ids(whole / "predictions.jsonl")) == sorted(everything)
    tests = [set(ids(whole / f"fold_{fold}" / "test_predictions.jsonl")) for fold in range(3)]
    assert sum(map(len, tests)) == len(everything)


def test_the_scores_are_those_of_the_predictions(whole, fixtures):
    summary = json.loads((whole / "scores.json").read_text())
    gold = {sentence.id: sentence for sentence in read_corpus(fixtures / "conll04_spert.json")}
    f1 = []
    for fold in range(3):
        predicted = list(read_corpus(whole / f"fold_{fold}" / "test_predictions.jsonl"))
        f1.append(score([gold[s.id] for s in predicted], predicted)["entity_f1"])
    assert summary["scores"]["strict"]["entity_f1"]["mean"] == pytest.approx(sum(f1) / 3)
    assert max(f1) > 0
    pooled = list(read_corpus(whole / "predictions.jsonl"))
    for criterion in ("strict", "boundaries"):
        expected = score([gold[s.id] for s in pooled], pooled, criterion)
        assert summary["pooled"][criterion] == expected


def test_the_best_and_the_last_epoch_are_those_of_allennlps_files(whole):
    training = json.loads((whole / "fold_1" / "training.json").read_text())
    last = json.loads((whole / "fold_1" / "metrics_epoch_2.json").read_text())
    best = json.loads((whole / "fold_1" / "metrics.json").read_text())
    assert training["epochs"] == 3
    assert training["last"]["mean_f1"] == last["validation_mean_f1"]
    assert training["best"]["mean_f1"] == best["best_validation_mean_f1"]
    assert training["best_epoch"] == best["best_epoch"]
    assert 0 < training["seconds"] < 100


def test_a_finished_run_keeps_its_archive_and_no_checkpoints(whole):
    names = {path.name for path in (whole / "fold_0").iterdir()}
    assert {"model.tar.gz", "vocabulary", "config.json", "test_scores.json"} <= names
    assert not [name for name in names if "_state_" in name]


def test_the_picture_and_the_table(whole, is_png):
    assert is_png(whole / "scores.png")
    page = (whole / "scores.md").read_text()
    assert page.startswith("# Cross-validation of tiny.jsonnet\n\n3 folds.\n")
    assert "`conll04_spert.json#test`" in page and "| fold_2 |" in page


def test_nothing_depends_on_where_it_was_run(whole):
    for name in ("scores.json", "scores.md", "predictions.jsonl"):
        assert str(whole.parent) not in (whole / name).read_text()
    assert "/" not in json.loads((whole / "scores.json").read_text())["data"][0]


def test_finished_folds_are_not_done_again(whole, tiny, scores_of, monkeypatch):
    before = scores_of(whole)
    monkeypatch.setattr(runs, "train_model", None)
    monkeypatch.setattr(runs, "load_archive", None)
    (whole / "scores.json").unlink()
    cross_validate(tiny(), whole, SOURCE)
    assert scores_of(whole) == before


def test_some_folds_now_and_the_others_later(whole, tiny, scores_of, tmp_path):
    directory = tmp_path / "cv"
    cross_validate(tiny(), directory, SOURCE, folds=[2])
    page = (directory / "scores.md").read_text()
    assert (
        "**1 of 3 folds.** The rest: `allennlp cross-validate some/where/tiny.jsonnet "
        f"-s {directory} --folds 0,1 -o '{{\"a\": 1}}'`"
    ) in page
    found = scores_of(directory)
    assert (found["finished"], found["expected"]) == (1, 3)
    assert found["scores"]["strict"]["entity_f1"]["standard_deviation"] is None
    cross_validate(tiny(), directory, SOURCE, folds=[1, 0])
    assert scores_of(directory) == scores_of(whole)


def test_folds_and_seeds(tiny, scores_of, tmp_path):
    directory = tmp_path / "cv"
    cross_validate(tiny(), directory, SOURCE, folds=[2], seeds=[2])
    page = (directory / "scores.md").read_text()
    assert "**1 of 3 runs: 1 of 3 folds, seed 2.** The rest: " in page
    cross_validate(tiny(), directory, SOURCE, folds=[0, 2], seeds=[2, 1])
    page = (directory / "scores.md").read_text()
    assert (
        "**4 of 6 runs: 2 of 3 folds, seeds 1, 2.** The rest: `allennlp cross-validate "
        f"some/where/tiny.jsonnet -s {directory} --folds 1 --seeds 1,2 -o '{{\"a\": 1}}'`"
    ) in page
    cross_validate(tiny(), directory, SOURCE, folds=[1], seeds=[2])
    found = scores_of(directory)
    # All folds of one seed, then those of the next.
    done = [(0, 1), (2, 1), (0, 2), (1, 2), (2, 2)]
    names = [f"fold_{fold}_seed_{seed}" for fold, seed in done]
    assert list(found["runs"]) == names
    for name, run in found["runs"].items():
        config = json.loads((directory / name / "config.json").read_text())
        assert config["dataset_reader"]["fold"] == run["fold"] == int(name[5])
        assert config["pytorch_seed"] == run["seed"] == int(name[-1])
    page = (directory / "scores.md").read_text()
    assert "**5 of 6 runs: 3 folds, seeds 1, 2.** The rest: " in page
    f1 = {name: run["scores"]["strict"]["entity_f1"] for name, run in found["runs"].items()}
    means = [(f1[names[0]] + f1[names[1]]) / 2, sum(f1[name] for name in names[2:]) / 3]
    by_seed = [found["by_seed"][seed]["entity_f1"] for seed in ("1", "2")]
    assert [one["mean"] for one in by_seed] == pytest.approx(means)
    assert [one["runs"] for one in by_seed] == [2, 3]
    assert f"| all |  | {percent(sum(means) / 2)} ± " in page and max(means) > 0
    # No sentence is twice in a file of predictions.
    assert not (directory / "predictions.jsonl").exists()
    for seed in (1, 2):
        found_ids = ids(directory / f"predictions_seed_{seed}.jsonl")
        assert len(set(found_ids)) == len(found_ids)
        assert len(found_ids) == sum(
            len(ids(directory / name / "test_predictions.jsonl"))
            for name in names
            if name.endswith(f"seed_{seed}")
        )


def test_seeds_do_not_join_a_directory_without(whole, tiny):
    with pytest.raises(ResumeError, match="random_seed was 13"):
        cross_validate(tiny(), whole, SOURCE, seeds=[1])


def test_a_fold_of_another_process_is_left_to_it(tiny, tmp_path, capsys):
    from joint_ner_re.experiments.progress import progress_on_stdout

    directory = tmp_path / "cv"
    with progress_on_stdout(), runs.locked(directory / ".fold_0.lock") as mine:
        assert mine
        (directory / ".fold_0.lock").touch()
        cross_validate(tiny(), directory, SOURCE, folds=[0])
    out = capsys.readouterr().out
    assert "fold_0 (1 of 1) is in use by another process" in out
    assert "no run is finished yet" in out
    assert not (directory / "fold_0").exists()


# Interrupted


class Killed(BaseException):
    """Stands for a kill: nothing that catches exceptions catches it."""


def killed(action, *arguments, **options):
    with pytest.raises(Killed):
        action(*arguments, **options)


def kill_when(monkeypatch, owner, name, condition=lambda *_, **__: True, after=False):
    original = getattr(owner, name)
    done = []

    def wrapped(*arguments, **options):
        now = not done and condition(*arguments, **options)
        if now:
            done.append(True)
            if not after:
                raise Killed
        found = original(*arguments, **options)
        if now:
            raise Killed
        return found

    monkeypatch.setattr(owner, name, wrapped)


MOMENTS = {
    "before the vocabulary": ("train_model", runs, False),
    "in the first epoch": (0, ProgressCallback, False),
    "in a later epoch": (2, ProgressCallback, False),
    "before the best weights": ("save_checkpoint", Checkpointer, True),
    "after training": ("_training", runs, False),
    "before prediction": ("evaluate", runs, False),
    "between predictions and scores": ("score", runs, False),
    "before the summary": ("_write", repetition, False),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_was_killed_goes_on_to_the_same_scores(
    moment, whole, tiny, scores_of, monkeypatch, tmp_path
):
    what, owner, after = MOMENTS[moment]
    directory = tmp_path / "cv"
    with monkeypatch.context() as patch:
        if isinstance(what, int):
            kill_when(patch, owner, "on_epoch", lambda *_, epoch, **__: epoch == what)
        else:
            kill_when(patch, owner, what, after=after)
        killed(cross_validate, tiny(), directory, SOURCE, folds=[1])
    cross_validate(tiny(), directory, SOURCE, folds=[1])
    assert scores_of(directory)["runs"]["fold_1"] == scores_of(whole)["runs"]["fold_1"]


def test_half_written_files_are_not_taken_for_whole(whole, tiny, scores_of, monkeypatch, tmp_path):
    directory = tmp_path / "cv"
    with monkeypatch.context() as patch:
        kill_when(patch, ProgressCallback, "on_epoch", lambda *_, epoch, **__: epoch == 2)
        killed(cross_validate, tiny(), directory, SOURCE, folds=[1])
    for name in ("training_state_e2_b0.th", "best.th"):
        path = directory / "fold_1" / name
        path.write_bytes(path.read_bytes()[:100])
    (directory / "fold_1" / "model_state_e3_b0.th").write_bytes(b"PK half a file")
    (directory / "fold_1" / "test_scores.json").write_text('{"strict": {')
    cross_validate(tiny(), directory, SOURCE, folds=[1])
    assert scores_of(directory)["runs"]["fold_1"] == scores_of(whole)["runs"]["fold_1"]


def test_a_training_without_patience_left_has_no_more_epochs_after_a_kill(
    tiny, monkeypatch, scores_of, tmp_path
):
    # Nothing is found with such a rate: the first epoch stays the best.
    config = tiny(**{"trainer.optimizer.lr": 1e-9, "trainer.patience": 1, "trainer.num_epochs": 9})
    cross_validate(config, tmp_path / "whole", SOURCE, folds=[0])
    with monkeypatch.context() as patch:
        kill_when(patch, runs, "_training")
        killed(cross_validate, config, tmp_path / "cut", SOURCE, folds=[0])
    cross_validate(config, tmp_path / "cut", SOURCE, folds=[0])
    found = scores_of(tmp_path / "cut")
    assert found == scores_of(tmp_path / "whole")
    assert found["runs"]["fold_0"]["training"]["epochs"] == 2


# Seeds


def test_seeds_are_repeated_and_more_can_be_added(tiny, scores_of, is_png, tmp_path):
    directory = tmp_path / "repeat"
    repeat(tiny(), directory, SOURCE, [3])
    repeat(tiny(), directory, SOURCE, [1])
    found = scores_of(directory)
    assert list(found["runs"]) == ["seed_1", "seed_3"]
    assert found["part"] == "validation" and "pooled" not in found
    assert is_png(directory / "scores.png")
    for name, run in found["runs"].items():
        training = run["training"]
        # What is scored is the best epoch, as AllenNLP scored it.
        assert run["scores"]["strict"]["mean_f1"] == pytest.approx(training["best"]["mean_f1"])
        config = json.loads((directory / name / "config.json").read_text())
        seed = int(name[-1])
        assert run["seed"] == seed
        assert [config[f"{kind}_seed"] for kind in ("random", "numpy", "pytorch")] == [seed] * 3


def test_other_data_can_be_scored_without_training_again(
    tiny, fixtures, monkeypatch, scores_of, tmp_path
):
    directory = tmp_path / "repeat"
    repeat(tiny(), directory, SOURCE, [1])
    monkeypatch.setattr(runs, "train_model", None)
    data = str(fixtures / "conll04_multihead.txt")
    repeat(tiny(), directory, SOURCE, [1], data)
    found = scores_of(directory)
    assert (found["part"], found["data"]) == ("test", ["conll04_multihead.txt"])
    with pytest.raises(ResumeError, match="data.test was .*multihead.txt.* and is"):
        repeat(tiny(), directory, SOURCE, [1], str(fixtures / "conll04_spert.json"))


# Configurations


def test_the_same_directory_is_for_the_same_experiment(whole, tiny):
    with pytest.raises(ResumeError) as error:
        cross_validate(tiny(**{"trainer.num_epochs": 4}), whole, SOURCE)
    assert "trainer.num_epochs was 3 and is 4 now" in str(error.value)
    assert "give another directory with -s" in str(error.value)
    with pytest.raises(ResumeError, match='"cross-validate" and is "repeat" now'):
        repeat(tiny(), whole, SOURCE, [1])


def test_a_directory_of_something_else_is_left_alone(tiny, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ResumeError, match="not empty and was not begun by"):
        cross_validate(tiny(), tmp_path, SOURCE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_parts_of_a_fold(tiny):
    config = tiny(
        **{"train_data_path": "a.json#train", "validation_dataset_reader": {"type": "ade"}}
    )
    (run,) = fold_runs(config, [2])
    assert (run.name, run.data, run.part) == ("fold_2", "a.json#test", "test")
    assert run.config["train_data_path"] == "a.json#train"
    assert run.config["validation_data_path"] == "a.json#dev"
    assert run.config["dataset_reader"]["fold"] == 2
    assert run.config["validation_dataset_reader"]["fold"] == 2
    assert "fold" not in config["dataset_reader"]


def test_the_configurations_own_test_path_is_used(tiny):
    (run,) = fold_runs(tiny(test_data_path="b.json#test"), [0])
    assert run.data == "b.json#test"
    with pytest.raises(
        ConfigurationError, match="test_data_path is 'b.json', but a fold is scored"
    ):
        fold_runs(tiny(test_data_path="b.json"))


def test_of_several_training_files_the_first_is_scored(tiny):
    files = ["a.json#train", "b.json#train"]
    (run,) = fold_runs(tiny(train_data_path=files), [2])
    assert run.data == "a.json#test"
    assert run.config["train_data_path"] == files
    assert run.config["validation_data_path"] == "a.json#dev"


@pytest.mark.parametrize("second", ["b.json", "b.json#entities"])
def test_a_training_file_that_is_not_divided_into_folds_is_an_error(tiny, second):
    """It could hold what is scored."""
    files = ["a.json#train", second]
    with pytest.raises(ConfigurationError, match="train_data_path is .*; expected one file, or"):
        fold_runs(tiny(train_data_path=files), [0])


@pytest.mark.parametrize("fold", [3, -1])
def test_a_fold_that_does_not_exist_is_an_error(tiny, fold):
    with pytest.raises(ConfigurationError, match=f"no fold {fold}; the reader has 3, from 0 to 2"):
        fold_runs(tiny(), [fold])


def test_a_reader_without_folds_is_an_error(tiny):
    config = tiny()
    config["dataset_reader"] = {"type": "sharded", "base_reader": config["dataset_reader"]}
    with pytest.raises(ConfigurationError, match="ShardedDatasetReader, which has no folds"):
        fold_runs(config)


def test_seeds_need_validation_data_or_other_data(tiny):
    config = tiny(validation_data_path=None)
    with pytest.raises(ConfigurationError, match="no validation_data_path"):
        seed_runs(config, [1])
    (run,) = seed_runs(config, [1], "test.json")
    assert (run.data, run.part, run.config["validation_data_path"]) == ("test.json", "test", None)


def test_without_validation_data_the_last_epoch_is_scored(tiny, is_png, tmp_path):
    config = tiny(
        **{
            "validation_data_path": None,
            "dataset_reader.dev_fraction": 0,
            "trainer.num_epochs": 2,
        }
    )
    cross_validate(config, tmp_path / "cv", SOURCE, [0])
    run = json.loads((tmp_path / "cv" / "scores.json").read_text())["runs"]["fold_0"]
    assert run["training"]["best"] == run["training"]["last"] == {}
    assert (run["training"]["epochs"], run["training"]["best_epoch"]) == (2, 1)
    table = (tmp_path / "cv" / "scores.md").read_text()
    assert "No validation data: the last epoch was scored." in table
    assert "which chose" not in table
    assert is_png(tmp_path / "cv" / "scores.png")


def test_a_seed_given_twice_is_one(tiny):
    assert [run.name for run in seed_runs(tiny(), [5, 4, 5])] == ["seed_5", "seed_4"]


def test_a_seed_leaves_the_given_configuration_alone(tiny):
    config = tiny()
    assert with_seed(config, 99)["numpy_seed"] == 99 != config["numpy_seed"]
