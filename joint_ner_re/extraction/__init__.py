"""Predictions for documents of any number, by one process or by many machines."""

from joint_ner_re.extraction.checks import ExtractionError, Summary
from joint_ner_re.extraction.one_process import extract

__all__ = ["ExtractionError", "Summary", "extract"]
