"""The allocation of layers: how many are shared, and how many belong to each task."""

from collections.abc import Mapping
from typing import Any

from allennlp.common.checks import ConfigurationError

STACKS = ("shared", "ner", "relation")
# The configuration's key for the depth of each stack.
DEPTHS = {stack: f"model.encoder.{stack}.num_layers" for stack in STACKS}


def depths_of(config: Mapping[str, Any]) -> dict[str, int]:
    """The depth of each stack in a configuration.

    # Raises

    `ConfigurationError`
        If a stack has no depth.
    """
    depths = {}
    for stack, key in DEPTHS.items():
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(
                f"the configuration's {key} is {value!r}; expected a number of layers, as an "
                "encoder of the type 'bi_rnn' has"
            )
        depths[stack] = value
    return depths


def describe(params: Mapping[str, Any]) -> str:
    """Parameters in short form, such as `shared 1, ner 1, relation 2`."""
    names = {key: stack for stack, key in DEPTHS.items()}
    return ", ".join(f"{names.get(key, key)} {short(value)}" for key, value in params.items())


def short(value: Any) -> str:
    """A value for a table. Floats are rounded to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
