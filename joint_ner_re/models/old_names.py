"""Translates names of release 0.1, in configurations and weights, into today's names."""

import re
from typing import Any

from torch import Tensor, nn

# These options of the model are now options of its entity finder.
_OPTIONS = {"tag_scorer": "scorer", "tag_scheme": "tag_scheme", "tag_levels": "tag_levels"}
_WEIGHTS = re.compile(
    r"(?:(?P<first>tag_scorer|crf)|further_(?P<further>tag_scorer|crf)s\.(?P<number>\d+))\."
)
_MODULES = {"tag_scorer": "scorer", "crf": "crf"}


def current_options(options: dict[str, Any]) -> dict[str, Any]:
    """The model's options, with `tag_scorer`, `tag_scheme` and `tag_levels` in `entity_finder`.

    Options with old names win, so that an override such as `"model.tag_scheme"` still works on a
    configuration with today's names.
    """
    old = {new: options[name] for name, new in _OPTIONS.items() if name in options}
    if not old:
        return options
    current = {name: value for name, value in options.items() if name not in _OPTIONS}
    finder = current.get("entity_finder", {})
    finder = {"type": finder} if isinstance(finder, str) else finder
    if not isinstance(finder, dict):
        # The later check of the options reports this.
        return current
    if isinstance(old.get("scorer"), dict) and isinstance(finder.get("scorer"), dict):
        old["scorer"] = {**finder["scorer"], **old["scorer"]}
    return {**current, "entity_finder": {**finder, **old}}


def rename_weights(model: nn.Module, weights: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Renames an old model's weights before they are loaded.

    A hook for `nn.Module.register_load_state_dict_pre_hook`.
    """
    for name in list(weights):
        match = _WEIGHTS.match(name, len(prefix)) if name.startswith(prefix) else None
        if match:
            level = 0 if match["number"] is None else int(match["number"]) + 1
            module = _MODULES[match["first"] or match["further"]]
            rest = name[match.end() :]
            weights[f"{prefix}entity_finder.levels.{level}.{module}.{rest}"] = weights.pop(name)
