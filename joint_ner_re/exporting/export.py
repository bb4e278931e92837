"""Writes a trained model as a directory that `joint_ner_re.runtime` runs without torch."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from allennlp.common.file_utils import cached_path
from allennlp.data import Vocabulary

from joint_ner_re import archives
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.dataset_readers.joint_reader import MAX_TOKEN_CHARACTERS
from joint_ner_re.exporting.bits import to_eight_bits
from joint_ner_re.exporting.card import Card, check_card, model_card
from joint_ner_re.exporting.check import check_same_numbers
from joint_ner_re.exporting.features import export_features
from joint_ner_re.exporting.graphs import ExportError
from joint_ner_re.exporting.heads import (
    check_heads,
    entities_graph,
    pairs_graph,
    states_graph,
)
from joint_ner_re.exporting.readme import headlines, readme
from joint_ner_re.models import JointModel
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.runtime.files import (
    ENTITIES,
    METRICS,
    PAIRS,
    README,
    STATES,
    TRANSITIONS,
    VOCABULARY,
    Manifest,
    write_json,
    write_manifest,
)
from joint_ner_re.version import VERSION
from joint_ner_re.writing import PathLike, replacing_directory

BITS = (32, 8)


def export(
    archive: PathLike, directory: PathLike, bits: int = 32, card: Card | None = None
) -> Manifest:
    """Write a trained model as ONNX graphs and JSON.

    In 32 bits the graphs are compared with the model before the directory appears.

    # Parameters

    archive : `str`
        A `model.tar.gz`, its URL, or a directory that `allennlp train` wrote. The scores for the
        README are those of `metrics.json` in its directory, if that exists.
    directory : `str`
        The directory to write, which appears only when it is complete.
    bits : `int`, optional (default = `32`)
        32 for single precision, 8 to quantise the matrices.
    card : `Card`, optional (default = `None`)
        If given, the README is a model card for the Hugging Face hub.

    # Returns

    `Manifest`
        What was written.

    # Raises

    `ExportError`
        If a part of the model cannot be exported, or something in the card is not the hub's; the
        message names it.
    `ConfigurationError`
        If the archive is damaged, or contains something that could run.
    `OSError`
        If the directory is not empty or cannot be written.
    """
    if card is not None:
        check_card(card)
    path = os.fspath(cached_path(os.fspath(archive)))
    predictor = load_predictor(path)
    return export_predictor(predictor, directory, bits, _config(path), _metrics(path), card)


def export_predictor(
    predictor: JointPredictor,
    directory: PathLike,
    bits: int = 32,
    config: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    card: Card | None = None,
) -> Manifest:
    """As `export`, for a model that is loaded already.

    # Parameters

    predictor : `JointPredictor`
        With the model and the dataset reader.
    config, metrics : `Mapping[str, Any]`, optional (default = `None`)
        The model's configuration and scores, for the README.
    card : `Card`, optional (default = `None`)
        As for `export`.
    """
    if bits not in BITS:
        raise ExportError(f"bits is {bits}; expected one of {', '.join(map(str, BITS))}")
    model, reader = predictor._model, predictor._dataset_reader
    _check_pipeline(reader)
    check_heads(model)
    with replacing_directory(directory) as temporary:
        target = os.fspath(temporary)
        features = export_features(model, reader, target)
        states_graph(model).save(os.path.join(target, STATES))
        entities_graph(model).save(os.path.join(target, ENTITIES))
        pairs_graph(model).save(os.path.join(target, PAIRS))
        manifest = _manifest(model, reader, features, bits)
        write_json(_vocabulary(model.vocab, features), target, VOCABULARY)
        write_json(_transitions(model), target, TRANSITIONS)
        write_manifest(manifest, target, VERSION)
        known = (manifest, config or {}, metrics or {}, VERSION)
        text = (
            model_card(card, os.fspath(directory), *known) if card is not None else readme(*known)
        )
        Path(target, README).write_text(text, encoding="utf-8")
        if scores := headlines(metrics or {}):
            write_json(scores, target, METRICS)
        check_same_numbers(predictor, target)
        if bits == 8:
            to_eight_bits(target, manifest)
    return manifest


def _check_pipeline(reader: JointReader) -> None:
    """Raise an `ExportError` if the spaCy pipeline is a directory, which would not come along."""
    name = reader.tokenizer.pipeline
    if set(name) & set("/\\"):
        raise ExportError(
            f"dataset_reader.tokenizer_pipeline is the directory {name!r}, which does not come "
            "along; expected a language such as 'en', or the name of an installed pipeline"
        )


def _manifest(
    model: JointModel, reader: JointReader, features: list[dict[str, Any]], bits: int
) -> Manifest:
    finder: Any = model.entity_finder
    pair_layer: Any = model.relation_scorer.pair_layer
    return Manifest(
        entity_types=model.entity_types,
        relation_types=model.relation_types,
        tag_scheme=finder.codec.scheme,
        tag_levels=len(finder.levels),
        relation_threshold=model.relation_threshold,
        most_relations=model.most_relations,
        pipeline=reader.tokenizer.pipeline,
        granularity=reader.tokenizer.granularity,
        sentence_rules=reader.tokenizer.sentence_rules,
        unit=reader.unit,
        symmetric=list(reader._symmetric),
        max_token_characters=MAX_TOKEN_CHARACTERS,
        features=features,
        pair_layer=0 if pair_layer is None else pair_layer.between.out_features,
        bits=bits,
        relation_probability=model.relation_probability,
        signatures=None if model.signatures is None else list(map(list, model.signatures)),
    )


def _vocabulary(vocab: Vocabulary, features: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The words of each namespace that a feature looks up, by their numbers."""
    names = {feature["namespace"] for feature in features if "namespace" in feature}
    found = {}
    for name in sorted(names):
        words = vocab.get_index_to_token_vocabulary(name)
        found[name] = [words[number] for number in range(len(words))]
    return found


def _transitions(model: JointModel) -> list[dict[str, Any]]:
    """The CRF's numbers for each level of tags."""
    finder: Any = model.entity_finder
    return [
        {name: getattr(crf, name).tolist() for name in ("transitions", "start", "end")}
        for crf in finder._crfs
    ]


def _config(path: str) -> dict[str, Any]:
    """The configuration in an archive or a directory."""
    if os.path.isdir(path):
        return archives.read_config(Path(path))
    with archives.extracted(path) as directory:
        return archives.read_config(directory)


def _metrics(path: str) -> dict[str, Any]:
    """What training measured, from the file beside the archive; empty if there is none."""
    place = path if os.path.isdir(path) else os.path.dirname(path)
    try:
        with open(os.path.join(place, METRICS), encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
