"""Searching a space of configurations with Optuna.

Several processes can work on one study: each chooses its next trial under the study's lock, and a
trial's own lock shows whether its process is alive. The trial of a killed process is resumed.
"""

import contextlib
import itertools
import json
import math
import random
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from time import monotonic
from typing import Any

import optuna
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial, TrialState

from joint_ner_re.experiments.allocation import DEPTHS, describe, short
from joint_ner_re.experiments.plots import plot_study
from joint_ner_re.experiments.progress import say
from joint_ner_re.experiments.repetition import Source
from joint_ner_re.experiments.runs import (
    TRAINING,
    claim,
    count_parameters,
    read_result,
    train,
)
from joint_ner_re.figures import save_figure
from joint_ner_re.resumable import locked
from joint_ner_re.tables import markdown_table
from joint_ner_re.training.callbacks import Epoch, watched
from joint_ner_re.writing import write_json, write_text

DEFAULT_SPACE: dict[str, dict[str, Any]] = {
    key: {"type": "int", "low": 0, "high": 3} for key in DEPTHS.values()
}
# How often in a row the sampler may come back to points whose scores are known.
MAX_REPEATED = 10
# How often a trial is begun whose process is killed each time.
MAX_ATTEMPTS = 3
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def read_space(path: str | None, config: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The space of a jsonnet file; the three depths without one.

    # Parameters

    path : `str`, optional
        The file: per key of the configuration, with dots, an object such as
        `{"type": "float", "low": 1e-4, "high": 1e-2, "log": true}`.
    config : `Mapping[str, Any]`
        Must have every key.

    # Raises

    `ConfigurationError`
        If the file, or an entry, cannot be understood.
    """
    entries: Mapping[str, Any] = DEFAULT_SPACE
    if path is not None:
        if not Path(path).is_file():
            raise ConfigurationError(f"--space: {path!r} is not a file")
        try:
            entries = Params.from_file(path).as_dict(quiet=True)
        except (ConfigurationError, RuntimeError) as error:
            raise ConfigurationError(f"--space: {path} cannot be understood: {error}") from error
    if not entries:
        raise ConfigurationError(f"--space: {path} is empty; expected at least one key")
    # Jsonnet sorts keys; the depths read better in the order in which a sentence passes them.
    order = [*DEPTHS.values(), *entries]
    names = [name for name in dict.fromkeys(order) if name in entries]
    space = {name: _distribution(name, entries[name]) for name in names}
    for name in space:
        if not _has(config, name):
            raise ConfigurationError(
                f"--space: the configuration has no {name!r}; expected a key that is visible in "
                "the config.json of a training, with dots, such as 'trainer.optimizer.lr'"
            )
    return space


def _has(config: Any, name: str) -> bool:
    for key in name.split("."):
        if isinstance(config, list) and key.isdigit() and int(key) < len(config):
            config = config[int(key)]
        elif isinstance(config, dict) and key in config:
            config = config[key]
        else:
            return False
    return True


_KINDS: dict[str, Any] = {
    "int": (IntDistribution, {"low", "high", "log", "step"}),
    "float": (FloatDistribution, {"low", "high", "log", "step"}),
    "categorical": (CategoricalDistribution, {"choices"}),
}


def _distribution(name: str, entry: Any) -> BaseDistribution:
    options = dict(entry) if isinstance(entry, dict) else {}
    kind = options.pop("type", None)
    if kind not in _KINDS:
        raise ConfigurationError(
            f"--space: {name} is {json.dumps(entry)}; expected an object whose type is one of "
            f"{', '.join(_KINDS)}"
        )
    made, known = _KINDS[kind]
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigurationError(
            f"--space: {name} has the key {unknown[0]!r}; the type {kind!r} has "
            f"{', '.join(sorted(known))}"
        )
    try:
        return made(**options)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"--space: {name} is {json.dumps(entry)}: {error}") from error


def points_of(space: Mapping[str, BaseDistribution]) -> int | None:
    """How many points the space has; `None` where it is continuous."""
    if any(isinstance(d, FloatDistribution) and d.step is None for d in space.values()):
        return None
    return math.prod(len(_values(distribution)) for distribution in space.values())


def _values(distribution: Any) -> list[Any]:
    """All values of a distribution that has finitely many."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if distribution.step is None:
        raise ConfigurationError(
            "--sampler grid: the space has a float without a step; expected finitely many values"
        )
    count = int(round((distribution.high - distribution.low) / distribution.step)) + 1
    return [distribution.low + number * distribution.step for number in range(count)]


class Search:
    """One study in its directory; see `search`."""

    def __init__(
        self,
        config: Mapping[str, Any],
        directory: Path,
        source: Source,
        space: Mapping[str, BaseDistribution],
        trials: int,
        storage: str | None = None,
        name: str = "search",
        sampler: str = "tpe",
        pruner: str = "median",
        timeout: float | None = None,
        keep_checkpoints: bool = False,
    ) -> None:
        self.config = config
        self.directory = directory
        self.source = source
        self.space = dict(space)
        self.trials = trials
        self.sampler = sampler
        self.timeout = timeout
        self.keep_checkpoints = keep_checkpoints
        self._place = str(directory.resolve())
        self.metric = config["trainer"].get("validation_metric", "-loss")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with locked(directory / ".study.lock", wait=True):
            url = storage or f"sqlite:///{directory / 'study.db'}"
            # Several processes write: each waits for the others.
            options = {"connect_args": {"timeout": 100}} if url.startswith("sqlite") else None
            pruners = optuna.pruners
            # In its first epochs a model may find nothing at all, and still become the best.
            epochs = config["trainer"].get("num_epochs", 20)
            self.study = optuna.create_study(
                storage=optuna.storages.RDBStorage(url, engine_kwargs=options),
                study_name=name,
                direction="maximize",
                pruner=pruners.MedianPruner(n_warmup_steps=epochs // 3)
                if pruner == "median"
                else pruners.NopPruner(),
                load_if_exists=True,
            )
            self._set_aside()

    def run(self) -> None:
        """Do trials until there are enough, or the time is up."""
        started = monotonic()
        while self.timeout is None or monotonic() - started < self.timeout:
            with contextlib.ExitStack() as stack:
                trial = self._next(stack)
                if trial is None:
                    break
                self._perform(trial)
            self.write()
        else:
            say(f"the time of {self.timeout:.0f} s is up")

    def _next(self, stack: contextlib.ExitStack) -> Trial | None:
        """A trial to work on, locked; one that a killed process left behind comes first."""
        with locked(self.directory / ".study.lock", wait=True):
            orphan = self._orphan(stack)
            if orphan is not None:
                return orphan
            for repeated in itertools.count():
                trials = self._trials()
                own = [trial for trial in trials if "same_as" not in trial.user_attrs]
                if len(own) >= self.trials:
                    busy = sum(trial.state == TrialState.RUNNING for trial in own)
                    if busy:
                        say(f"no trial is left to begin; {busy} are with other processes")
                    return None
                params = self._sample(trials, new=repeated == MAX_REPEATED)
                if params is None:
                    say("every point of the space has been tried")
                    return None
                known = _same(trials, params)
                if known is None:
                    trial = self._begin(params)
                    mine = stack.enter_context(locked(self._lock(trial.number)))
                    assert mine, "only a process that has the study's lock begins trials"
                    return trial
                self._repeat(known)
        raise AssertionError("unreachable")

    def _trials(self) -> list[FrozenTrial]:
        """The study's trials, except those of earlier versions that lack parameters.

        Earlier versions stored one parameter after the other. A process that was killed in between
        left a trial without the others, which must be neither resumed nor scored.
        """
        return [t for t in self.study.get_trials(deepcopy=False) if self._has_all(t)]

    def _has_all(self, trial: FrozenTrial) -> bool:
        return set(trial.params) >= set(self.space)

    def _set_aside(self) -> None:
        """Fail the trials without all their parameters, and say so; `_trials` leaves them out."""
        for trial in self.study.get_trials(deepcopy=False):
            if self._has_all(trial) or self._elsewhere(trial):
                continue
            if trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)
            say(
                f"trial {trial.number}: does not count, because its process was killed before all "
                "its parameters were stored"
            )

    def _lock(self, number: int) -> Path:
        return self.directory / f".trial_{number}.lock"

    def _orphan(self, stack: contextlib.ExitStack) -> Trial | None:
        for frozen in self._trials():
            if frozen.state != TrialState.RUNNING:
                continue
            path = self._lock(frozen.number)
            # A trial without a lock file here belongs to another directory, or its process was
            # killed just after beginning it.
            if not path.exists() and self._elsewhere(frozen):
                continue
            inner = contextlib.ExitStack()
            # Its process may have ended it since the list of trials was read.
            if not inner.enter_context(locked(path)) or not self._is_running(frozen.number):
                inner.close()
                continue
            attempts = frozen.user_attrs.get("attempts", 1)
            trial = Trial(self.study, frozen._trial_id)
            if attempts >= MAX_ATTEMPTS:
                inner.close()
                trial.set_user_attr("error", f"its process was killed {attempts} times")
                self.study.tell(frozen.number, state=TrialState.FAIL)
                continue
            stack.push(inner)
            trial.set_user_attr("attempts", attempts + 1)
            say(f"trial {frozen.number}: was left behind by a killed process")
            return trial
        return None

    def _is_running(self, number: int) -> bool:
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return number in (trial.number for trial in running)

    def _elsewhere(self, frozen: FrozenTrial) -> bool:
        return frozen.user_attrs.get("directory", self._place) != self._place

    def _sample(self, trials: Sequence[FrozenTrial], new: bool) -> dict[str, Any] | None:
        """The sampler's next point, or one that is new; `None` when there is no new one."""
        # Every trial has a seed of its own: processes that share one would begin alike.
        seed = int(self.config.get("random_seed") or 0) + len(trials)
        finite = points_of(self.space) is not None
        point = self._untried(trials, seed) if finite else None
        if finite and point is None:
            return None
        if point is not None and (new or self.sampler == "grid"):
            return point
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = (
                optuna.samplers.TPESampler(seed=seed, constant_liar=True)
                if self.sampler == "tpe"
                else optuna.samplers.RandomSampler(seed=seed)
            )
        # Optuna stores what it samples one parameter at a time. In a copy of the study in memory
        # a kill in between leaves nothing behind.
        copy = optuna.create_study(direction="maximize", sampler=sampler)
        copy.add_trials(trials)
        return copy.ask(self.space).params

    def _begin(self, params: Mapping[str, Any]) -> Trial:
        """Store a running trial with all its parameters, in one transaction."""
        return Trial(self.study, self._store(params, TrialState.RUNNING, directory=self._place))

    def _repeat(self, known: FrozenTrial) -> None:
        """Store that the sampler has come back to the point of another trial, and its score."""
        complete = known.state == TrialState.COMPLETE
        self._store(
            known.params,
            TrialState.COMPLETE if complete else TrialState.FAIL,
            known.value if complete else None,
            same_as=known.number,
            directory=self._place,
        )

    def _store(
        self,
        params: Mapping[str, Any],
        state: TrialState,
        value: float | None = None,
        **attributes: Any,
    ) -> int:
        """Store a trial; returns the identifier that the storage gives it."""
        trial = optuna.create_trial(
            state=state,
            value=value,
            params=dict(params),
            distributions=self.space,
            user_attrs=attributes,
        )
        return self.study._storage.create_new_trial(self.study._study_id, trial)

    def _untried(self, trials: Sequence[FrozenTrial], seed: int) -> dict[str, Any] | None:
        """A point that no trial has tried: the first one for a grid, otherwise a random one."""
        tried = {tuple(trial.params.get(name) for name in self.space) for trial in trials}
        values = [_values(distribution) for distribution in self.space.values()]
        if self.sampler != "grid":
            numbers = random.Random(seed)
            for _ in range(1000):
                point = tuple(numbers.choice(some) for some in values)
                if point not in tried:
                    return dict(zip(self.space, point))
        for point in itertools.product(*values):
            if point not in tried:
                return dict(zip(self.space, point))
        return None

    def _perform(self, trial: Trial) -> None:
        """Train with the trial's parameters and tell the study what came of it."""
        number, params = trial.number, trial.params
        directory = self.directory / f"trial_{number}"
        config = with_overrides(deepcopy(dict(self.config)), params)

        def on_epoch(epoch: Epoch) -> None:
            trial.set_user_attr("parameters", count_parameters(epoch.model))
            trial.set_user_attr("seconds", round(epoch.seconds, 1))
            with warnings.catch_warnings():
                # A trial that goes on from a checkpoint may report an epoch again.
                warnings.simplefilter("ignore", UserWarning)
                trial.report(epoch.score, epoch.number)
            if trial.should_prune():
                raise optuna.TrialPruned(f"after {epoch.number + 1} epochs")

        ended = sum(t.state in ENDED and "same_as" not in t.user_attrs for t in self._trials())
        title = f"trial {number} ({ended + 1} of {self.trials}): {describe(params)}"
        say(title)
        try:
            with watched(f"trial {number}", on_epoch):
                train(config, directory, self.keep_checkpoints)
        except optuna.TrialPruned as reason:
            say(f"trial {number}: pruned {reason}")
            self.study.tell(trial, state=TrialState.PRUNED)
            if not self.keep_checkpoints:
                for path in directory.glob("*.th"):
                    path.unlink()
        except (RuntimeError, ValueError) as error:
            # Such as a loss that is no number, or a model that the memory cannot hold.
            say(f"trial {number}: failed: {error}")
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            shutil.rmtree(directory, ignore_errors=True)
        except ConfigurationError as error:
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            training = read_result(directory / TRAINING) or {}
            trial.set_user_attr("parameters", training["parameters"])
            trial.set_user_attr("seconds", training["seconds"])
            trial.set_user_attr("best_epoch", training["best_epoch"])
            self.study.tell(trial, objective(self.metric, training["best"]))

    def write(self) -> None:
        """Write `study.json`, `.md`, `.png` and `best_overrides.json`: what there is so far."""
        with locked(self.directory / ".writing.lock", wait=True):
            records = [_record(t, self.space) for t in self._trials()]
            records = [r for r in records if r["same_as"] is None]
            order = {"COMPLETE": 0, "PRUNED": 1, "RUNNING": 2}
            records.sort(key=lambda r: (order.get(r["state"], 3), -(r["score"] or 0), r["number"]))
            study = {
                "title": f"Search from {self.source.name}",
                "config": self.source.name,
                "data": Path(str(self.config.get("validation_data_path"))).name,
                "metric": self.metric,
                "sampler": self.sampler,
                "space": {name: str(d) for name, d in self.space.items()},
                "trials": records,
            }
            write_json(self.directory / "study.json", study)
            write_text(self.directory / "study.md", _markdown(study))
            complete = [r for r in records if r["state"] == "COMPLETE"]
            if complete:
                write_json(self.directory / "best_overrides.json", complete[0]["params"])
                save_figure(plot_study(study), self.directory / "study.png")


def search(directory: Path, config: Mapping[str, Any], space_file: str | None, **options) -> None:
    """Search for the configuration with the best validation metric.

    # Parameters

    directory : `Path`
        With a directory for each trial, and the study's results.
    config : `Mapping[str, Any]`
    space_file : `str`, optional
        See `read_space`.
    options : `Any`
        As for `Search`.
    """
    if options["trials"] < 1:
        raise ConfigurationError(f"--trials is {options['trials']}; expected 1 or more")
    timeout = options.get("timeout")
    if timeout is not None and not timeout >= 0:
        raise ConfigurationError(f"--timeout is {timeout}; expected 0 seconds or more")
    space = read_space(space_file, config)
    if options.get("sampler") == "grid":
        for distribution in space.values():
            _values(distribution)
    claim(directory, "search", config, space={name: str(d) for name, d in space.items()})
    work = Search(config, directory, space=space, **options)
    work.run()
    work.write()
    best = read_result(directory / "best_overrides.json")
    if best is not None:
        say(f"best: {describe(best)}; all trials: {directory / 'study.md'} (.json, .png)")


def objective(metric: Any, figures: Mapping[str, Any]) -> float:
    """A validation metric of AllenNLP's (`"+mean_f1"`, or several), greater being better."""
    names = [metric] if isinstance(metric, str) else list(metric)
    return sum((-1 if name[0] == "-" else 1) * figures[name[1:]] for name in names)


def _same(trials: Sequence[FrozenTrial], params: Mapping[str, Any]) -> FrozenTrial | None:
    """The trial that has tried this point, or is trying it."""
    for trial in trials:
        if trial.params == params and "same_as" not in trial.user_attrs:
            return trial
    return None


def _record(trial: FrozenTrial, names: Iterable[str]) -> dict[str, Any]:
    attributes = trial.user_attrs
    reported = trial.intermediate_values
    return {
        "number": trial.number,
        "state": trial.state.name,
        # A pruned trial's is the best that it came to.
        "score": trial.value
        if trial.state == TrialState.COMPLETE
        else max(reported.values(), default=None),
        "params": {name: trial.params.get(name) for name in names},
        "parameters": attributes.get("parameters"),
        "epochs": len(reported),
        "best_epoch": attributes.get("best_epoch"),
        "seconds": attributes.get("seconds"),
        "same_as": attributes.get("same_as"),
        "error": attributes.get("error"),
    }


def _markdown(study: Mapping[str, Any]) -> str:
    names = list(study["space"])
    stacks = {key: f"{stack} layers" for stack, key in DEPTHS.items()}
    counts: dict[str, int] = {}
    for record in study["trials"]:
        counts[record["state"]] = counts.get(record["state"], 0) + 1
    rows = [
        [
            record["number"],
            *(short(record["params"].get(name, "-")) for name in names),
            "-" if record["score"] is None else f"{record['score']:.4f}",
            f"{record['parameters']['trainable']:,}" if record["parameters"] else "-",
            record["epochs"],
            "-" if record["seconds"] is None else f"{record['seconds']:.0f}",
            record["state"].lower() + (f": {record['error']}" if record["error"] else ""),
        ]
        for record in study["trials"]
    ]
    states = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
    return (
        "\n\n".join(
            [
                f"# {study['title']}",
                f"{len(study['trials'])} trials ({states}), sampler {study['sampler']}; the score "
                f"is `{study['metric']}` on `{study['data']}` in the best epoch. Best first; a "
                "trial that is pruned or goes on has its best score so far.",
                markdown_table(
                    [
                        "trial",
                        *(stacks.get(name, name) for name in names),
                        "score",
                        "trainable parameters",
                        "epochs",
                        "seconds",
                        "state",
                    ],
                    rows,
                ),
                "To train the best one again: "
                '`allennlp train CONFIG -s DIR -o "$(cat best_overrides.json)"`',
            ]
        )
        + "\n"
    )
