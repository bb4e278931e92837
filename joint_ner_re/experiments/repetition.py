"""Repeats one configuration over folds, over seeds, or over both."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader

from joint_ner_re.corpora import write_corpus
from joint_ner_re.corpora.partitions import split_part
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.experiments.plots import plot_summary
from joint_ner_re.experiments.progress import quiet, say
from joint_ner_re.experiments.reports import command_line, percents, report_lock, write_report
from joint_ner_re.experiments.runs import (
    Run,
    claim,
    data_name,
    perform,
    predictions,
    result,
)
from joint_ner_re.experiments.summary import AVERAGES, summarise, summary_page
from joint_ner_re.sentence import Sentence

READERS = ("dataset_reader", "validation_dataset_reader")
SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")


@dataclass(frozen=True)
class Source:
    """A configuration as the user gave it, for titles and for commands to repeat.

    # Parameters

    path : `str`
        The file.
    overrides : `str`, optional (default = `""`)
        The value of `-o`.
    """

    path: str
    overrides: str = ""

    @property
    def name(self) -> str:
        return data_name(self.path)

    @property
    def options(self) -> list[str]:
        return ["-o", self.overrides] if self.overrides else []


def count_folds(config: Mapping[str, Any]) -> int:
    """The number of folds of the configuration's reader.

    # Raises

    `ConfigurationError`
        If the reader has no folds.
    """
    with quiet():
        reader = DatasetReader.from_params(Params(deepcopy(config["dataset_reader"])))
    if not isinstance(reader, JointReader):
        raise ConfigurationError(
            f"the dataset reader is a {type(reader).__name__}, which has no folds; expected "
            "'joint_ner_re', 'ade' or 'conll04'"
        )
    return reader.partition.count_folds()


def fold_runs(config: Mapping[str, Any], folds: Sequence[int] | None = None) -> list[Run]:
    """One run per fold, trained on its training part and scored on its test part.

    The file is the one of `train_data_path`, whichever part of it that names. Of several training
    files, which must all be parts `#train`, the first one is scored. Without a
    `validation_data_path` no epoch is chosen: the last one is scored.

    # Parameters

    config : `Mapping[str, Any]`
    folds : `Sequence[int]`, optional (default = `None`)
        The numbers of the folds, from 0. Default: all.

    # Raises

    `ConfigurationError`
        If there is no such fold, the training data is not divided into folds, or the test data is
        not a fold's.
    """
    known = range(count_folds(config))
    for fold in known if folds is None else folds:
        if fold not in known:
            raise ConfigurationError(
                f"--folds: there is no fold {fold}; the reader has {len(known)}, from 0 to "
                f"{len(known) - 1}"
            )
    training, path = _training_parts(config["train_data_path"])
    test = config.get("test_data_path") or f"{path}#test"
    if split_part(test)[1] != "test":
        raise ConfigurationError(
            f"test_data_path is {test!r}, but a fold is scored on its own test part; expected a "
            "path that ends in '#test', or none (-o '{\"test_data_path\": null}')"
        )
    runs = []
    for fold in known if folds is None else sorted(set(folds)):
        own = without_fold(config)
        for reader in READERS:
            if own.get(reader):
                own[reader]["fold"] = fold
        own["train_data_path"] = training
        if config.get("validation_data_path"):
            own["validation_data_path"] = f"{path}#dev"
        # Otherwise the words of the test data would get into the vocabulary.
        own.pop("test_data_path", None)
        runs.append(Run(f"fold_{fold}", own, test, "test", {"fold": fold}))
    return runs


def with_each_seed(runs: Sequence[Run], seeds: Sequence[int]) -> list[Run]:
    """These runs with each seed: all of one seed before the next seed."""
    return [
        replace(
            run,
            name=f"{run.name}_seed_{seed}",
            config=with_seed(run.config, seed),
            about={**run.about, "seed": seed},
        )
        for seed in dict.fromkeys(seeds)
        for run in runs
    ]


def _training_parts(paths: str | Sequence[str]) -> tuple[str | list[str], str]:
    """The training part, or parts, of what `train_data_path` names, and the file to score."""
    if isinstance(paths, str):
        path, _ = split_part(paths)
        return f"{path}#train", path
    parts = [split_part(path) for path in paths]
    if any(part != "train" for _, part in parts):
        raise ConfigurationError(
            f"train_data_path is {list(paths)}; expected one file, or parts of files that all end "
            "in '#train': each file is divided into folds"
        )
    return list(paths), parts[0][0]


def without_fold(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without the number of the fold."""
    copy = deepcopy(dict(config))
    for reader in READERS:
        if copy.get(reader):
            copy[reader].pop("fold", None)
    return copy


def seed_runs(
    config: Mapping[str, Any], seeds: Sequence[int], data: str | None = None
) -> list[Run]:
    """One run per seed, scored on the validation data or on other data.

    # Raises

    `ConfigurationError`
        If there is neither validation data nor other data.
    """
    if data is None and not config.get("validation_data_path"):
        raise ConfigurationError(
            "the configuration has no validation_data_path, which chooses the best epoch and "
            "scores the runs; expected one, or other data (--data)"
        )
    part = "validation" if data is None else "test"
    return [
        Run(
            f"seed_{seed}",
            with_seed(config, seed),
            data or config["validation_data_path"],
            part,
            {"seed": seed},
        )
        for seed in dict.fromkeys(seeds)
    ]


def with_seed(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The configuration with this seed for Python, numpy and PyTorch."""
    return {**deepcopy(dict(config)), **dict.fromkeys(SEEDS, seed)}


def without_seeds(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without its seeds."""
    return {name: value for name, value in config.items() if name not in SEEDS}


def cross_validate(
    config: Mapping[str, Any],
    directory: Path,
    source: Source,
    folds: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    keep_checkpoints: bool = False,
) -> None:
    """Train and score every fold; `scores.json`, `.md` and `.png` sum up the results.

    # Parameters

    config : `Mapping[str, Any]`
    directory : `Path`
        Holds a directory for each run. Finished runs are not repeated.
    source : `Source`
    folds : `Sequence[int]`, optional (default = `None`)
        The folds to do now. Default: all. The summary covers all finished runs.
    seeds : `Sequence[int]`, optional (default = `None`)
        Do each fold with each of these seeds. Default: with the configuration's.
    keep_checkpoints : `bool`, optional (default = `False`)
    """
    per_fold = all_runs = fold_runs(config)
    runs = all_runs if folds is None else fold_runs(config, folds)
    common = without_fold(config)
    if seeds is not None:
        runs, common = with_each_seed(runs, seeds), without_seeds(common)
        all_runs = _with_earlier(directory, seeds, lambda seeds: with_each_seed(per_fold, seeds))
    claim(directory, "cross-validate", common, {"test": all_runs[0].data})

    def write() -> str:
        return _write(directory, all_runs, f"Cross-validation of {source.name}", "fold", source)

    perform(runs, directory, keep_checkpoints, write)
    say(write())


def repeat(
    config: Mapping[str, Any],
    directory: Path,
    source: Source,
    seeds: Sequence[int],
    data: str | None = None,
    keep_checkpoints: bool = False,
) -> None:
    """Train and score with several seeds; `scores.json`, `.md` and `.png` sum up the results.

    # Parameters

    config : `Mapping[str, Any]`
    directory : `Path`
        Holds a directory for each seed. Finished seeds are not repeated.
    source : `Source`
    seeds : `Sequence[int]`
    data : `str`, optional (default = `None`)
        The data to score. Default: the validation data.
    keep_checkpoints : `bool`, optional (default = `False`)
    """
    runs = seed_runs(config, seeds, data)
    claim(directory, "repeat", without_seeds(config), {runs[0].part: runs[0].data})
    all_runs = _with_earlier(directory, seeds, lambda seeds: seed_runs(config, seeds, data))

    def write() -> str:
        return _write(directory, all_runs, f"Repetition of {source.name}", "seed", source, data)

    perform(runs, directory, keep_checkpoints, write)
    say(write())


def _with_earlier(
    directory: Path, seeds: Sequence[int], runs_of: Callable[[Sequence[int]], list[Run]]
) -> list[Run]:
    """The runs of these seeds, and of seeds that have finished runs in the directory."""
    names = {path.name.rpartition("seed_")[2] for path in directory.glob("*seed_*/")}
    earlier = runs_of([int(name) for name in names if name.isdigit()])
    done = {run.about["seed"] for run in earlier if result(directory, run) is not None}
    return runs_of(sorted({*seeds, *done}))


def _write(
    directory: Path,
    runs: Sequence[Run],
    title: str,
    kind: str,
    source: Source,
    data: str | None = None,
) -> str:
    """Sum up the finished runs in the directory's report. Returns the main scores as a message."""
    with report_lock(directory):
        return _write_locked(directory, runs, title, kind, source, data)


def _write_locked(
    directory: Path,
    runs: Sequence[Run],
    title: str,
    kind: str,
    source: Source,
    data: str | None,
) -> str:
    found = {run.name: result(directory, run) for run in runs}
    done = [run for run in runs if found[run.name] is not None]
    if not done:
        return "no run is finished yet: nothing to sum up"
    part = runs[0].part
    pooled = {run.name: predictions(directory, run) for run in done} if kind == "fold" else {}
    results = {run.name: found[run.name] or {} for run in done}
    missing = [run for run in runs if found[run.name] is None]
    summary = {
        "title": title,
        "config": source.name,
        "part": part,
        "expected": len(runs),
        "finished": len(done),
        **summarise(results, list(pooled.values()) or None),
    }
    scope = _scope(runs, done, kind)
    note = f"{scope}."
    if missing:
        note = f"**{note}** The rest: `{_rest(directory, source, kind, missing, data)}`"
    by_file: dict[str, list[Sentence]] = {}
    for run in done if pooled else []:
        # A sentence is in one fold, but is predicted with every seed.
        suffix = f"_seed_{run.about['seed']}" if "seed" in run.about else ""
        by_file.setdefault(f"predictions{suffix}.jsonl", []).extend(pooled[run.name][1])
    for name, sentences in by_file.items():
        write_corpus(sentences, directory / name, "jsonl")
    figure = plot_summary(f"{title}, {scope}, F1 on {', '.join(summary['data'])}", summary, part)
    page = summary_page(title, note, summary, part)
    written = write_report(directory, "scores", summary, page, figure)
    scores = summary["scores"]["strict"]
    f1 = ", ".join(f"{name} {percents(scores[f'{p}_f1'])}" for name, p in AVERAGES.items())
    return f"{scope}, strict F1 on the {part} data: {f1}; all scores: {written}"


def _scope(runs: Sequence[Run], done: Sequence[Run], kind: str) -> str:
    """What the finished runs cover, such as `3 of 10 folds`."""

    def counted(name: str, finished: int, expected: int) -> str:
        return f"{expected} {name}" if finished == expected else f"{finished} of {expected} {name}"

    if not {"fold", "seed"} <= runs[0].about.keys():
        return counted(f"{kind}s", len(done), len(runs))
    folds, expected = ({run.about["fold"] for run in some} for some in (done, runs))
    seeds = sorted({run.about["seed"] for run in done})
    return (
        f"{counted('runs', len(done), len(runs))}: {counted('folds', len(folds), len(expected))}, "
        f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
    )


def _rest(
    directory: Path, source: Source, kind: str, missing: Sequence[Run], data: str | None
) -> str:
    """The command that does the missing runs."""
    command = "cross-validate" if kind == "fold" else "repeat"
    numbers: list[str] = []
    for name in ("fold", "seed"):
        found = sorted({run.about[name] for run in missing if name in run.about})
        if found:
            numbers += [f"--{name}s", ",".join(map(str, found))]
    options = [*source.options, *(["--data", data] if data else [])]
    return command_line(command, source.path, "-s", directory, *numbers, *options)
