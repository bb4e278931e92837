"""The files of an exported model: what they hold, and checks before anything is used.

Nothing in them can run code: graphs have ONNX's standard operators, everything else is JSON, and no
file may name one outside the directory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from joint_ner_re.corpora.units import check_unit
from joint_ner_re.documents import RELATION_PROBABILITIES
from joint_ner_re.messages import quote
from joint_ner_re.sentence_rules import SENTENCE_RULES
from joint_ner_re.tokenization import is_language

MANIFEST = "joint_ner_re.json"
VOCABULARY = "vocabulary.json"
TRANSITIONS = "transitions.json"
README = "README.md"
METRICS = "metrics.json"
STATES = "states.onnx"
ENTITIES = "entities.onnx"
PAIRS = "pairs.onnx"

# Of the directory. A change that older readers would misunderstand gets another number.
FORMAT = 1
# Of a directory with signatures: older readers would predict relations between all entity types.
SIGNATURES_FORMAT = 2
# Of one where a relation's probability is that of the whole: older readers would predict others.
PROBABILITY_FORMAT = 3
# Real ones have some megabytes: the words of the vocabulary.
MAX_JSON_BYTES = 2**28
_KINDS = ("words", "characters", "casing", "gazetteer", "pieces")
_SCHEMES = ("BIO", "BIOUL")


class ExportedModelError(ValueError):
    """A directory that is no exported model, or a damaged one. The message names the file."""


class Manifest(NamedTuple):
    """The checked content of `joint_ner_re.json`.

    # Parameters

    entity_types, relation_types : `list[str]`
        By their numbers.
    tag_scheme : `str`
        `"BIO"` or `"BIOUL"`.
    tag_levels : `int`
    relation_threshold : `float | dict[str, float]`
    most_relations : `int`
        See `JointModel`.
    pipeline, granularity, sentence_rules : `str`
        How texts are split; see `TextTokenizer`.
    unit : `str | int`
        How much of a document the model reads at once; see `JointReader`.
    symmetric : `list[str]`
        Relation types that are predicted once for each pair, from the entity that stands first.
    max_token_characters : `int`
        The model sees only so many characters of a token.
    features : `list[dict[str, Any]]`
        What gives each token its vector, in the order of the vectors.
    pair_layer : `int`
        The width of the pair layer; 0 without one.
    bits : `int`
        32, or 8 where matrices are quantised.
    relation_probability : `str`, optional (default = `"pair"`)
        What a relation's probability says; see `JointModel`.
    signatures : `list[list[str]] | None`, optional (default = `None`)
        The relation type and the types of head and tail of all relations that the model may
        predict. `None`: each relation type between all entity types.
    """

    entity_types: list[str]
    relation_types: list[str]
    tag_scheme: str
    tag_levels: int
    relation_threshold: float | dict[str, float]
    most_relations: int
    pipeline: str
    granularity: str
    sentence_rules: str
    unit: str | int
    symmetric: list[str]
    max_token_characters: int
    features: list[dict[str, Any]]
    pair_layer: int
    bits: int
    relation_probability: str = "pair"
    signatures: list[list[str]] | None = None


def is_exported(path: str | os.PathLike[str]) -> bool:
    """Whether this is the directory of an exported model."""
    return os.path.isfile(os.path.join(path, MANIFEST))


def needs_torch(path: str | os.PathLike[str]) -> bool:
    """Whether a model needs PyTorch: an archive does, and a spaCy pipeline that makes the tokens of
    an exported model may."""
    if not is_exported(path):
        return True
    try:
        return not is_language(read_manifest(os.fspath(path)).pipeline)
    # Whoever loads the model is told what is wrong with it.
    except (OSError, ExportedModelError):
        return True


def write_manifest(manifest: Manifest, directory: str, version: str) -> None:
    """Write the manifest; `version` is that of the package."""
    number = FORMAT if manifest.signatures is None else SIGNATURES_FORMAT
    if manifest.relation_probability != "pair":
        number = PROBABILITY_FORMAT
    content = {"format": number, "written_by": f"joint_ner_re {version}", **manifest._asdict()}
    write_json(content, directory, MANIFEST)


def write_json(content: Any, directory: str, name: str) -> None:
    """Write a JSON file."""
    with open(os.path.join(directory, name), "w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, ensure_ascii=False, indent=1, allow_nan=False)
        file.write("\n")


def read_manifest(directory: str) -> Manifest:
    """Read and check the manifest.

    # Raises

    `ExportedModelError`
        If it is missing, damaged, of a newer format, or names files outside the directory.
    """
    content = read_json(directory, MANIFEST)
    path = os.path.join(directory, MANIFEST)
    if not isinstance(content, dict):
        raise ExportedModelError(f"{path} is {quote(content)}; expected a JSON object")
    formats = (FORMAT, SIGNATURES_FORMAT, PROBABILITY_FORMAT)
    if content.get("format") not in formats:
        raise ExportedModelError(
            f"{path}: format is {quote(content.get('format'))}; this version of joint_ner_re reads "
            f"the formats {', '.join(map(str, formats))}: export the model again, or install a "
            "newer version"
        )
    # Models that were exported before there was a choice have these rules.
    content.setdefault("sentence_rules", "punctuation")
    # Those that were exported before there were signatures predict between all entity types.
    content.setdefault("signatures", None)
    content.setdefault("relation_probability", "pair")
    known = content["format"] == PROBABILITY_FORMAT
    probabilities = RELATION_PROBABILITIES if known else RELATION_PROBABILITIES[:1]
    checks: tuple[tuple[str, Any, Callable[[Any], Any], str], ...] = (
        ("entity_types", list, _names, "names, at least one"),
        ("relation_types", list, lambda v: not v or _names(v), "names"),
        ("tag_scheme", str, _SCHEMES.__contains__, " or ".join(_SCHEMES)),
        ("tag_levels", int, lambda v: 1 <= v <= 10, "1 to 10"),
        ("relation_threshold", (float, int, dict), lambda v: True, "a number or one for each type"),
        ("most_relations", int, lambda v: v >= 1, "1 or more"),
        ("pipeline", str, lambda v: v and not set(v) & set("/\\\0"), "a language or a package"),
        ("granularity", str, ("standard", "fine").__contains__, "standard or fine"),
        ("sentence_rules", str, SENTENCE_RULES.__contains__, " or ".join(SENTENCE_RULES)),
        ("unit", (str, int), _is_unit, "sentence, document or a number"),
        ("symmetric", list, lambda v: not v or _names(v), "names"),
        ("max_token_characters", int, lambda v: v >= 1, "1 or more"),
        ("features", list, lambda v: bool(v), "at least one feature"),
        ("pair_layer", int, lambda v: v >= 0, "0 or more"),
        ("bits", int, (8, 32).__contains__, "8 or 32"),
        (
            "relation_probability",
            str,
            probabilities.__contains__,
            f"{' or '.join(probabilities)} in format {content['format']}",
        ),
    )
    for name, kinds, fits, expected in checks:
        value = content.get(name)
        if not isinstance(value, kinds) or isinstance(value, bool) or not fits(value):
            raise ExportedModelError(f"{path}: {name} is {quote(value)}; expected {expected}")
    _check_signatures(content, path)
    for feature in content["features"]:
        _check_feature(feature, path)
    return Manifest(**{name: content[name] for name in Manifest._fields})


def files_of(manifest: Manifest) -> list[str]:
    """The names of all files that the model needs beside the manifest, each once."""
    named = [
        feature[name]
        for feature in manifest.features
        for name in ("graph", "tokenizer")
        if name in feature
    ]
    return list(dict.fromkeys([VOCABULARY, TRANSITIONS, STATES, ENTITIES, PAIRS, *named]))


def _is_unit(value: Any) -> bool:
    try:
        check_unit(value)
    except ValueError:
        return False
    return True


def _names(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, str) for v in values) and _distinct(values)


def _distinct(values: list[Any]) -> bool:
    return len(set(values)) == len(values)


def _check_signatures(content: dict[str, Any], path: str) -> None:
    """Raise an `ExportedModelError` unless there are signatures just where the format has them."""
    signatures = content["signatures"]
    if content["format"] == FORMAT:
        fits, expected = signatures is None, f"none in format {FORMAT}"
    elif content["format"] == PROBABILITY_FORMAT and signatures is None:
        return
    else:
        relations, entities = set(content["relation_types"]), set(content["entity_types"])
        fits = isinstance(signatures, list) and all(
            isinstance(names, list)
            and len(names) == 3
            and all(isinstance(name, str) for name in names)
            and names[0] in relations
            and entities.issuperset(names[1:])
            for names in signatures
        )
        expected = "lists of a relation type of the model and two of its entity types"
    if not fits:
        raise ExportedModelError(f"{path}: signatures is {quote(signatures)}; expected {expected}")


def _check_feature(feature: Any, path: str) -> None:
    """Raise an `ExportedModelError` unless the feature has what its kind needs."""
    if not isinstance(feature, dict) or feature.get("kind") not in _KINDS:
        raise ExportedModelError(
            f"{path}: a feature is {quote(feature)}; expected one of the kinds {', '.join(_KINDS)}"
        )
    needed: dict[str, Any] = {"size": int}
    if feature["kind"] != "casing":
        needed["graph"] = str
    if feature["kind"] in ("words", "characters", "gazetteer"):
        needed["namespace"] = str
    if feature["kind"] == "words":
        needed["lowercase"] = bool
    if feature["kind"] == "pieces":
        needed |= {"tokenizer": str, "unknown": int, "padding": int, "before": list, "after": list}
        window = feature.get("window")
        if window is not None and not (type(window) is int and window >= 2):
            raise ExportedModelError(f"{path}: window is {quote(window)}; expected 2 or more")
    for name, kind in needed.items():
        value: Any = feature.get(name)
        if type(value) is not kind:
            raise ExportedModelError(
                f"{path}: {name} of the feature {quote(feature.get('name'))} is {quote(value)}; "
                f"expected {kind.__name__}"
            )
        if kind is list and not all(type(item) is int for item in value):
            raise ExportedModelError(f"{path}: {name} is {quote(value)}; expected whole numbers")
        if name in ("graph", "tokenizer") and not _is_file_name(value):
            raise ExportedModelError(
                f"{path}: {name} is {quote(value)}, which leads out of the directory; do not trust "
                "the model"
            )


def _is_file_name(value: str) -> bool:
    return os.path.basename(value) == value and value not in ("", os.curdir, os.pardir)


def read_json(directory: str, name: str) -> Any:
    """The content of a JSON file of the directory.

    # Raises

    `ExportedModelError`
        If it is missing, too large or no JSON.
    """
    path = os.path.join(directory, name)
    try:
        size = os.path.getsize(path)
        if size > MAX_JSON_BYTES:
            raise ExportedModelError(f"{path} has {size} bytes; expected at most {MAX_JSON_BYTES}")
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise ExportedModelError(
            f"{path} cannot be read ({error.strerror}); expected what allennlp export writes"
        ) from error
    # JSON that is nested too deeply ends in a RecursionError.
    except (ValueError, RecursionError) as error:
        if isinstance(error, ExportedModelError):
            raise
        raise ExportedModelError(f"{path} is damaged: {error}") from error
