"""Wiring, losses and readable output."""

from joint_ner_re.models.joint_model import JointModel
from joint_ner_re.models.masked_pieces import MaskedPiecesModel

__all__ = ["JointModel", "MaskedPiecesModel"]
