"""Writes trained models for `joint_ner_re.runtime`, which needs neither torch nor AllenNLP."""

from joint_ner_re.exporting.card import Card
from joint_ner_re.exporting.export import BITS, export, export_predictor
from joint_ner_re.exporting.graphs import ExportError

__all__ = ["BITS", "Card", "ExportError", "export", "export_predictor"]
