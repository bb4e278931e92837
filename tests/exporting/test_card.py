"""The model card that export writes, read back by the hub's own library."""

import json

import pytest
from huggingface_hub import ModelCard

from joint_ner_re.exporting import Card, ExportError
from joint_ner_re.exporting.card import check_card, model_card
from joint_ner_re.runtime.files import Manifest

MANIFEST = Manifest(
    entity_types=["Drug", "Adverse-Effect"], relation_types=["Causes"], tag_scheme="BIO",
    tag_levels=1, relation_threshold=0.5, most_relations=20, pipeline="en_core_web_sm",
    granularity="standard", sentence_rules="punctuation", unit="sentence", symmetric=[],
    max_token_characters=300, features=[{"kind": "casing", "size": 4}], pair_layer=0, bits=32,
)  # fmt: skip
METRICS = {
    "best_validation_entity_precision": 0.9,
    "best_validation_entity_recall": 0.8,
    "best_validation_entity_f1": 0.847,
    "best_validation_relation_f1": 0.5,
    "best_validation_loss": 3.0,
    "training_entity_f1": 0.99,
}
CONFIG = {"validation_data_path": "/home/ann/corpora/ade/dev.jsonl"}


def written(card=Card(), manifest=MANIFEST, config=CONFIG, metrics=METRICS):
    return ModelCard(model_card(card, "runs/ade", manifest, config, metrics, "9.8"))


def test_the_header_has_what_the_hub_reads():
    card = written(Card("ade-small", "mit", "en,de", "ADE (fold 0)"))
    assert card.data.to_dict() == {
        "language": ["en", "de"],
        "license": "mit",
        "library_name": "joint_ner_re",
        "tags": [
            "named-entity-recognition", "relation-extraction", "information-extraction", "onnx",
        ],
        "pipeline_tag": "token-classification",
        "model-index": [
            {
                "name": "ade-small",
                "results": [
                    {
                        "task": {
                            "type": "token-classification", "name": "Named entity recognition",
                        },
                        "dataset": {
                            "name": "ADE (fold 0)", "type": "ade-fold-0", "split": "validation",
                        },
                        "metrics": [
                            {"type": "precision", "value": 0.9, "name": "Entity precision"},
                            {"type": "recall", "value": 0.8, "name": "Entity recall"},
                            {"type": "f1", "value": 0.847, "name": "Entity f1"},
                        ],
                    },
                    {
                        "task": {"type": "relation-extraction", "name": "Relation extraction"},
                        "dataset": {
                            "name": "ADE (fold 0)", "type": "ade-fold-0", "split": "validation",
                        },
                        "metrics": [{"type": "f1", "value": 0.5, "name": "Relation f1"}],
                    },
                ],
            }
        ],
    }  # fmt: skip
    assert card.text.startswith("\n# ade-small\n\nFinds entities of the types `Drug`, `Adverse-")
    assert 'joint_ner_re.load("hf://OWNER/ade-small@COMMIT")' in card.text
    assert "| relation f1 | 50.00 |" in card.text


def test_what_the_author_does_not_say():
    data = written().data.to_dict()
    assert "license" not in data
    assert data["language"] == ["en"]
    (index,) = data["model-index"]
    assert index["name"] == "ade"
    assert {result["dataset"]["name"] for result in index["results"]} == {"dev.jsonl"}


@pytest.mark.parametrize(
    "pipeline, languages", [("de", ["de"]), ("xx", ["multilingual"]), ("my-pipeline", None)]
)
def test_the_language_is_that_of_the_tokenizer(pipeline, languages):
    data = written(manifest=MANIFEST._replace(pipeline=pipeline)).data.to_dict()
    assert (data.get("language") or None) == languages


def test_without_scores_there_is_no_index():
    card = written(metrics={"best_validation_loss": 3.0})
    assert "model-index" not in card.data.to_dict() and "model_name" not in card.content
    assert "allennlp evaluate" in card.text


def test_a_name_cannot_break_the_header():
    name = 'a: "b"\n---\n# c'
    card = written(Card(name, dataset="x: [y\n---\n"))
    assert card.data.model_name == name
    assert card.data.eval_results[0].dataset_name == "x: [y\n---\n"


def test_the_card_does_not_tell_about_the_authors_machine():
    config = {
        **CONFIG,
        "train_data_path": ["../ann/train.jsonl", "fixtures/sample/train.jsonl"],
        "model": {"model_name": r"C:\Users\ann\minilm", "file": "~/ann/vectors.txt", "size": 3},
    }
    card = written(config=config)
    shown = json.loads(card.text.split("```json\n")[1].split("\n```")[0])
    assert shown == {
        "validation_data_path": "dev.jsonl",
        "train_data_path": ["train.jsonl", "fixtures/sample/train.jsonl"],
        "model": {"model_name": "minilm", "file": "vectors.txt", "size": 3},
    }
    assert "ann" not in card.content


def test_scores_of_a_quantised_model_say_where_they_are_from():
    said = "They were measured in 32 bits"
    assert said in written(manifest=MANIFEST._replace(bits=8)).text
    assert said not in written().text


@pytest.mark.parametrize(
    "card, message",
    [
        (Card(license="MIT License"), "license is 'MIT License'; expected the hub's name of one"),
        (Card(language="en,English"), "language has 'English'; expected a code of two or three"),
        (Card(language=""), "language has ''"),
    ],
)
def test_what_the_hub_would_not_take(card, message):
    with pytest.raises(ExportError, match=message):
        check_card(card)


def test_the_command_writes_a_card(allennlp, tiny_archive, tmp_path, capsys):
    target = tmp_path / "ann" / "tiny"
    target.parent.mkdir()
    allennlp("export", tiny_archive, target, "--card", "--dataset", "Made up")
    assert "names no license; --license mit" in capsys.readouterr().out
    card = ModelCard.load(target / "README.md")
    metrics = json.loads((tiny_archive.parent / "metrics.json").read_text())
    found = {one.metric_name: one.metric_value for one in card.data.eval_results}
    assert found["Relation recall"] == metrics["best_validation_relation_recall"]
    assert len(found) == 6 and card.data.model_name == "tiny"
    assert str(tmp_path) not in card.content


def test_options_of_the_card_need_the_card(allennlp, tiny_archive, tmp_path):
    target = tmp_path / "model"
    with pytest.raises(SystemExit, match="--license is for a model card; give --card, too"):
        allennlp("export", tiny_archive, target, "--license", "mit")
    with pytest.raises(SystemExit, match="license is 'M I T'; expected the hub's name of one"):
        allennlp("export", tiny_archive, target, "--card", "--license", "M I T")
    assert list(tmp_path.iterdir()) == []
