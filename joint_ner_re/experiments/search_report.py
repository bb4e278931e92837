"""The records and the page of a search."""

from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from joint_ner_re.experiments.allocation import DEPTHS, short
from joint_ner_re.experiments.reports import markdown_page
from joint_ner_re.tables import markdown_table


def trial_record(trial: FrozenTrial, names: Iterable[str]) -> dict[str, Any]:
    """A trial as it stands in `study.json`; `names` are the keys of the space."""
    attributes = trial.user_attrs
    reported = trial.intermediate_values
    return {
        "number": trial.number,
        "state": trial.state.name,
        # The best score so far of a trial that is pruned or running.
        "score": trial.value
        if trial.state == TrialState.COMPLETE
        else max(reported.values(), default=None),
        "params": {name: trial.params.get(name) for name in names},
        "parameters": attributes.get("parameters"),
        "epochs": len(reported),
        "best_epoch": attributes.get("best_epoch"),
        "seconds": attributes.get("seconds"),
        "same_as": attributes.get("same_as"),
        "error": attributes.get("error"),
    }


def study_page(study: Mapping[str, Any]) -> str:
    """`study.md` from the content of `study.json`."""
    names = list(study["space"])
    stacks = {key: f"{stack} layers" for stack, key in DEPTHS.items()}
    counts: dict[str, int] = {}
    for record in study["trials"]:
        counts[record["state"]] = counts.get(record["state"], 0) + 1
    rows = [
        [
            record["number"],
            *(short(record["params"].get(name, "-")) for name in names),
            "-" if record["score"] is None else f"{record['score']:.4f}",
            f"{record['parameters']['trainable']:,}" if record["parameters"] else "-",
            record["epochs"],
            "-" if record["seconds"] is None else f"{record['seconds']:.0f}",
            record["state"].lower() + (f": {record['error']}" if record["error"] else ""),
        ]
        for record in study["trials"]
    ]
    states = ", ".join(f"{count} {state.lower()}" for state, count in counts.items())
    header = [
        "trial",
        *(stacks.get(name, name) for name in names),
        "score",
        "trainable parameters",
        "epochs",
        "seconds",
        "state",
    ]
    return markdown_page(
        f"# {study['title']}",
        f"{len(study['trials'])} trials ({states}), sampler {study['sampler']}. The score is "
        f"`{study['metric']}` on `{study['data']}` in the best epoch; for a pruned or running "
        "trial in its best epoch so far. The best trial comes first.",
        markdown_table(header, rows),
        "To train the best one again: "
        '`allennlp train CONFIG -s DIR -o "$(cat best_overrides.json)"`',
    )
