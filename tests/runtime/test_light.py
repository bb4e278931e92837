"""Exported models need neither torch nor transformers nor AllenNLP, and start quickly."""

import json
import os
import subprocess
import sys

import pytest
from missing import LARGE, without

from joint_ner_re.predictors.loading import load_predictor

TEXT = "Ada Marek lives in Kesh. Oleg Hart joined the Navy in 1961."


def without_libraries(root, code, *arguments, missing=LARGE, also=(), **variables):
    code = without(*missing, *also) + code
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code, *map(str, arguments)],
        cwd=root, capture_output=True, text=True, timeout=120, env={**os.environ, **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def expected(tiny_archive):
    predictor = load_predictor(str(tiny_archive))
    predictor.relation_threshold = 0.0
    record = predictor.predict_json({"text": TEXT})
    assert record["relations"]
    return record


def assert_same(found, expected):
    for name in ("entities", "relations"):
        scores = [[item["score"] for item in record[name]] for record in (found, expected)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)
        without = [[{**i, "score": 0} for i in record[name]] for record in (found, expected)]
        assert without[0] == without[1]


def test_load_and_the_spacy_component(root, tiny_exported, expected):
    code = """
import json
import joint_ner_re, spacy

extractor = joint_ner_re.load(sys.argv[1], relation_threshold=0.0)
doc = extractor(sys.argv[2])
nlp = spacy.blank("en")
nlp.add_pipe("joint_ner_re", config={"archive": sys.argv[1], "split_sentences": True})
found = nlp(sys.argv[2])
print(json.dumps([doc.to_dict(), doc._repr_html_(), found._.joint_entities]))
print(sorted({name.split(".")[0] for name in sys.modules} & {"torch", "allennlp", "transformers"}))
"""
    answer, imported = without_libraries(root, code, tiny_exported, TEXT).splitlines()
    record, drawing, in_spacy = json.loads(answer)
    assert_same(record, expected)
    assert "Kesh" in drawing and len(in_spacy) == len(expected["entities"])
    assert imported == "[]"


def test_extract_on_the_command_line(root, tiny_exported, expected, tmp_path):
    (tmp_path / "in.txt").write_text(f"{TEXT}\n\n")
    code = """
sys.argv[0] = "joint-ner-re"
from joint_ner_re.__main__ import main
main()
"""
    printed = without_libraries(
        root, code, "extract", tiny_exported, tmp_path / "in.txt", tmp_path / "out.jsonl",
        "--relation-threshold", "0", "--threads", "1",
    )  # fmt: skip
    assert printed.endswith("out.jsonl: 2 documents\n")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert_same(first, expected)
    assert second["tokens"] == []


def test_a_worker_of_ray_loads_an_exported_model(root, tiny_exported, tmp_path):
    """As Ray makes it, in a process of its own."""
    code = """
from joint_ner_re.extraction.on_ray import _Worker

worker = _Worker(sys.argv[1], sys.argv[2], -1, 1, 0.25, None, 1)
print(worker._predictor.relation_threshold)
"""
    assert without_libraries(root, code, tiny_exported, tmp_path / "out") == "0.25\n"


def test_a_worker_of_ray_imports_no_torch_where_it_is_installed(root, tiny_exported, tmp_path):
    code = """
from joint_ner_re.extraction.on_ray import _Worker

worker = _Worker(sys.argv[1], sys.argv[2], -1, 1, None)
worker._predictor.predict_batch_json([{"text": "Ada left Kesh."}])
print("spacy" in sys.modules, "torch" in sys.modules)
import torch
"""
    found = without_libraries(root, code, tiny_exported, tmp_path / "out", missing=())
    assert found == "True False\n"


def test_without_a_model_the_help_still_says_that_extract_needs_allennlp(root):
    code = "from joint_ner_re.__main__ import main; sys.argv[1:] = ['--help']; main()"
    assert "  extract " in without_libraries(root, code).partition("need AllenNLP")[2]


@pytest.mark.parametrize("missing", ["onnxruntime", "tokenizers"])
def test_what_is_missing_is_said(root, tiny_exported, missing):
    code = """
import joint_ner_re
try:
    joint_ner_re.load(sys.argv[1])
except ModuleNotFoundError as error:
    print(error)
"""
    printed = without_libraries(root, code, tiny_exported, also=[missing])
    assert printed.startswith(f"exported models need {missing}, which is not installed")
    assert "pip install 'joint_ner_re[runtime]'" in printed
