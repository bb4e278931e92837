"""Bounds for numbers in a configuration: errors name the option before memory is taken.

This package's modules call these functions in their constructors. Modules of AllenNLP, torch and
others do not, so `check_module_sizes` looks at their options.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from allennlp.common.checks import ConfigurationError
from torch import nn

# Of any one size. Recurrent layers of this size would not fit into any machine's memory.
MAX_UNITS = 16_384
MAX_LAYERS = 1_000
# Of the weights of one part: 4 GB in single precision, and four times that in training.
MAX_WEIGHTS = 2**30

# What modules call their numbers of layers and their widths. A vocabulary's size is not among them.
_LAYERS = re.compile(r"num_(layers|highway|.*_layers)")
_WIDTHS = re.compile(
    r".*(hidden|embedding|projection|input|output|feedforward|cell).*_(size|dim|dims)"
    r"|num_filters|num_.*heads"
)
# The widths of stacked layers: each has the product of its own and the one below
# as weights, at least.
_STACKED = ("hidden_size", "hidden_dim", "hidden_dims")


def check_module_sizes(cls: type, options: Mapping[str, Any], path: str) -> None:
    """Check the sizes of a module that is not this package's, such as AllenNLP's `lstm`.

    # Parameters

    cls : `type`
        The class that the configuration chooses; one that is no `torch.nn.Module` is passed over.
    options : `Mapping[str, Any]`
        The options for it.
    path : `str`
        Where they are in the configuration, such as `"model.encoder.shared"`.

    # Raises

    `ConfigurationError`
        If there are more than `MAX_LAYERS` layers, a size is larger than `MAX_UNITS`, or the
        layers together have more than `MAX_WEIGHTS` weights.
    """
    if not issubclass(cls, nn.Module) or cls.__module__.split(".")[0] == __name__.split(".")[0]:
        return
    layers, widths = 1, {}
    for key, value in options.items():
        is_depth = bool(_LAYERS.fullmatch(key))
        numbers = [n for n in (value if isinstance(value, list) else [value]) if type(n) is int]
        if not numbers or not (is_depth or _WIDTHS.fullmatch(key)):
            continue
        for number in numbers:
            check_size(f"{path}.{key}", number, 0, MAX_LAYERS if is_depth else MAX_UNITS)
        if key == "num_layers":
            layers = max(numbers)
        elif key in _STACKED:
            widths[key] = numbers
    for key, numbers in widths.items():
        if not isinstance(options[key], list):
            numbers = [*numbers, *numbers * layers]
        check_weights(
            f"{path}.{key} is {options[key]} in {layers} layers, at least",
            sum(below * above for below, above in pairwise(numbers)),
        )


def check_probability(name: str, value: float) -> None:
    """Raise a `ConfigurationError` unless `value` is in [0, 1)."""
    if not 0 <= value < 1:
        raise ConfigurationError(f"{name} is {value}; expected at least 0 and less than 1")


def check_size(name: str, value: int, least: int = 1, most: int = MAX_UNITS) -> None:
    """Raise a `ConfigurationError` unless `value` is in [least, most]."""
    if not least <= value <= most:
        raise ConfigurationError(f"{name} is {value}; expected {least} or more, at most {most}")


def check_weights(names: str, count: int) -> None:
    """Raise a `ConfigurationError` if a part would have more weights than can be held.

    `names` are the options that this comes of.
    """
    if count > MAX_WEIGHTS:
        raise ConfigurationError(
            f"{names}: {count} weights, {count * 4 / 1e9:.0f} GB; expected at most {MAX_WEIGHTS}: "
            "choose smaller ones"
        )
