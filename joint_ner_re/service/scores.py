"""The scores that a model brings along: what training measured, in `metrics.json`."""

from __future__ import annotations

import json
import os

from joint_ner_re.metrics.score import BEST_EPOCH, HEADLINES
from joint_ner_re.runtime.files import METRICS
from joint_ner_re.writing import PathLike

_MAX_BYTES = 2**20


def scores_beside(model: PathLike) -> dict[str, float]:
    """The scores on the development part, from 0 to 1, such as `{"entity_f1": 0.85, ...}`.

    # Parameters

    model : `str`
        An exported directory, the directory of a training, or an archive in it.

    # Returns

    `dict[str, float]`
        Empty if there are no scores, or none that can be read: a model works without.
    """
    path = os.fspath(model)
    directory = path if os.path.isdir(path) else os.path.dirname(path)
    try:
        with open(os.path.join(directory, METRICS), encoding="utf-8") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    found = {name: content.get(f"{BEST_EPOCH}{name}") for name in HEADLINES}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    }
