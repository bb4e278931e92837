"""Loads predictors from model archives; no other module does."""

import joint_ner_re.training  # noqa: F401 (registers the data loaders that archives name)
from joint_ner_re import archives
from joint_ner_re.models import JointModel
from joint_ner_re.predictors.joint_predictor import JointPredictor


def load_predictor(archive: str, cuda_device: int = -1) -> JointPredictor:
    """The predictor of a `model.tar.gz`, which may come from strangers (see `archives`).

    # Parameters

    archive : `str`
        The archive, its URL, or a directory that `allennlp train` wrote.
    cuda_device : `int`, optional (default = `-1`)
        The GPU that the model runs on; -1 is the CPU.

    # Raises

    `ConfigurationError`
        If the archive is damaged or contains something that could run code.
    `ValueError`
        If the archive holds another kind of model.
    """
    loaded = archives.load_archive(archive, cuda_device=cuda_device)
    if not isinstance(loaded.model, JointModel):
        raise ValueError(
            f"{archive} holds a {type(loaded.model).__name__}; expected a {JointModel.__name__}"
        )
    predictor = JointPredictor.from_archive(loaded, "joint_ner_re")
    assert isinstance(predictor, JointPredictor)
    return predictor
