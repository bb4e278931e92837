"""Searches a space of configurations with Optuna.

Several processes can work on one study. Each chooses its next trial under the study's lock, and
holds the lock of that trial while it works on it. A trial of a killed process is resumed.
"""

import contextlib
import itertools
import random
import shutil
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import optuna
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from joint_ner_re.experiments.allocation import describe
from joint_ner_re.experiments.plots import plot_study
from joint_ner_re.experiments.progress import say
from joint_ner_re.experiments.repetition import Source
from joint_ner_re.experiments.reports import report_lock, write_report
from joint_ner_re.experiments.runs import (
    TRAINING,
    claim,
    count_parameters,
    read_result,
    train,
)
from joint_ner_re.experiments.search_report import study_page, trial_record
from joint_ner_re.experiments.search_space import points_of, read_space, values_of
from joint_ner_re.resumable import locked
from joint_ner_re.training.progress import Epoch, watched
from joint_ner_re.writing import write_json

# How often in a row the sampler may return to points whose scores are known.
MAX_REPEATED = 10
# How often a trial is started if its process is killed each time.
MAX_ATTEMPTS = 3
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Study:
    """An Optuna study and its directory; see `search`."""

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
            # Several processes write the file, and each waits up to 100 s for the others.
            options = {"connect_args": {"timeout": 100}} if url.startswith("sqlite") else None
            pruners = optuna.pruners
            # A model that finds nothing in its first epochs may still become the best.
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
        """Run trials until there are enough or the time is up."""
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
        """The next trial, locked. Trials that killed processes left behind come first."""
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
                        say(f"no trial is left to start; other processes are running {busy}")
                    return None
                params = self._sample(trials, new=repeated == MAX_REPEATED)
                if params is None:
                    say("every point of the space has been tried")
                    return None
                known = _same(trials, params)
                if known is None:
                    trial = self._begin(params)
                    mine = stack.enter_context(locked(self._lock(trial.number)))
                    assert mine, "only a process that has the study's lock starts trials"
                    return trial
                self._repeat(known)
        raise AssertionError("unreachable")

    def _trials(self) -> list[FrozenTrial]:
        """The study's trials, except incomplete ones of earlier versions.

        Earlier versions stored one parameter after the other, so that a killed process left a trial
        without some parameters. It must be neither resumed nor scored.
        """
        return [t for t in self.study.get_trials(deepcopy=False) if self._has_all(t)]

    def _has_all(self, trial: FrozenTrial) -> bool:
        return set(trial.params) >= set(self.space)

    def _set_aside(self) -> None:
        """Mark the trials that lack parameters as failed, and report them."""
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
            # Without a lock file, the trial belongs to another directory or its process was killed
            # just after starting it.
            if not path.exists() and self._elsewhere(frozen):
                continue
            inner = contextlib.ExitStack()
            # Its process may have finished it after we read the list of trials.
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
        """The sampler's next point or, if `new`, an untried one; `None` if all have been tried."""
        # The seed depends on the trial, because processes with one seed would choose the same
        # points.
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
        # Optuna stores sampled parameters one at a time. So sample in a copy of the study in
        # memory: a kill then leaves no incomplete trial behind.
        copy = optuna.create_study(direction="maximize", sampler=sampler)
        copy.add_trials(trials)
        return copy.ask(self.space).params

    def _begin(self, params: Mapping[str, Any]) -> Trial:
        """Store a running trial with all its parameters, in one transaction."""
        return Trial(self.study, self._store(params, TrialState.RUNNING, directory=self._place))

    def _repeat(self, known: FrozenTrial) -> None:
        """Store a trial for a point that the sampler has chosen again, with the known score."""
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
        """Store a trial. Returns its identifier in the storage."""
        trial = optuna.create_trial(
            state=state,
            value=value,
            params=dict(params),
            distributions=self.space,
            user_attrs=attributes,
        )
        return self.study._storage.create_new_trial(self.study._study_id, trial)

    def _untried(self, trials: Sequence[FrozenTrial], seed: int) -> dict[str, Any] | None:
        """An untried point: the first one for a grid, otherwise a random one."""
        tried = {tuple(trial.params.get(name) for name in self.space) for trial in trials}
        values = [values_of(distribution) for distribution in self.space.values()]
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
        """Train with the trial's parameters and report the result to the study."""
        number, params = trial.number, trial.params
        directory = self.directory / f"trial_{number}"
        config = with_overrides(deepcopy(dict(self.config)), params)
        ended = sum(t.state in ENDED and "same_as" not in t.user_attrs for t in self._trials())
        title = f"trial {number} ({ended + 1} of {self.trials}): {describe(params)}"
        say(title)
        try:
            with watched(f"trial {number}", partial(_report_epoch, trial)):
                train(config, directory, self.keep_checkpoints)
        except optuna.TrialPruned as reason:
            say(f"trial {number}: pruned {reason}")
            self.study.tell(trial, state=TrialState.PRUNED)
            if not self.keep_checkpoints:
                for path in directory.glob("*.th"):
                    path.unlink()
        except (RuntimeError, ValueError) as error:
            # For example, the loss is not finite or the model does not fit into the memory.
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
        """Write `study.json`, `.md`, `.png` and `best_overrides.json` for the trials so far."""
        with report_lock(self.directory):
            records = [trial_record(t, self.space) for t in self._trials()]
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
            complete = [r for r in records if r["state"] == "COMPLETE"]
            if complete:
                write_json(self.directory / "best_overrides.json", complete[0]["params"])
            figure = plot_study(study) if complete else None
            write_report(self.directory, "study", study, study_page(study), figure)


def _report_epoch(trial: Trial, epoch: Epoch) -> None:
    """Report an epoch's score to the study, and stop a trial that should be pruned."""
    trial.set_user_attr("parameters", count_parameters(epoch.model))
    trial.set_user_attr("seconds", round(epoch.seconds, 1))
    with warnings.catch_warnings():
        # A trial that resumes from a checkpoint may report an epoch again.
        warnings.simplefilter("ignore", UserWarning)
        trial.report(epoch.score, epoch.number)
    if trial.should_prune():
        raise optuna.TrialPruned(f"after {epoch.number + 1} epochs")


def search(directory: Path, config: Mapping[str, Any], space_file: str | None, **options) -> None:
    """Search for the configuration with the best validation metric.

    # Parameters

    directory : `Path`
        Holds a directory for each trial, and the study's results.
    config : `Mapping[str, Any]`
    space_file : `str`, optional
        See `read_space`.
    options : `Any`
        As for `Study`.
    """
    if options["trials"] < 1:
        raise ConfigurationError(f"--trials is {options['trials']}; expected 1 or more")
    timeout = options.get("timeout")
    if timeout is not None and not timeout >= 0:
        raise ConfigurationError(f"--timeout is {timeout}; expected 0 seconds or more")
    space = read_space(space_file, config)
    if options.get("sampler") == "grid":
        for distribution in space.values():
            values_of(distribution)
    claim(directory, "search", config, space={name: str(d) for name, d in space.items()})
    study = Study(config, directory, space=space, **options)
    study.run()
    study.write()
    best = read_result(directory / "best_overrides.json")
    if best is not None:
        say(f"best: {describe(best)}; all trials: {directory / 'study.md'} (.json, .png)")


def objective(metric: Any, scores: Mapping[str, Any]) -> float:
    """The value of AllenNLP's validation metric (`"+mean_f1"`, or a list). Greater is better."""
    names = [metric] if isinstance(metric, str) else list(metric)
    return sum((-1 if name[0] == "-" else 1) * scores[name[1:]] for name in names)


def _same(trials: Sequence[FrozenTrial], params: Mapping[str, Any]) -> FrozenTrial | None:
    """The trial with this point, running or ended."""
    for trial in trials:
        if trial.params == params and "same_as" not in trial.user_attrs:
            return trial
    return None
