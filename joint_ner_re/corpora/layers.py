"""The layers of INCEpTION and WebAnno: which hold mentions, and which feature is their type.

A project may have any layers with any features. What comes with the tools is known: parts of
speech, lemmas, sentences and dependencies are no mentions, and named entities are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_NAMED_ENTITIES = "de.tudarmstadt.ukp.dkpro.core.api.ner.type."
_BUILT_IN = (
    "de.tudarmstadt.ukp.dkpro.core.api.",
    "de.tudarmstadt.ukp.clarin.webanno.",
    "de.tudarmstadt.ukp.inception.",
    "org.dkpro.core.api.",
    "uima.",
)
# From the likeliest name of a type to the least likely.
_TYPES = ("value", "label", "type", "class", "category", "kind", "entity", "relation", "role")
# These name a thing, not its type.
_NO_TYPES = ("identifier", "uiName", "comment", "note")


def holds_annotations(layer: str) -> bool:
    """Whether a layer, by its full name, is the project's own or holds named entities."""
    return layer.startswith(_NAMED_ENTITIES) or not layer.startswith(_BUILT_IN)


def short_name(layer: str) -> str:
    """The last part of a layer's name: `Span` of `webanno.custom.Span`."""
    return layer.rpartition(".")[2] or layer


def type_feature(features: Sequence[str]) -> str | None:
    """The feature that is the type: the likeliest by its name, or the first one that may be."""
    for name in _TYPES:
        if name in features:
            return name
    return next((name for name in features if name and name not in _NO_TYPES), None)


def others(features: Iterable[str], chosen: str | None) -> list[str]:
    """The features that are not used."""
    return [name for name in features if name and name != chosen]
