"""Shows predictions beside gold annotations: as an HTML page, and as plots.

from joint_ner_re.review import match, write_page

write_page("page.html", "mine against dev", match(predicted, gold))
"""

from joint_ner_re.metrics.pairing import MatchingError, match
from joint_ner_re.review.alignment import Alignment, Item, align
from joint_ner_re.review.page import write_page

__all__ = ["Alignment", "Item", "MatchingError", "align", "match", "write_page"]
