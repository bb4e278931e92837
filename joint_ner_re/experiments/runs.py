"""A run trains a configuration into a directory, predicts for a part of the data, and scores it.

A run can be interrupted at any moment, and resumes when it is called again. A step is finished when
its last file exists; that file appears only when it is complete.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

from joint_ner_re.archives import load_archive
from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.experiments.progress import quiet, say
from joint_ner_re.metrics import score
from joint_ner_re.metrics.score import BEST_EPOCH, CRITERIA
from joint_ner_re.models import JointModel
from joint_ner_re.models.joint_model import without_spans
from joint_ner_re.places import check_configuration
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.resumable import ResumeError, compare_settings, in_use, locked, read_settings
from joint_ner_re.sentence import Sentence
from joint_ner_re.training.checkpointer import load_complete
from joint_ner_re.training.progress import watched
from joint_ner_re.writing import write_json

CALLBACK = {"type": "progress"}
# By its current and its former name.
_SHOWS_PROGRESS = (CALLBACK, {"type": "experiment"})
SETTINGS = "settings.json"
TRAINING = "training.json"
_CHECKPOINT = re.compile(r"model_state_e(\d+)_b(\d+)\.th$")


@dataclass(frozen=True)
class Run:
    """A configuration to train, and the data to score it on.

    # Parameters

    name : `str`
        The name of its directory, such as `fold_0`.
    config : `dict[str, Any]`
        The complete configuration.
    data : `str`
        The corpus to score, or a part of it.
    part : `str`, optional (default = `"test"`)
        How file names call that data: `"test"` or `"validation"`.
    about : `dict[str, Any]`, optional
        How this run differs from the others, such as `{"fold": 0}`.
    """

    name: str
    config: dict[str, Any]
    data: str
    part: str = "test"
    about: dict[str, Any] = field(default_factory=dict)


def read_config(path: str, overrides: str = "") -> dict[str, Any]:
    """Read a configuration as `allennlp train` does.

    # Raises

    `FileNotFoundError`
        If there is no such file.
    `ConfigurationError`
        If the file or the overrides cannot be understood.
    """
    check_configuration(path)
    try:
        return Params.from_file(path, overrides).as_dict(quiet=True)
    except (ConfigurationError, RuntimeError, ValueError) as error:
        given = f" with the overrides {overrides}" if overrides else ""
        raise ConfigurationError(
            f"{path}{given} cannot be understood; overrides are a JSON object such as "
            f"'{{\"trainer.num_epochs\": 3}}': {error}"
        ) from error


def read_result(path: Path) -> Any | None:
    """The content of a JSON file; `None` if it does not exist or is incomplete."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def claim(
    directory: Path,
    command: str,
    config: Mapping[str, Any],
    data: Mapping[str, str] | None = None,
    **more: Any,
) -> None:
    """Create the experiment's directory, or make sure that it belongs to the same experiment.

    # Parameters

    directory : `Path`
    command : `str`
        The experiment, such as `"cross-validate"`.
    config : `Mapping[str, Any]`
        The settings that all runs in the directory share.
    data : `Mapping[str, str]`, optional (default = `None`)
        The scored data of each part. Other parts can be scored later.
    more : `Any`
        Other settings that must stay the same.

    # Raises

    `ResumeError`
        If the directory belongs to another experiment or holds something else.
    """
    path = directory / SETTINGS
    other_directory = "give another directory with -s"
    wanted = json.loads(
        json.dumps({"command": command, "config": config, "data": data or {}, **more})
    )
    # List the directory before reading the settings: a process that starts meanwhile writes its
    # settings first.
    names = [p.name for p in directory.iterdir()] if directory.exists() else []
    found = read_settings(path, other_directory)
    if found is None:
        if not all(name.startswith(".") for name in names):
            raise ResumeError(
                f"{directory} is not empty and was not begun by {command}; {other_directory}"
            )
        directory.mkdir(parents=True, exist_ok=True)
        write_json(path, wanted)
        return
    # The data of other parts may be added later, but not changed.
    before = {**found, "data": {**wanted["data"], **found.get("data", {})}}
    now = {**wanted, "data": {**found.get("data", {}), **wanted["data"]}}
    compare_settings(directory, _flat(before), _flat(now), other_directory)
    if now != found:
        write_json(path, now)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the configuration's options at top level, for shorter names in messages."""
    return {**settings, "config": None, **(settings.get("config") or {})}


def perform(
    runs: Sequence[Run],
    directory: Path,
    keep_checkpoints: bool = False,
    after_each: Callable[[], Any] = lambda: None,
) -> None:
    """Do the unfinished runs one after the other, except those that another process is doing.

    # Parameters

    runs : `Sequence[Run]`
    directory : `Path`
        Holds a directory for each run.
    keep_checkpoints : `bool`, optional (default = `False`)
        Whether to keep all checkpoints of a finished training. `model.tar.gz` is always kept.
    after_each : `Callable[[], Any]`, optional
        Called after each finished run.
    """
    started = monotonic()
    for number, run in enumerate(runs, start=1):
        title = f"{run.name} ({number} of {len(runs)})"
        if result(directory, run) is not None:
            say(f"{title}: finished before")
            continue
        with locked(directory / f".{run.name.replace('/', '.')}.lock") as mine:
            if not mine:
                say(in_use(title))
                continue
            complete(run, directory / run.name, title, keep_checkpoints)
        after_each()
        say(f"{title}: finished, {monotonic() - started:.0f} s since the start")


def complete(
    run: Run,
    directory: Path,
    title: str = "",
    keep_checkpoints: bool = False,
) -> None:
    """Train and score one run, or do the rest of it; see `perform`."""
    with watched(title or run.name):
        train(run.config, directory, keep_checkpoints)
        if read_result(directory / f"{run.part}_scores.json") is None:
            evaluate(run, directory)


def result(directory: Path, run: Run) -> dict[str, Any] | None:
    """A finished run's `about`, its `training` (see `train`) and its `scores` (see `evaluate`)."""
    training = read_result(directory / run.name / TRAINING)
    scores = read_result(directory / run.name / f"{run.part}_scores.json")
    if training is None or scores is None:
        return None
    return {**run.about, "training": training, "scores": scores}


def train(config: Mapping[str, Any], directory: Path, keep_checkpoints: bool = False) -> None:
    """Train as `allennlp train` does. An interrupted training resumes.

    Writes `training.json` last: the scores of the best and the last epoch on the validation data,
    the number of parameters, and the seconds.
    """
    if not (directory / TRAINING).exists():
        complete_config = deepcopy(dict(config))
        trainer = complete_config["trainer"]
        callbacks = trainer.get("callbacks") or []
        if not any(callback in _SHOWS_PROGRESS for callback in callbacks):
            trainer["callbacks"] = [*callbacks, CALLBACK]
        params = Params(complete_config)
        recover = _make_recoverable(directory, complete_config)
        if recover:
            say(f"{directory.name}: resumes from its last checkpoint")
        with quiet():
            model = train_model(params, str(directory), recover=recover, return_model=True)
        assert model is not None
        write_json(directory / TRAINING, _training(directory, model))
    if not keep_checkpoints:
        for path in directory.glob("*_state_e*.th"):
            path.unlink()


def _training(directory: Path, model: Model) -> dict[str, Any]:
    best = read_result(directory / "metrics.json") or {}
    epochs = {
        int(path.stem.rpartition("_")[2]): path for path in directory.glob("metrics_epoch_*.json")
    }
    last = read_result(epochs[max(epochs)]) or {}
    return {
        "best_epoch": best.get("best_epoch"),
        "epochs": max(epochs) + 1,
        "best": _validation(best, BEST_EPOCH),
        "last": _validation(last, "validation_"),
        "parameters": count_parameters(model),
        "seconds": best.get("seconds"),
    }


def count_parameters(model: Model) -> dict[str, int]:
    """The number of parameters that a model trains (`trainable`) and has (`total`)."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "trainable": sum(size for size, trainable in sizes if trainable),
        "total": sum(size for size, _ in sizes),
    }


def _validation(metrics: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name[len(prefix) :]: value for name, value in metrics.items() if name.startswith(prefix)
    }


def _make_recoverable(directory: Path, config: Mapping[str, Any]) -> bool:
    """Make sure that AllenNLP can resume from the directory; if not, remove the directory.

    Returns whether AllenNLP can resume.
    """
    if not directory.exists():
        return False
    if read_result(directory / "config.json") == json.loads(json.dumps(config)):
        points = (_CHECKPOINT.search(path.name) for path in directory.glob("model_state_e*.th"))
        for epochs, batches in sorted(
            ((int(point[1]), int(point[2])) for point in points if point), reverse=True
        ):
            model, trainer = (
                directory / f"{kind}_state_e{epochs}_b{batches}.th"
                for kind in ("model", "training")
            )
            if load_complete(model, trainer) is not None:
                return True
            model.unlink()
            with contextlib.suppress(FileNotFoundError):
                trainer.unlink()
    say(f"{directory.name}: has no checkpoint to resume from, so it starts over")
    shutil.rmtree(directory)
    return False


def evaluate(run: Run, directory: Path) -> None:
    """Predict for the run's data and score the predictions.

    Writes `PART_gold.jsonl` and `PART_predictions.jsonl` as they are scored (the reader's overlap
    protocol may have removed entities) and, last, `PART_scores.json` with the scores of
    `joint_ner_re.metrics.score` for each criterion.
    """
    with quiet():
        archive = load_archive(str(directory), cuda_device=device(run.config))
        gold, predicted = predict(archive.model, archive.validation_dataset_reader, run.data)
    if not gold:
        raise ConfigurationError(f"{run.data} has no sentences; expected at least one to score")
    write_corpus(gold, directory / f"{run.part}_gold.jsonl", "jsonl")
    write_corpus(predicted, directory / f"{run.part}_predictions.jsonl", "jsonl")
    scores: dict[str, Any] = {"data": data_name(run.data), "sentences": len(gold)}
    scores.update({name: score(gold, predicted, name) for name in CRITERIA})
    write_json(directory / f"{run.part}_scores.json", scores)


def predict(model: Model, reader: Any, data: str) -> tuple[list[Sentence], list[Sentence]]:
    """The gold sentences of a corpus, and the model's predictions for them as they are scored."""
    if not isinstance(model, JointModel):
        raise ConfigurationError(
            f"the model is a {type(model).__name__}; expected one of the type 'joint_ner_re'"
        )
    fields = [instance["metadata"].metadata for instance in reader.read(data)]
    gold = [field["sentence"] for field in fields]
    predicted = JointPredictor(model, reader).predict_sentences(gold)
    return gold, [without_spans(s, field["dropped"]) for s, field in zip(predicted, fields)]


def predictions(directory: Path, run: Run) -> tuple[list[Sentence], list[Sentence]]:
    """The gold sentences and the predictions that a finished run has written."""
    gold, predicted = (
        list(read_corpus(directory / run.name / f"{run.part}_{kind}.jsonl", "jsonl"))
        for kind in ("gold", "predictions")
    )
    return gold, predicted


def device(config: Mapping[str, Any]) -> int:
    """The device that the configuration trains on: -1 or the number of a GPU."""
    chosen = config.get("trainer", {}).get("cuda_device")
    if chosen is None:
        return 0 if torch.cuda.is_available() else -1
    return int(chosen)


def data_name(path: str) -> str:
    """The last component of a path, which is the same on every machine."""
    return re.split(r"[/\\]", path)[-1]
