"""How many layers are shared and how many each task owns: the paper's three hyperparameters."""

from collections.abc import Mapping
from typing import Any

from allennlp.common.checks import ConfigurationError

STACKS = ("shared", "ner", "relation")
# The stacks' depths as keys of a configuration.
DEPTHS = {stack: f"model.encoder.{stack}.num_layers" for stack in STACKS}


def depths_of(config: Mapping[str, Any]) -> dict[str, int]:
    """The depths of a configuration's stacks by name.

    # Raises

    `ConfigurationError`
        If a stack has none.
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
    """Parameters in short: `shared 1, ner 1, relation 2` for depths."""
    names = {key: stack for stack, key in DEPTHS.items()}
    return ", ".join(f"{names.get(key, key)} {short(value)}" for key, value in params.items())


def short(value: Any) -> str:
    """A value for a table: floats have four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
