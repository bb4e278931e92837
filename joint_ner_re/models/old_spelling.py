"""Names of release 0.1, in configurations and in weights, for the names of today."""

import re
from typing import Any

from torch import Tensor, nn

# The model's options of then are options of its entity finder now.
_OPTIONS = {"tag_scorer": "scorer", "tag_scheme": "tag_scheme", "tag_levels": "tag_levels"}
_WEIGHTS = re.compile(
    r"(?:(?P<first>tag_scorer|crf)|further_(?P<further>tag_scorer|crf)s\.(?P<number>\d+))\."
)
_PARTS = {"tag_scorer": "scorer", "crf": "crf"}


def current_options(options: dict[str, Any]) -> dict[str, Any]:
    """The model's options with `tag_scorer`, `tag_scheme` and `tag_levels` in `entity_finder`.

    What has the old name wins, so that an override such as `"model.tag_scheme"` still works on top
    of a configuration of today.
    """
    old = {new: options[name] for name, new in _OPTIONS.items() if name in options}
    if not old:
        return options
    current = {name: value for name, value in options.items() if name not in _OPTIONS}
    finder = current.get("entity_finder", {})
    finder = {"type": finder} if isinstance(finder, str) else finder
    if not isinstance(finder, dict):
        # The check of the options says what is wrong with it.
        return current
    if isinstance(old.get("scorer"), dict) and isinstance(finder.get("scorer"), dict):
        old["scorer"] = {**finder["scorer"], **old["scorer"]}
    return {**current, "entity_finder": {**finder, **old}}


def rename_weights(model: nn.Module, weights: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Gives the weights of an old model their names of today, before they are loaded.

    A hook for `nn.Module.register_load_state_dict_pre_hook`.
    """
    for name in list(weights):
        match = _WEIGHTS.match(name, len(prefix)) if name.startswith(prefix) else None
        if match:
            level = 0 if match["number"] is None else int(match["number"]) + 1
            part = _PARTS[match["first"] or match["further"]]
            rest = name[match.end() :]
            weights[f"{prefix}entity_finder.levels.{level}.{part}.{rest}"] = weights.pop(name)
