"""Compares predicted with gold sentences; see docs/evaluation.md for the rules."""

from joint_ner_re.metrics.joint_score import JointScore
from joint_ner_re.metrics.score import CRITERIA, Scorer, score
from joint_ner_re.metrics.weighted_mean import WeightedMean

__all__ = ["CRITERIA", "JointScore", "Scorer", "WeightedMean", "score"]
