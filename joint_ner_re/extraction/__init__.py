"""Predictions for any number of documents, in one process or on many machines."""

from joint_ner_re.extraction.checks import ExtractionError, Summary
from joint_ner_re.extraction.local import extract

__all__ = ["ExtractionError", "Summary", "extract"]
