"""What the page shows of a record: the drawing, with a bound where there are too many relations."""

from __future__ import annotations

from joint_ner_re.documents import Record
from joint_ner_re.review.picture import picture

# A low threshold gives a relation for every pair of entities, which nobody can look at.
MAX_DRAWN_RELATIONS = 200


def drawing_of(record: Record) -> dict[str, object]:
    """The record, its drawing as HTML in which all texts are escaped, and what was left out.

    # Parameters

    record : `dict[str, Any]`
        What `extract` writes for a text.
    """
    relations = record["relations"]
    drawn = relations
    if len(relations) > MAX_DRAWN_RELATIONS:
        best = sorted(range(len(relations)), key=lambda n: -relations[n]["score"])
        drawn = [relations[number] for number in sorted(best[:MAX_DRAWN_RELATIONS])]
    return {
        "document": record,
        "drawing": picture({**record, "relations": drawn}, with_style=False),
        "relations_not_drawn": len(relations) - len(drawn),
    }
