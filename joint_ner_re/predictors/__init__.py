"""The predictor: JSON in, JSON out."""

from joint_ner_re.predictors.joint_predictor import JointPredictor

__all__ = ["JointPredictor"]
