"""The space of a search: which keys of the configuration vary, and over which values."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from joint_ner_re.experiments.allocation import DEPTHS

DEFAULT_SPACE: dict[str, dict[str, Any]] = {
    key: {"type": "int", "low": 0, "high": 3} for key in DEPTHS.values()
}


def read_space(path: str | None, config: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The space that a jsonnet file describes; by default the three depths.

    # Parameters

    path : `str`, optional
        The file. It holds, for each key of the configuration (with dots), an object such as
        `{"type": "float", "low": 1e-4, "high": 1e-2, "log": true}`.
    config : `Mapping[str, Any]`
        The configuration, which must have every key.

    # Raises

    `ConfigurationError`
        If the file or an entry cannot be understood.
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
    # Jsonnet sorts keys. Put the depths in the order of the layers.
    order = [*DEPTHS.values(), *entries]
    names = [name for name in dict.fromkeys(order) if name in entries]
    space = {name: _distribution(name, entries[name]) for name in names}
    for name in space:
        if not _has(config, name):
            raise ConfigurationError(
                f"--space: the configuration has no {name!r}; expected a key of a training's "
                "config.json, with dots, such as 'trainer.optimizer.lr'"
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
    distribution, known = _KINDS[kind]
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigurationError(
            f"--space: {name} has the key {unknown[0]!r}; the type {kind!r} has "
            f"{', '.join(sorted(known))}"
        )
    try:
        return distribution(**options)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"--space: {name} is {json.dumps(entry)}: {error}") from error


def points_of(space: Mapping[str, BaseDistribution]) -> int | None:
    """The number of points of the space; `None` if it is continuous."""
    if any(isinstance(d, FloatDistribution) and d.step is None for d in space.values()):
        return None
    return math.prod(len(values_of(distribution)) for distribution in space.values())


def values_of(distribution: Any) -> list[Any]:
    """All values of a discrete distribution.

    # Raises

    `ConfigurationError`
        If the distribution is continuous.
    """
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if distribution.step is None:
        raise ConfigurationError(
            "--sampler grid: the space has a float without a step; expected finitely many values"
        )
    count = int(round((distribution.high - distribution.low) / distribution.step)) + 1
    return [distribution.low + number * distribution.step for number in range(count)]
