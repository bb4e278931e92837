"""An archive of each release of the format is loaded, and predicts what it did then."""

import importlib.util
import json

import pytest

from joint_ner_re.predictors.loading import load_predictor


@pytest.fixture(scope="module", params=["0.1.0"])
def kept(request, fixtures):
    return fixtures / f"archive_{request.param}"


@pytest.fixture(scope="module")
def predicted(kept, tmp_path_factory, few_threads):
    """What the archive's model makes of the raw texts."""
    spec = importlib.util.spec_from_file_location("make", kept / "make.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    archive = tmp_path_factory.mktemp("kept") / "model.tar.gz"
    script.make(archive)
    predictor = load_predictor(str(archive))
    texts = (kept.parent / "sample" / "raw.txt").read_text(encoding="utf-8").splitlines()
    return predictor.predict_batch_json([{"text": text} for text in texts])


def figures(value):
    """All numbers with a fraction, in order, and the value without them."""
    if isinstance(value, float):
        return [value], None
    if isinstance(value, (list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        parts = {key: figures(inner) for key, inner in items}
        numbers = [number for found, _ in parts.values() for number in found]
        return numbers, {key: rest for key, (_, rest) in parts.items()}
    return [], value


def test_an_archive_that_is_kept_predicts_what_it_did(kept, predicted):
    lines = (kept / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    expected, rest = figures([json.loads(line) for line in lines])
    found, found_rest = figures(json.loads(json.dumps(predicted)))
    assert found_rest == rest
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_predictions_that_are_kept_can_tell_models_apart(predicted):
    entities = [entity["type"] for output in predicted for entity in output["entities"]]
    relations = [relation for output in predicted for relation in output["relations"]]
    assert len(set(entities)) > 1 and len(relations) > 1
