import pytest

from joint_ner_re.exporting import export_predictor
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.runtime.predictor import load_exported


@pytest.fixture(scope="module")
def both(make, fixtures, tmp_path_factory):
    """The predictors of one model, by PyTorch and exported; every pair gets every relation.

    `overrides` changes fixtures/tiny.jsonnet; `change` gets the model before it is exported.
    """

    def made(overrides=None, change=None):
        one = make(
            fixtures / "conll04_spert.json", {"model.relation_threshold": 0.0, **(overrides or {})}
        )
        if change is not None:
            change(one.model)
        predictor = JointPredictor(one.model, one.reader)
        directory = tmp_path_factory.mktemp("exported") / "model"
        export_predictor(predictor, directory)
        return predictor, load_exported(directory, threads=1)

    return made


@pytest.fixture(scope="module")
def tiny(tiny_archive, tiny_exported):
    """Both predictors of the tiny model, which is trained; every pair gets every relation."""
    predictors = load_predictor(str(tiny_archive)), load_exported(tiny_exported, threads=2)
    for predictor in predictors:
        predictor.relation_threshold = 0.0
    return predictors
