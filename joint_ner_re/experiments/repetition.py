"""One configuration, many times: over folds, or over seeds."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
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
from joint_ner_re.experiments.runs import (
    Run,
    claim,
    data_name,
    perform,
    predictions,
    result,
)
from joint_ner_re.experiments.summary import AVERAGES, command_line, markdown, percents, summarise
from joint_ner_re.figures import save_figure
from joint_ner_re.resumable import locked
from joint_ner_re.writing import write_json, write_text

READERS = ("dataset_reader", "validation_dataset_reader")
SEEDS = ("random_seed", "numpy_seed", "pytorch_seed")


@dataclass(frozen=True)
class Source:
    """Where a configuration comes from, for titles and for commands to type again.

    # Parameters

    path : `str`
        The file.
    overrides : `str`, optional (default = `""`)
        What was given with `-o`.
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
    """How many folds the configuration's reader has.

    # Raises

    `ConfigurationError`
        If it is a reader without folds.
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
    """One run a fold: trained on its training part, scored on its test part.

    The file is the one of `train_data_path`, whichever part of it that names. Without a
    `validation_data_path` no epoch is chosen: the last one is scored.

    # Parameters

    config : `Mapping[str, Any]`
    folds : `Sequence[int]`, optional (default = `None`)
        Which, from 0; all when not given.

    # Raises

    `ConfigurationError`
        If there is no such fold, or the test data is not a fold's.
    """
    known = range(count_folds(config))
    for fold in known if folds is None else folds:
        if fold not in known:
            raise ConfigurationError(
                f"--folds: there is no fold {fold}; the reader has {len(known)}, from 0 to "
                f"{len(known) - 1}"
            )
    path = config["train_data_path"]
    if not isinstance(path, str):
        raise ConfigurationError(
            f"train_data_path is {path!r}; expected one file, which is divided into folds"
        )
    path, _ = split_part(path)
    test = config.get("test_data_path") or f"{path}#test"
    if split_part(test)[1] != "test":
        raise ConfigurationError(
            f"test_data_path is {test!r}; a fold is scored on its own test part: expected a path "
            "that ends in '#test', or none (-o '{\"test_data_path\": null}')"
        )
    runs = []
    for fold in known if folds is None else sorted(set(folds)):
        own = without_fold(config)
        for reader in READERS:
            if own.get(reader):
                own[reader]["fold"] = fold
        own["train_data_path"] = f"{path}#train"
        if config.get("validation_data_path"):
            own["validation_data_path"] = f"{path}#dev"
        # It plays no part in training: not even its words are to be known.
        own.pop("test_data_path", None)
        runs.append(Run(f"fold_{fold}", own, test, "test", {"fold": fold}))
    return runs


def without_fold(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without its choice of a fold."""
    copy = deepcopy(dict(config))
    for reader in READERS:
        if copy.get(reader):
            copy[reader].pop("fold", None)
    return copy


def seed_runs(
    config: Mapping[str, Any], seeds: Sequence[int], data: str | None = None
) -> list[Run]:
    """One run a seed, scored on the validation data, or on other data.

    # Raises

    `ConfigurationError`
        If there is neither validation data nor other data.
    """
    if data is None and not config.get("validation_data_path"):
        raise ConfigurationError(
            "the configuration has no validation_data_path; expected one, by which the best epoch "
            "is chosen and the runs are scored, or other data (--data)"
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
    keep_checkpoints: bool = False,
) -> None:
    """Train and score every fold; `scores.json`, `.md` and `.png` say what they come to.

    # Parameters

    config : `Mapping[str, Any]`
    directory : `Path`
        With a directory for each fold. Folds that are finished are not done again.
    source : `Source`
    folds : `Sequence[int]`, optional (default = `None`)
        Which to do now; all when not given. The summary has all that are finished.
    keep_checkpoints : `bool`, optional (default = `False`)
    """
    all_runs = fold_runs(config)
    runs = all_runs if folds is None else fold_runs(config, folds)
    claim(directory, "cross-validate", without_fold(config), {"test": all_runs[0].data})

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
    """Train and score with several seeds; `scores.json`, `.md` and `.png` say what they come to.

    # Parameters

    config : `Mapping[str, Any]`
    directory : `Path`
        With a directory for each seed. Seeds that are finished are not done again.
    source : `Source`
    seeds : `Sequence[int]`
    data : `str`, optional (default = `None`)
        What to score; the validation data when not given.
    keep_checkpoints : `bool`, optional (default = `False`)
    """
    runs = seed_runs(config, seeds, data)
    claim(directory, "repeat", without_seeds(config), {runs[0].part: runs[0].data})
    before = [
        run
        for run in seed_runs(config, _seeds_in(directory), data)
        if result(directory, run) is not None and run.name not in {other.name for other in runs}
    ]
    all_runs = sorted([*before, *runs], key=lambda run: run.about["seed"])

    def write() -> str:
        return _write(directory, all_runs, f"Repetition of {source.name}", "seed", source, data)

    perform(runs, directory, keep_checkpoints, write)
    say(write())


def _seeds_in(directory: Path) -> list[int]:
    names = (path.name.partition("_")[2] for path in directory.glob("seed_*"))
    return [int(name) for name in names if name.isdigit()]


def _write(
    directory: Path,
    runs: Sequence[Run],
    title: str,
    kind: str,
    source: Source,
    data: str | None = None,
) -> str:
    """Write what the finished ones of `runs` come to, if there are any; returns it in short."""
    with locked(directory / ".writing.lock", wait=True):
        return _write_alone(directory, runs, title, kind, source, data)


def _write_alone(
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
    pooled = [predictions(directory, run) for run in done] if kind == "fold" else None
    results = {run.name: found[run.name] or {} for run in done}
    missing = [run.about[kind] for run in runs if found[run.name] is None]
    summary = {
        "title": title,
        "config": source.name,
        "part": part,
        "expected": len(runs),
        "finished": len(done),
        **summarise(results, pooled),
    }
    scope = f"{len(done)} of {len(runs)} {kind}s" if missing else f"{len(runs)} {kind}s"
    notes = [
        f"{scope}."
        if not missing
        else f"**{scope}.** " + _rest(directory, source, kind, missing, data)
    ]
    if pooled is not None:
        write_corpus(
            [sentence for _, predicted in pooled for sentence in predicted],
            directory / "predictions.jsonl",
            "jsonl",
        )
    write_json(directory / "scores.json", summary)
    write_text(directory / "scores.md", markdown(title, notes, summary, part))
    picture = plot_summary(f"{title}, {scope}, F1 on {', '.join(summary['data'])}", summary, part)
    save_figure(picture, directory / "scores.png")
    figures = summary["scores"]["strict"]
    f1 = ", ".join(f"{name} {percents(figures[f'{p}_f1'])}" for name, p in AVERAGES.items())
    return (
        f"{scope}, strict F1 on the {part} data: {f1}; all scores: {directory / 'scores.md'} "
        "(.json, .png)"
    )


def _rest(
    directory: Path, source: Source, kind: str, missing: Sequence[int], data: str | None
) -> str:
    command = "cross-validate" if kind == "fold" else "repeat"
    numbers = ",".join(map(str, missing))
    options = [*source.options, *(["--data", data] if data else [])]
    line = command_line(command, source.path, "-s", directory, f"--{kind}s", numbers, *options)
    return f"The rest: `{line}`"
