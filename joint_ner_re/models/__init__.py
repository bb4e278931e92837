"""The joint model: wiring, losses and readable output."""

from joint_ner_re.models.joint_model import JointModel
from joint_ner_re.models.relation_choice import Thresholds

__all__ = ["JointModel", "Thresholds"]
