"""Checks a corpus before training: errors, statistics, and annotations that look like mistakes."""

from joint_ner_re.checking.check import check_corpus
from joint_ner_re.checking.report import Report, as_markdown, as_text
from joint_ner_re.checking.statistics import Part

__all__ = ["Part", "Report", "as_markdown", "as_text", "check_corpus"]
