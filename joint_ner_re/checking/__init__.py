"""Is a corpus fit to train on? Errors, figures, and annotations that look like mistakes."""

from joint_ner_re.checking.check import check_corpus
from joint_ner_re.checking.counts import Part
from joint_ner_re.checking.report import Report, as_markdown, as_text

__all__ = ["Part", "Report", "as_markdown", "as_text", "check_corpus"]
