"""The model card of an exported model: its README with the header that the Hugging Face hub reads.

The header is YAML between two lines `---`; https://huggingface.co/docs/hub/model-cards describes
its keys. `model-index` has the scores.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCardData

from joint_ner_re.exporting.graphs import ExportError
from joint_ner_re.exporting.readme import headlines, listed, options, scores, usage
from joint_ner_re.messages import quote
from joint_ner_re.metrics.score import BEST_EPOCH
from joint_ner_re.runtime.files import Manifest

LIBRARY = "joint_ner_re"
TAGS = ("named-entity-recognition", "relation-extraction", "information-extraction", "onnx")
# The hub has no task for relations; this is the one under which people look for entities.
PIPELINE = "token-classification"
_TASKS = {
    "entity": (PIPELINE, "Named entity recognition"),
    "relation": ("relation-extraction", "Relation extraction"),
}
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_MANY_LANGUAGES = "multilingual"
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")
# A path from the root, the home or the parent directory: it tells about the author's machine only.
_PLACE = re.compile(r"(/|~|\.\./|\.\.\\|[A-Za-z]:[/\\]|\\\\|file:)")


class Card(NamedTuple):
    """What only its author knows about a model.

    # Parameters

    name : `str`, optional (default = `None`)
        The model's name. Default: that of the exported directory.
    license : `str`, optional (default = `None`)
        The hub's name of a license, such as `"mit"` or `"cc-by-4.0"`. Default: the card has none.
    language : `str`, optional (default = `None`)
        One or more codes with commas between them, such as `"en"`. Default: the language of the
        tokenizer.
    dataset : `str`, optional (default = `None`)
        The name of the corpus that the scores belong to. Default: the name of the development
        part's file.
    """

    name: str | None = None
    license: str | None = None
    language: str | None = None
    dataset: str | None = None


def check_card(card: Card) -> None:
    """Raise an `ExportError` if the hub would not take the license or a language."""
    if card.license is not None and not _LICENSE.fullmatch(card.license):
        raise ExportError(
            f"license is {quote(card.license)}; expected the hub's name of one, such as mit, "
            "apache-2.0, cc-by-4.0 or other"
        )
    for code in _codes(card):
        if code != _MANY_LANGUAGES and not _LANGUAGE.fullmatch(code):
            raise ExportError(
                f"language has {quote(code)}; expected a code of two or three small letters, such "
                f"as en, or {_MANY_LANGUAGES}"
            )


def model_card(
    card: Card,
    directory: str,
    manifest: Manifest,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    version: str,
) -> str:
    """The card as Markdown with its header.

    # Parameters

    card : `Card`
    directory : `str`
        The exported directory, for the model's name.
    manifest : `Manifest`
    config : `Mapping[str, Any]`
        The configuration that the model was trained with. Of paths of the author's machine the card
        has the last part only.
    metrics : `Mapping[str, Any]`
        What training measured; empty if it is not known.
    version : `str`
        The package's version.
    """
    check_card(card)
    name = card.name or os.path.basename(os.path.abspath(directory))
    dataset = card.dataset or _dataset(config)
    results = _results(metrics, dataset)
    header = ModelCardData(
        language=_codes(card) or _spoken(manifest.pipeline),
        license=card.license,
        library_name=LIBRARY,
        tags=list(TAGS),
        pipeline_tag=PIPELINE,
        # Alone, the name would become a key that the hub does not know.
        model_name=name if results else None,
        eval_results=results or None,
    )
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {name}",
        f"Finds entities of the types {listed(manifest.entity_types)} and relations of the types "
        f"{listed(manifest.relation_types)} between them, in texts like those of {dataset}. "
        f"Exported by joint_ner_re {version}; matrices have {manifest.bits} bits.",
        usage(f"hf://OWNER/{name}@COMMIT"),
        "OWNER is the account that has the model, COMMIT the revision from the page's history.",
        "## Scores",
        scores(metrics),
        *(
            ["They were measured in 32 bits, before the matrices got 8."]
            if manifest.bits == 8 and headlines(metrics)
            else []
        ),
        "## Options",
        "Of paths on the machine where the model was trained, only the last part is shown.",
        options(_without_places(dict(config))),
    ]
    return "\n\n".join(parts) + "\n"


def _codes(card: Card) -> list[str]:
    return [] if card.language is None else [code.strip() for code in card.language.split(",")]


def _spoken(pipeline: str) -> list[str]:
    """The language of a spaCy pipeline: `["en"]` for `"en"` and for `"en_core_web_sm"`."""
    code = pipeline.partition("_")[0]
    # spaCy's sign for several languages.
    return [_MANY_LANGUAGES if code == "xx" else code] if _LANGUAGE.fullmatch(code) else []


def _dataset(config: Mapping[str, Any]) -> str:
    path = config.get("validation_data_path")
    return _last_part(path) if isinstance(path, str) and path else "an unknown corpus"


def _results(metrics: Mapping[str, Any], dataset: str) -> list[EvalResult]:
    found = []
    for full_name, value in headlines(metrics).items():
        task, _, measure = full_name.removeprefix(BEST_EPOCH).partition("_")
        kind, task_name = _TASKS[task]
        found.append(
            EvalResult(
                task_type=kind,
                task_name=task_name,
                dataset_type=re.sub(r"\W+", "-", dataset.lower()).strip("-"),
                dataset_name=dataset,
                dataset_split="validation",
                metric_type=measure,
                metric_name=f"{task.capitalize()} {measure}",
                metric_value=value,
            )
        )
    return found


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_places(one) for one in value]
    return _last_part(value) if isinstance(value, str) and _PLACE.match(value) else value
