"""What a training says at its end if its last epochs have predicted nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from joint_ner_re.metrics.joint_score import Totals
from joint_ner_re.metrics.score import TASKS

# How many training sentences are predicted at the end where there is no development data.
SAMPLE = 200
_BATCH = 32
_PLURALS = {"entity": "entities", "relation": "relations"}
_SHALLOW = "layers:: { shared: 0, ner: 1, relation: 1 }"


def last_epochs(history: Sequence[Mapping[str, Totals]]) -> Sequence[Mapping[str, Totals]]:
    """The last third of the epochs, and at least one."""
    return history[-max(1, math.ceil(len(history) / 3)) :]


def of_epochs(history: Sequence[Mapping[str, Totals]]) -> dict[str, Totals]:
    """What was predicted in all of these epochs together, and the gold of one, by task."""
    return {
        task: Totals(sum(epoch[task].predicted for epoch in history), history[-1][task].gold)
        for task in TASKS
    }


def of_sample(model: Any, instances: Sequence[Any]) -> dict[str, Totals]:
    """What a model predicts in a sample of instances, and what is in gold, by task.

    # Parameters

    model : `Any`
        A `JointModel`. It is in evaluation mode afterwards.
    instances : `Sequence[Any]`
        Instances of a `JointReader`, with their gold annotation.
    """
    # From all over the corpus, which may be several files.
    sample = list(instances[:: math.ceil(len(instances) / SAMPLE)])
    gold = [instance.fields["metadata"].metadata["sentence"] for instance in sample]
    found = [
        sentence
        for start in range(0, len(sample), _BATCH)
        for sentence in model.predict(sample[start : start + _BATCH])
    ]
    entities = Totals(*(sum(len(s.entities) for s in part) for part in (found, gold)))
    relations = Totals(*(sum(len(s.relations) for s in part) for part in (found, gold)))
    return {"entity": entities, "relation": relations}


def warning(
    totals: Mapping[str, Totals], when: str, where: str, threshold: Any = None
) -> str | None:
    """What is missing and what to try, or `None` if everything that gold has was predicted, too.

    # Parameters

    totals : `Mapping[str, Totals]`
        By task, how much was predicted and is in gold.
    when : `str`
        Such as `"in the last 2 of 5 epochs"`.
    where : `str`
        What was predicted, such as `"the development data"`.
    threshold : `Any`, optional (default = `None`)
        The model's relation threshold.
    """
    missing = [task for task in TASKS if totals[task].gold and not totals[task].predicted]
    if not missing:
        return None
    what = " and no ".join(missing)
    gold = " and ".join(f"{totals[task].gold} {_PLURALS[task]}" for task in missing)
    ways = [f"fewer layers, such as {_SHALLOW}", "more epochs", "a higher learning rate"]
    if missing == ["relation"]:
        ways = [f"a lower relation_threshold (now {threshold})", *ways]
    return (
        f"{when} no {what} was predicted in {where}, which has {gold}. Try {', '.join(ways)}. "
        "joint-ner-re check tells whether the corpus is fit to train on"
    )
