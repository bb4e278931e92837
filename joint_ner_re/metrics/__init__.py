"""Compares predicted with gold sentences; see docs/evaluation.md for the rules."""

from joint_ner_re.metrics.joint_score import JointScore
from joint_ner_re.metrics.score import CRITERIA, Scorer, score

__all__ = ["CRITERIA", "JointScore", "Scorer", "score"]
