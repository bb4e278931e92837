"""The drawing of one document, for notebooks."""

import re
from html.parser import HTMLParser

from joint_ner_re.review.picture import picture, picture_style

HOSTILE = "<script>alert(1)</script>"


def record_of(tokens, entities, relations):
    return {
        "tokens": tokens,
        "entities": [
            {
                "type": kind,
                "start": start,
                "end": end,
                "text": " ".join(tokens[start:end]),
                "score": 0.5,
            }
            for kind, start, end in entities
        ],
        "relations": [
            {"type": kind, "head": head, "tail": tail, "score": 0.25}
            for kind, head, tail in relations
        ],
        "id": "",
        "sentences": [[0, len(tokens)]],
    }


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_entities_and_relations_have_the_colours_of_their_types():
    html = picture(
        record_of(
            ["Ada", "and", "Jon", "left", "Kesh"],
            [("Peop", 0, 1), ("Peop", 2, 3), ("Loc", 4, 5)],
            [("Live_In", 0, 2)],
        )
    )
    elements = Elements(html)
    marks = [attributes["class"] for tag, attributes in elements.found if tag == "mark"]
    assert marks == ["t0", "t0", "t1"]
    assert [attributes["class"] for tag, attributes in elements.found if tag == "g"] == ["t2"]
    assert "Live_In 0.25" in elements.texts and "Peop 0.50" in elements.texts
    assert html.startswith('<div class="joint-ner-re"><style>') and picture_style() in html


def test_markup_in_texts_and_types_is_shown_and_not_used():
    tokens = [HOSTILE, "left", '"><img src=x onerror=y>', '<mark class="unchecked" data-i="99">']
    html = picture(
        record_of(tokens, [(HOSTILE, 0, 1), ("Loc", 2, 3)], [(HOSTILE, 0, 1)]), with_style=False
    )
    elements = Elements(html)
    assert {tag for tag, _ in elements.found} <= {
        "div", "p", "mark", "b", "svg", "text", "title", "tspan", "g", "path",
    }  # fmt: skip
    assert not any(name.startswith("on") for _, some in elements.found for name in some)
    shown = "".join(elements.texts)
    assert HOSTILE in shown and tokens[3] in shown and "<style>" not in html


def test_nothing_found_is_the_text_alone():
    assert picture({"tokens": []}, with_style=False) == '<div class="joint-ner-re"><p></p></div>'


def test_every_rule_of_the_style_sheet_stays_inside():
    style = re.sub(r"/\*.*?\*/", "", picture_style(), flags=re.DOTALL)
    selectors = [
        one.strip() for rule in re.findall(r"([^{}]+)\{", style) for one in rule.split(",")
    ]
    assert len(selectors) > 15
    assert all(selector.startswith(".joint-ner-re") for selector in selectors)
    assert "</" not in style
