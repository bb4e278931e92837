"""Wiring, losses and readable output."""

from joint_ner_re.models.joint_model import JointModel

__all__ = ["JointModel"]
