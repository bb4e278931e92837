"""Directories of strangers: what is missing or damaged is named, and nothing leads out."""

import json
import shutil

import onnx
import pytest

from joint_ner_re.runtime.files import ExportedModelError, is_exported
from joint_ner_re.runtime.predictor import default_threads, load_exported


@pytest.fixture
def copy(tiny_exported, tmp_path):
    return shutil.copytree(tiny_exported, tmp_path / "model")


def change(directory, name, **values):
    path = directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_exported_is_known_by_its_manifest(copy, tmp_path):
    assert is_exported(copy)
    assert not is_exported(tmp_path) and not is_exported(copy / "joint_ner_re.json")


@pytest.mark.parametrize(
    "name", ["vocabulary.json", "transitions.json", "states.onnx", "pairs.onnx", "feature_2.onnx"]
)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ExportedModelError, match=f"{name} (cannot be read|does not exist)"):
        load_exported(copy)


@pytest.mark.parametrize("name", ["joint_ner_re.json", "vocabulary.json", "transitions.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"3"])
def test_json_that_is_damaged_is_named(copy, name, content):
    (copy / name).write_bytes(content)
    with pytest.raises(ExportedModelError, match=name):
        load_exported(copy)


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_graph_that_is_damaged_is_named(copy, content):
    (copy / "entities.onnx").write_bytes(content)
    with pytest.raises(ExportedModelError, match=r"entities.onnx is damaged: "):
        load_exported(copy)


def test_another_graph_in_the_place_of_one_is_named(copy):
    shutil.copy(copy / "pairs.onnx", copy / "entities.onnx")
    with pytest.raises(ExportedModelError, match="entities.onnx has the inputs as_head.*expected"):
        load_exported(copy)


@pytest.mark.parametrize(
    "values, reason",
    [
        ({"format": 4}, "format is 4; this version of joint_ner_re reads the formats 1, 2, 3:"),
        ({"relation_probability": "whole"},
         "relation_probability is 'whole'; expected pair in format 1"),
        ({"relation_probability": "all", "format": 3},
         "relation_probability is 'all'; expected pair or whole in format 3"),
        ({"entity_types": []}, r"entity_types is \[\]; expected names, at least one"),
        ({"entity_types": ["A", "A"]}, "entity_types is .*; expected names"),
        ({"relation_types": "Kill"}, "relation_types is 'Kill'; expected names"),
        ({"tag_scheme": "IO"}, "tag_scheme is 'IO'; expected BIO or BIOUL"),
        ({"tag_levels": True}, "tag_levels is True; expected 1 to 10"),
        ({"tag_levels": 2}, "transitions.json does not fit the model"),
        ({"most_relations": 0}, "most_relations is 0; expected 1 or more"),
        ({"relation_threshold": 2}, "relation_threshold is 2; expected 0 to 1"),
        ({"relation_threshold": {"Kill": 0.5}}, "relation_threshold has the types .Kill.;"),
        ({"pipeline": "../mine"}, "pipeline is '../mine'; expected a language or a package"),
        ({"granularity": "raw"}, "granularity is 'raw'; expected standard or fine"),
        ({"sentence_rules": 3}, "sentence_rules is 3; expected punctuation or abbreviations"),
        ({"unit": "page"}, "unit is 'page'; expected sentence, document or a number"),
        ({"symmetric": [1]}, r"symmetric is \[1\]; expected names"),
        ({"features": []}, r"features is \[\]; expected at least one feature"),
        ({"features": [{"kind": "elmo"}]}, "a feature is .*; expected one of the kinds words"),
        ({"features": [{"kind": "casing"}]}, "size of the feature None is None; expected int"),
        (
            {"features": [{"kind": "words", "size": 8, "graph": "../a.onnx", "namespace": "tokens",
                           "lowercase": True}]},
            "graph is '../a.onnx', which leads out of the directory; do not trust the model",
        ),
        (
            {"features": [{"kind": "words", "size": 8, "graph": "feature_2.onnx",
                           "namespace": "nothing", "lowercase": True}]},
            "vocabulary.json has no namespace 'nothing', which the feature None needs",
        ),
        (
            {"features": [{"kind": "gazetteer", "size": 8, "graph": "feature_2.onnx",
                           "namespace": "tokens"}]},
            "vocabulary.json: the gazetteer has the entry '@@PADDING@@'; expected a JSON list",
        ),
        (
            {"features": [{"kind": "pieces", "size": 8, "graph": "a", "tokenizer": "b",
                           "unknown": 1, "padding": 0, "before": ["x"], "after": []}]},
            r"before is \['x'\]; expected whole numbers",
        ),
        (
            {"features": [{"kind": "pieces", "size": 8, "graph": "a", "tokenizer": "b", "window": 1,
                           "unknown": 1, "padding": 0, "before": [], "after": []}]},
            "window is 1; expected 2 or more",
        ),
        (
            {"features": [{"kind": "pieces", "size": 8, "graph": "a", "tokenizer": "README.md",
                           "unknown": 1, "padding": 0, "before": [], "after": []}]},
            "README.md is damaged: ",
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(copy, values, reason):
    change(copy, "joint_ner_re.json", **values)
    with pytest.raises(ValueError, match=reason):
        load_exported(copy)


@pytest.mark.parametrize(
    "signatures",
    [None, {}, "Kill", [3], [["Kill", "Peop"]], [["Kill", "Peop", "Peop", "Peop"]],
     [["Peop", "Peop", "Peop"]], [["Kill", "Peop", "Nobody"]], [["Kill", "Peop", ["Peop"]]]],
)  # fmt: skip
def test_wrong_signatures_are_named(copy, signatures):
    change(copy, "joint_ner_re.json", format=2, signatures=signatures)
    with pytest.raises(
        ExportedModelError, match=r"json: signatures is .*; expected lists of a rel"
    ):
        load_exported(copy)


def test_signatures_need_the_format_that_older_readers_refuse(copy):
    signatures = [["Kill", "Peop", "Peop"]]
    change(copy, "joint_ner_re.json", signatures=signatures)
    with pytest.raises(ExportedModelError, match="signatures is .*; expected none in format 1"):
        load_exported(copy)
    change(copy, "joint_ner_re.json", format=2)
    assert load_exported(copy).model.manifest.signatures == signatures


def test_a_model_exported_before_there_were_signatures_predicts_between_all_types(copy):
    path = copy / "joint_ner_re.json"
    manifest = json.loads(path.read_text())
    assert (manifest.pop("signatures"), manifest["format"]) == (None, 1)
    path.write_text(json.dumps(manifest))
    exported = load_exported(copy)
    exported.relation_threshold = 0.0
    given = [{"type": name, "start": n, "end": n + 1} for n, name in enumerate(["Loc", "Org"])]
    (output,) = exported.relate_json([({"tokens": ["Kesh", "Navy"]}, given)])
    assert len(output["relations"]) == 2 * len(manifest["relation_types"])


def test_a_model_exported_before_there_was_a_choice_splits_at_punctuation(copy):
    path = copy / "joint_ner_re.json"
    manifest = json.loads(path.read_text())
    assert manifest.pop("sentence_rules") == "punctuation"
    path.write_text(json.dumps(manifest))
    assert load_exported(copy).text_tokenizer.sentence_rules == "punctuation"


def sentences_of(predictor, text):
    (output,) = predictor.predict_batch_json([{"text": text}])
    return output["sentences"]


def test_texts_are_split_by_the_rules_of_the_model(copy):
    text = "We saw Ada (Fig. 2). She left."
    assert len(sentences_of(load_exported(copy), text)) == 3
    change(copy, "joint_ner_re.json", sentence_rules="abbreviations")
    assert len(sentences_of(load_exported(copy), text)) == 2


def test_transitions_must_be_finite_numbers(copy):
    path = copy / "transitions.json"
    levels = json.loads(path.read_text())
    levels[0]["start"][0] = float("inf")
    path.write_text(json.dumps(levels))
    with pytest.raises(ExportedModelError, match="transitions.json does not fit the model"):
        load_exported(copy)


def test_threads(tiny_exported, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == load_exported(tiny_exported).threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert default_threads() >= 1
    with pytest.raises(ValueError, match="threads is 0; expected 1 or more"):
        load_exported(tiny_exported, threads=0)


@pytest.mark.parametrize("location", ["../outside.bin", "OUTSIDE"])
def test_a_graph_that_refers_to_a_file_elsewhere_is_refused(copy, tmp_path, location):
    """Weights may lie beside a graph; here they are a file that is nobody's business."""
    outside = copy.parent / "outside.bin"
    outside.write_bytes(b"\0" * 2**20)
    graph = onnx.load(copy / "entities.onnx")
    tensor = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    size = len(tensor.raw_data)
    assert 0 < size <= 2**20
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    place = str(outside) if location == "OUTSIDE" else location
    for key, value in (("location", place), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    (copy / "entities.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ExportedModelError, match="entities.onnx is damaged"):
        load_exported(copy)


def test_operators_of_others_are_refused(copy):
    graph = onnx.load(copy / "entities.onnx")
    graph.graph.node[0].domain = "somebody.elses"
    graph.opset_import.add(domain="somebody.elses", version=1)
    (copy / "entities.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(ExportedModelError, match="entities.onnx is damaged"):
        load_exported(copy)
