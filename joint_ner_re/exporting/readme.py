"""The README of an exported model: what it is, how well it does, how to use it."""

import json
from collections.abc import Mapping
from typing import Any

from joint_ner_re.metrics.score import BEST_EPOCH, HEADLINES
from joint_ner_re.runtime.files import Manifest


def readme(
    manifest: Manifest, config: Mapping[str, Any], metrics: Mapping[str, Any], version: str
) -> str:
    """The README as Markdown.

    # Parameters

    manifest : `Manifest`
    config : `Mapping[str, Any]`
        The configuration that the model was trained with.
    metrics : `Mapping[str, Any]`
        What training measured; empty if it is not known.
    version : `str`
        The package's version.
    """
    parts = [
        "# Exported model",
        f"Written by joint_ner_re {version}. It finds entities of the types "
        f"{listed(manifest.entity_types)} and relations of the types "
        f"{listed(manifest.relation_types)}. Matrices have {manifest.bits} bits.",
        usage("THIS-DIRECTORY"),
        "## Scores",
        scores(metrics),
        "## Options",
        options(config),
    ]
    return "\n\n".join(parts) + "\n"


def usage(place: str) -> str:
    """How to use the model, which is at a place that `joint_ner_re.load` takes."""
    return (
        "```python\n"
        "import joint_ner_re\n\n"
        f'extractor = joint_ner_re.load("{place}")\n'
        'doc = extractor("A text.")\n'
        "print(doc.entities, doc.relations)\n"
        "```\n\n"
        "This needs `pip install 'joint_ner_re[runtime]'`, and neither PyTorch nor AllenNLP."
    )


def options(config: Mapping[str, Any]) -> str:
    """The configuration as a block of JSON."""
    return "```json\n" + json.dumps(config, indent=2, ensure_ascii=False) + "\n```"


def listed(names: list[str]) -> str:
    """The names as code, with commas between them."""
    return ", ".join(f"`{name}`" for name in names) or "(none)"


def headlines(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The scores of the best epoch alone, by the names that training gives them."""
    names = [f"{BEST_EPOCH}{name}" for name in HEADLINES]
    return {name: metrics[name] for name in names if isinstance(metrics.get(name), (int, float))}


def scores(metrics: Mapping[str, Any]) -> str:
    """A table of the scores, or how to measure them."""
    found = {name.removeprefix(BEST_EPOCH): value for name, value in headlines(metrics).items()}
    if not found:
        return "The archive holds no scores. `allennlp evaluate` measures them."
    rows = "\n".join(f"| {name.replace('_', ' ')} | {100 * found[name]:.2f} |" for name in found)
    return (
        "On the development part, in percent, as training measured them in the best epoch:\n\n"
        f"| score | value |\n| --- | ---: |\n{rows}"
    )
