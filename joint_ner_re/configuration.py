"""Checks a configuration against the type hints of the constructors that it names.

AllenNLP finds a wrong option only when it constructs the object, which may be after it has read
the corpus, and its error does not always name the option. These checks run before anything is
constructed.
"""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Union

from allennlp.commands.train import TrainModel
from allennlp.common import FromParams, Lazy, Params, from_params
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import infer_params, is_base_registrable
from allennlp.common.registrable import Registrable
from allennlp.models import Model

from joint_ner_re.allennlp_changes import make
from joint_ner_re.messages import quote, quote_json

# Called for each class that a configuration chooses, with the option, the name, the class (`None`
# if the name is an import path), and the class method that constructs it, if any.
Judge = Callable[[str, str, type | None, str | None], None]
# Called with a class, its options and their path in the configuration. Raises a
# `ConfigurationError` if the object would not fit into memory.
SizeCheck = Callable[[type, Mapping[str, Any], str], None]

_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    type(None): "null",
}
_LISTS = (
    list, set, frozenset, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Set,
)  # fmt: skip
# The first is the origin of `Optional[X]`, the second that of `X | None`.
_UNIONS = (typing.Union, types.UnionType)
# Arguments that AllenNLP passes to constructors itself. Other modules add theirs.
_GIVEN = {
    "vocab", "serialization_dir", "model_parameters", "reader", "local_rank", "batch_weight_key",
}  # fmt: skip
_RANGES: dict[str, tuple[float, float]] = {}
_SIZE_CHECKS: list[SizeCheck] = []


def add_given(*names: str) -> None:
    """Leave these constructor arguments out of the lists of options in error messages."""
    _GIVEN.update(names)


def add_ranges(ranges: Mapping[str, tuple[float, float]]) -> None:
    """Add bounds for numbers that AllenNLP does not check.

    # Parameters

    ranges : `Mapping[str, tuple[float, float]]`
        From an option's path, such as `"trainer.num_epochs"`, to its smallest and largest allowed
        value.
    """
    _RANGES.update(ranges)


def add_size_check(check: SizeCheck) -> None:
    """Add a function that checks the options of each class that a configuration chooses."""
    _SIZE_CHECKS.append(check)


_remove_optional = from_params.remove_optional


def remove_optional(annotation: Any) -> Any:
    """Makes AllenNLP treat the type hint `X | None` like `Optional[X]`.

    AllenNLP does not know `X | None` and would pass the options instead of an `X`.
    """
    if isinstance(annotation, types.UnionType):
        annotation = Union[annotation.__args__]  # noqa: UP007 (the form that AllenNLP knows)
    return _remove_optional(annotation)


def check(kind: Any, value: Any, name: str, judge: Judge | None = None) -> None:
    """Check a section of a configuration.

    # Parameters

    kind : `type`
        The class that is constructed from the value, or a type hint.
    value : `Any`
        A JSON value or `Params`.
    name : `str`
        The option, such as `"model"`. Errors inside name options such as `"model.encoder"`.
    judge : `Judge`, optional (default = `None`)
        Called for each class that is chosen, before its options are checked.

    # Raises

    `ConfigurationError`
        If an option is unknown or its value has the wrong type. It names the option and says what
        was expected.
    """
    if isinstance(value, Params):
        value = value.as_dict(quiet=True)
    _check(kind, value, name, judge)


class CheckedOptions:
    """A base class whose `from_params` checks the options first; see `check`."""

    @classmethod
    def current_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        """The options under their current names. Override it in a class that renamed options."""
        return options

    @classmethod
    def from_params(cls, params: Any, *args: Any, **extras: Any) -> Any:
        if isinstance(params, Params):
            params.params = cls.current_options(params.as_dict(quiet=True))
            _check_options(cls, params.as_dict(quiet=True), params.history.rstrip("."), None)
        return super().from_params(params, *args, **extras)  # type: ignore[misc]


class CheckedTrainModel(TrainModel):
    """Replaces AllenNLP's `TrainModel` in `allennlp train`.

    It checks the whole configuration first if the model's class inherits from `CheckedOptions`, as
    this package's models do.
    """

    @classmethod
    def from_params(cls, params: Params, *args: Any, **extras: Any) -> TrainModel:  # type: ignore
        settings = params.as_dict(quiet=True)
        if _checks_its_options(settings.get("model")):
            check_training(settings)
        return super().from_params(params, *args, **extras)


def _checks_its_options(model: Any) -> bool:
    """Whether the class of a configuration's model inherits from `CheckedOptions`."""
    name = model.get("type") if isinstance(model, dict) else model
    chosen = Registrable._registry[Model].get(name) if isinstance(name, str) else None
    return chosen is not None and issubclass(chosen[0], CheckedOptions)


def check_training(settings: Mapping[str, Any]) -> None:
    """Check everything that `allennlp train` reads from a configuration.

    # Parameters

    settings : `Mapping[str, Any]`
        The whole configuration.

    # Raises

    `ConfigurationError`
        As for `check`, and if a number is outside the range from `add_ranges`.
    """
    _check_options(CheckedTrainModel, settings, "", None, "from_partial_objects")
    for name in ("train_data_path", "validation_data_path", "test_data_path"):
        # AllenNLP allows any value, since readers may take several files.
        if settings.get(name) is not None or name == "train_data_path":
            kind: Any = str | list[str] if name == "train_data_path" else str
            _check(kind, settings.get(name), name, None)
            if settings.get(name) == []:
                raise ConfigurationError(f"{name} is []; expected a path, or some of them")
    for name, (minimum, maximum) in _RANGES.items():
        value: Any = settings
        for key in name.split("."):
            value = value.get(key) if isinstance(value, collections.abc.Mapping) else None
        if isinstance(value, (int, float)) and not minimum <= value <= maximum:
            upper = f" and at most {maximum:g}" if maximum < math.inf else ""
            raise ConfigurationError(f"{name} is {value}; expected at least {minimum:g}{upper}")


def _check(kind: Any, value: Any, name: str, judge: Judge | None) -> None:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Lazy:
        _check(inner[0], value, name, judge)
    elif origin in _UNIONS:
        _check_union(kind, inner, value, name, judge)
    elif inspect.isclass(kind) and origin is None and issubclass(kind, FromParams):
        _check_object(kind, value, name, judge)
    elif kind in _PLAIN:
        _check_plain(kind, value, name)
    elif origin in _LISTS or origin is tuple:
        if not isinstance(value, (list, tuple, set)):
            raise _wrong(name, value, kind)
        several = origin is not tuple or inner[-1] is Ellipsis
        if not several and len(value) != len(inner):
            raise _wrong(name, value, kind)
        for number, item in enumerate(value):
            _check(inner[0 if several else number], item, f"{name}.{number}", judge)
    elif origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            raise _wrong(name, value, kind)
        for key, item in value.items():
            _check(inner[1], item, f"{name}.{key}", judge)


def _check_plain(kind: type, value: Any, name: str) -> None:
    # In Python True is an int, so compare types.
    fits = type(value) in ((int, float) if kind is float else (kind,))
    fits = fits or (kind is str and isinstance(value, os.PathLike))
    if not fits or (type(value) is float and not math.isfinite(value)):
        raise _wrong(name, value, kind)


def _check_union(
    kind: Any, choices: tuple[Any, ...], value: Any, name: str, judge: Judge | None
) -> None:
    errors = []
    for choice in choices:
        try:
            _check(choice, value, name, judge)
            return
        except Untrusted:
            raise
        except ConfigurationError as error:
            errors.append((choice, error))
    real = [error for choice, error in errors if choice is not type(None)]
    # With only one choice besides null, that choice's own error says more.
    raise real[0] if len(real) == 1 and value is not None else _wrong(name, value, kind)


def _check_object(kind: type, value: Any, name: str, judge: Judge | None) -> None:
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, dict):
        raise _wrong(name, value, kind)
    if "_pretrained" in value and judge is not None:
        judge(name, "_pretrained", None, None)
    if "_pretrained" in value:
        return
    constructor = None
    names = Registrable._registry.get(kind)
    if names or is_base_registrable(kind):
        value = dict(value)
        chosen = value.pop("type", kind.default_implementation)  # type: ignore[attr-defined]
        kind, constructor = _chosen(kind, chosen, name, judge)
    _check_options(kind, value, name, judge, constructor)


def _chosen(kind: Any, chosen: Any, name: str, judge: Judge | None) -> tuple[type, str | None]:
    """The class with this registered name or import path, and the method that constructs it."""
    names = Registrable._registry.get(kind, {})
    known = isinstance(chosen, str) and chosen in names
    if not known and not (isinstance(chosen, str) and "." in chosen):
        raise ConfigurationError(
            f"{_inside(name, 'type')} is {_quote(chosen)}; expected {_one_of(names)}"
            f"{_suggestion(chosen, names)}"
        )
    if judge is not None:
        judge(name, chosen, *(names[chosen] if known else (None, None)))
    return kind.resolve_class_name(chosen)


def _check_options(
    cls: Any, value: Mapping[str, Any], name: str, judge: Judge | None, method: Any = None
) -> None:
    """Check the options of a class against its constructor, or against this class method."""
    constructor = getattr(cls, method) if method else cls.__init__
    if not _is_made_from_options(cls):
        return
    known = _options_of(cls, constructor)
    if issubclass(cls, CheckedOptions):
        value = cls.current_options(dict(value))
    for key, item in value.items():
        inside = _inside(name, key)
        if key not in known:
            if _takes_anything(cls, constructor):
                continue
            names = [one for one in known if one not in _GIVEN]
            raise ConfigurationError(
                f"{inside} is no option of {cls.__name__}; expected {_one_of(names)}"
                f"{_suggestion(key, names)}"
            )
        parameter = known[key]
        if item is None and parameter.default is None:
            continue
        if parameter.annotation is not parameter.empty:
            _check(parameter.annotation, item, inside, judge)
    for check_sizes in _SIZE_CHECKS:
        check_sizes(cls, value, name)


@cache
def _options_of(cls: Any, constructor: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters that are options. They are asked for again for each choice of a union."""
    if constructor is object.__init__:
        return {}
    return {
        key: parameter
        for key, parameter in infer_params(cls, constructor).items()
        if key != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }


def _is_made_from_options(cls: Any) -> bool:
    """Whether AllenNLP passes the options one by one to the constructor."""
    method = getattr(getattr(cls, "from_params", None), "__func__", None)
    ours = (CheckedOptions.from_params, CheckedTrainModel.from_params)
    return method in (FromParams.from_params.__func__, *(m.__func__ for m in ours))  # type: ignore


def _takes_anything(cls: Any, constructor: Any) -> bool:
    """Whether `**kwargs` pass unknown options to a constructor that does not list its options."""
    parameters = inspect.signature(constructor).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return False
    above = next((c for c in cls.mro()[1:] if issubclass(c, FromParams)), None)
    return above is None or (
        above.__init__ is not object.__init__ and _takes_anything(above, above.__init__)
    )


class Untrusted(ConfigurationError):
    """A judge refused a choice, so no other alternative of the type hint is tried."""


def _wrong(name: str, value: Any, kind: Any) -> ConfigurationError:
    return ConfigurationError(f"{name} is {_quote(value)}; expected {_described(kind)}")


def _quote(value: Any) -> str:
    """The value as Python writes it, but null, true and false as a configuration has them."""
    constant = value is None or isinstance(value, bool)
    return quote_json(value) if constant else quote(value)


def _described(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Lazy:
        return _described(inner[0])
    if origin in _UNIONS:
        return " or ".join(map(_described, inner))
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"a list of {len(inner)}: {', '.join(map(_described, inner))}"
    if origin in _LISTS or origin is tuple:
        return f"a list, each {_described(inner[0])}"
    if origin in (dict, collections.abc.Mapping):
        return f"an object, each value {_described(inner[1])}"
    names = Registrable._registry.get(kind)
    if names:
        return f"an object whose type is {_one_of(names)}"
    return f"the options of {getattr(kind, '__name__', kind)}"


def _one_of(names: Any) -> str:
    names = list(names)
    return f"one of {', '.join(names)}" if names else "none"


def _suggestion(name: Any, names: Any) -> str:
    close = difflib.get_close_matches(name, list(names), 1) if isinstance(name, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _inside(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def values_under(value: Any, key: str) -> Iterator[Any]:
    """All values of a key, at any depth."""
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = list(value.values())
        if key in value:
            yield value[key]
    elif isinstance(value, list):
        inside = value
    for item in inside:
        yield from values_under(item, key)


make(__name__)
