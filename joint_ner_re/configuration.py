"""What a configuration may hold, told from the constructors before anything is made.

AllenNLP finds a wrong option when it comes to it, which may be after the corpus is read, and does
not always name it. Here a configuration is compared with the annotations of the constructors that
it names, in the same order.
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
from typing import Any, Union

from allennlp.commands.train import TrainModel
from allennlp.common import FromParams, Lazy, Params, from_params
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import infer_params, is_base_registrable
from allennlp.common.registrable import Registrable
from allennlp.models import Model

from joint_ner_re.allennlp_changes import make

# Is told of each class that a configuration chooses: of which option, by which name, the class
# (`None` if the name is a path to one), and the method that makes it, if that is not the class.
Judge = Callable[[str, str, type | None, str | None], None]
# Gets a class, its options and their path in the configuration; raises a `ConfigurationError` if
# what the class would make of them does not fit into memory.
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
# `Optional[X]` and `X | None` are of different types.
_UNIONS = (typing.Union, types.UnionType)
# What AllenNLP passes to constructors; a configuration cannot give it. Rooms above add their own.
_GIVEN = {
    "vocab", "serialization_dir", "model_parameters", "reader", "local_rank", "batch_weight_key",
}  # fmt: skip
_RANGES: dict[str, tuple[float, float]] = {}
_SIZE_CHECKS: list[SizeCheck] = []


def add_given(*names: str) -> None:
    """Leave these arguments of constructors out where an error lists the options there are."""
    _GIVEN.update(names)


def add_ranges(ranges: Mapping[str, tuple[float, float]]) -> None:
    """Give bounds to options of AllenNLP that AllenNLP itself does not check.

    # Parameters

    ranges : `Mapping[str, tuple[float, float]]`
        From an option's path, such as `"trainer.num_epochs"`, to the smallest and the largest
        value that it may have.
    """
    _RANGES.update(ranges)


def add_size_check(check: SizeCheck) -> None:
    """Have a function check the options of each class that a configuration chooses."""
    _SIZE_CHECKS.append(check)


_remove_optional = from_params.remove_optional


def remove_optional(annotation: Any) -> Any:
    """Have AllenNLP read an argument's type `X | None` as it reads `Optional[X]`.

    AllenNLP does not know the type of `X | None`, and would pass the bare options to the
    constructor where an `X` belongs.
    """
    if isinstance(annotation, types.UnionType):
        annotation = Union[annotation.__args__]  # noqa: UP007 (the form that AllenNLP knows)
    return _remove_optional(annotation)


def check(kind: Any, value: Any, name: str, judge: Judge | None = None) -> None:
    """Compare a part of a configuration with what makes something of it.

    # Parameters

    kind : `type`
        A class, or an annotation, that the value is for.
    value : `Any`
        What JSON can hold, or `Params`.
    name : `str`
        The option, such as `"model"`; what is inside gets names such as `"model.encoder"`.
    judge : `Judge`, optional (default = `None`)
        Is called for each class that is chosen, before it is looked at.

    # Raises

    `ConfigurationError`
        If an option is unknown or has a value of another type: it names the option and says what
        was expected.
    """
    if isinstance(value, Params):
        value = value.as_dict(quiet=True)
    _check(kind, value, name, judge)


class CheckedOptions:
    """Has `from_params` compare the options with the constructor first; see `check`."""

    @classmethod
    def current_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        """The options under their names of today. Override it in a class that renamed some."""
        return options

    @classmethod
    def from_params(cls, params: Any, *args: Any, **extras: Any) -> Any:
        if isinstance(params, Params):
            params.params = cls.current_options(params.as_dict(quiet=True))
            _check_options(cls, params.as_dict(quiet=True), params.history.rstrip("."), None)
        return super().from_params(params, *args, **extras)  # type: ignore[misc]


class CheckedTrainModel(TrainModel):
    """What `allennlp train` makes. If the model is one of `CheckedOptions`, such as this package's,
    the whole configuration is checked first."""

    @classmethod
    def from_params(cls, params: Params, *args: Any, **extras: Any) -> TrainModel:  # type: ignore
        settings = params.as_dict(quiet=True)
        if _checks_its_options(settings.get("model")):
            check_training(settings)
        return super().from_params(params, *args, **extras)


def _checks_its_options(model: Any) -> bool:
    """Whether a configuration's model is of a class with `CheckedOptions`."""
    name = model.get("type") if isinstance(model, dict) else model
    chosen = Registrable._registry[Model].get(name) if isinstance(name, str) else None
    return chosen is not None and issubclass(chosen[0], CheckedOptions)


def check_training(settings: Mapping[str, Any]) -> None:
    """Check all that `allennlp train` reads of a configuration.

    # Parameters

    settings : `Mapping[str, Any]`
        The whole configuration.

    # Raises

    `ConfigurationError`
        As `check`; and if one of AllenNLP's own numbers is out of its range.
    """
    _check_options(CheckedTrainModel, settings, "", None, "from_partial_objects")
    for name in ("train_data_path", "validation_data_path", "test_data_path"):
        # To AllenNLP anything is a path, as there are readers of several files.
        if settings.get(name) is not None or name == "train_data_path":
            kind: Any = str | list[str] if name == "train_data_path" else str
            _check(kind, settings.get(name), name, None)
            if settings.get(name) == []:
                raise ConfigurationError(f"{name} is []; expected a path, or some of them")
    for name, (least, most) in _RANGES.items():
        value: Any = settings
        for key in name.split("."):
            value = value.get(key) if isinstance(value, collections.abc.Mapping) else None
        if isinstance(value, (int, float)) and not least <= value <= most:
            upper = f" and at most {most:g}" if most < math.inf else ""
            raise ConfigurationError(f"{name} is {value}; expected at least {least:g}{upper}")


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
    # To Python true is a whole number, and to nobody else.
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
    # Of one choice, or null, its own error tells more.
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
    """The class, and the method that makes it, by the name in a configuration."""
    names = Registrable._registry.get(kind, {})
    known = isinstance(chosen, str) and chosen in names
    if not known and not (isinstance(chosen, str) and "." in chosen):
        raise ConfigurationError(
            f"{_inside(name, 'type')} is {_shown(chosen)}; expected {_one_of(names)}"
            f"{_like(chosen, names)}"
        )
    if judge is not None:
        judge(name, chosen, *(names[chosen] if known else (None, None)))
    return kind.resolve_class_name(chosen)


def _check_options(
    cls: Any, value: Mapping[str, Any], name: str, judge: Judge | None, method: Any = None
) -> None:
    """Compare the options of a class with those of its constructor, or of its method."""
    constructor = getattr(cls, method) if method else cls.__init__
    if not _is_made_from_options(cls):
        return
    known: dict[str, inspect.Parameter] = {}
    if constructor is not object.__init__:
        known = {
            key: parameter
            for key, parameter in infer_params(cls, constructor).items()
            if key != "self" and parameter.kind is not parameter.VAR_KEYWORD
        }
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
                f"{_like(key, names)}"
            )
        parameter = known[key]
        if item is None and parameter.default is None:
            continue
        if parameter.annotation is not parameter.empty:
            _check(parameter.annotation, item, inside, judge)
    for check_sizes in _SIZE_CHECKS:
        check_sizes(cls, value, name)


def _is_made_from_options(cls: Any) -> bool:
    """Whether AllenNLP passes the options on to the constructor, one by one."""
    method = getattr(getattr(cls, "from_params", None), "__func__", None)
    ours = (CheckedOptions.from_params, CheckedTrainModel.from_params)
    return method in (FromParams.from_params.__func__, *(m.__func__ for m in ours))  # type: ignore


def _takes_anything(cls: Any, constructor: Any) -> bool:
    """Whether unknown options reach a constructor that has no list of them."""
    parameters = inspect.signature(constructor).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return False
    above = next((c for c in cls.mro()[1:] if issubclass(c, FromParams)), None)
    return above is None or (
        above.__init__ is not object.__init__ and _takes_anything(above, above.__init__)
    )


class Untrusted(ConfigurationError):
    """A choice that a judge refuses, whatever else the option may be."""


def _wrong(name: str, value: Any, kind: Any) -> ConfigurationError:
    return ConfigurationError(f"{name} is {_shown(value)}; expected {_described(kind)}")


def _shown(value: Any) -> str:
    text = {None: "null", True: "true", False: "false"}[value] if _is_constant(value) else ""
    text = text or repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_constant(value: Any) -> bool:
    return value is None or isinstance(value, bool)


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


def _like(name: Any, names: Any) -> str:
    close = difflib.get_close_matches(name, list(names), 1) if isinstance(name, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def _inside(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def values_under(value: Any, key: str) -> Iterator[Any]:
    """All values that stand under a key, at any depth."""
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
