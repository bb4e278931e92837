"""Bounds for numbers in a configuration, checked before any memory is allocated.

This package's modules call these functions in their constructors. For modules of AllenNLP, torch
and other libraries, `check_module_sizes` checks the options.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from allennlp.common.checks import ConfigurationError
from torch import nn

# Larger recurrent layers do not fit into any machine's memory.
MAX_UNITS = 16_384
MAX_LAYERS = 1_000
# Per module. These are 4 GB in single precision, and four times that in training.
MAX_WEIGHTS = 2**30

# Option names for numbers of layers and for widths. Sizes of vocabularies do not match.
_LAYERS = re.compile(r"num_(layers|highway|.*_layers)")
_WIDTHS = re.compile(
    r".*(hidden|embedding|projection|input|output|feedforward|cell).*_(size|dim|dims)"
    r"|num_filters|num_.*heads"
)
# Widths of stacked layers: a layer has at least its width times the width below as weights.
_STACKED = ("hidden_size", "hidden_dim", "hidden_dims")


def check_module_sizes(cls: type, options: Mapping[str, Any], path: str) -> None:
    """Check the sizes of another library's module, such as AllenNLP's `lstm`.

    # Parameters

    cls : `type`
        The class that the configuration chooses. Only a `torch.nn.Module` is checked.
    options : `Mapping[str, Any]`
        Its options.
    path : `str`
        Their place in the configuration, such as `"model.encoder.shared"`.

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


def check_size(name: str, value: int, minimum: int = 1, maximum: int = MAX_UNITS) -> None:
    """Raise a `ConfigurationError` unless `value` is in [minimum, maximum]."""
    if not minimum <= value <= maximum:
        raise ConfigurationError(
            f"{name} is {value}; expected {minimum} or more, at most {maximum}"
        )


def check_weights(names: str, count: int) -> None:
    """Raise a `ConfigurationError` if a module would have more than `MAX_WEIGHTS` weights.

    `names` says which options have led to this number, for the message.
    """
    if count > MAX_WEIGHTS:
        raise ConfigurationError(
            f"{names}: {count} weights, {count * 4 / 1e9:.0f} GB; expected at most {MAX_WEIGHTS}: "
            "choose smaller ones"
        )
