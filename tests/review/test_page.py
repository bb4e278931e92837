"""What stands in the file; what a browser makes of it is in test_browser.py."""

import base64
import hashlib
import json
import re

import pytest

from joint_ner_re import figures
from joint_ner_re.metrics import score
from joint_ner_re.review import page as page_module
from joint_ner_re.review import write_page
from joint_ner_re.review.page import in_script
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = ["a", "b", "c"]
GOLD = Sentence(TOKENS, [Entity("X", 0, 1), Entity("Y", 1, 2)], [Relation("R", 0, 1)], id="g")
PREDICTED = Sentence(
    TOKENS, [Entity("X", 0, 1, 0.5), Entity("X", 1, 2, 0.5)], [Relation("R", 0, 1, 0.5)], id="g"
)
EVIL = "</script><!--<script>alert(1)</script>\u2028\u2029&amp;"


def written(tmp_path, *pairs, title="t", **options):
    write_page(tmp_path / "page.html", title, iter(pairs), **options)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def data(html):
    """The rows and the summary."""
    found = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', html, re.S)
    assert [name for name, _ in found] == ["rows", "summary"]
    return [json.loads(content) for _, content in found]


def test_a_row_holds_name_text_markup_and_items(tmp_path):
    html = written(tmp_path, (PREDICTED, GOLD), (Sentence(["d"]), Sentence(["d"])))
    (first, second), summary = data(html)
    assert first[:2] == ["g", "a b c"] and first[2].startswith("<p><mark ")
    items = [summary["items"][number] for number in first[3]]
    assert items == [
        ["entity", "correct", "X", "X", 1],
        ["entity", "mistyped", "X", "Y", 1],
        ["relation", "argument", "R", "R", 1],
    ]
    assert second == ["sentence 2", "d", "<p>d</p>", []]


def test_the_summary_counts_and_scores(tmp_path):
    pairs = [(PREDICTED, GOLD), (GOLD, GOLD)]
    _, summary = data(written(tmp_path, *pairs, per_page=3))
    assert summary["perPage"] == 3 and summary["checked"]
    assert ["entity", "correct", "X", "X", 2] in summary["items"]
    assert summary["types"] == [["entity", "X"], ["entity", "Y"], ["relation", "R"]]
    strict = score([gold for _, gold in pairs], [predicted for predicted, _ in pairs])
    loose = score([gold for _, gold in pairs], [p for p, _ in pairs], "boundaries")
    lines = {(line["task"], line["name"]): line for line in summary["scores"]}
    assert [lines["entity", "all"][name] for name in ("gold", "predicted", "f1")] == [
        4,
        4,
        strict["entity_f1"],
    ]
    assert lines["entity", "Y"]["recall"] == strict["per_type"]["entity"]["Y"]["recall"]
    assert lines["relation", "macro average"]["f1"] == strict["relation_macro_f1"]
    assert lines["relation", "all, by boundaries only"]["f1"] == loose["relation_f1"] == 1


def test_without_gold_nothing_is_scored(tmp_path):
    _, summary = data(written(tmp_path, (PREDICTED, None)))
    assert not summary["checked"] and summary["scores"] is None and summary["kinds"] == []
    assert summary["items"][0] == ["entity", "unchecked", "X", "", 2]


def test_no_sentences_make_a_page_all_the_same(tmp_path):
    rows, summary = data(written(tmp_path))
    assert rows == [] and summary["items"] == []


@pytest.mark.parametrize("value", [EVIL, [EVIL, {"x": EVIL}], "\x00\u0301 \u202e", "é漢"])
def test_no_json_leaves_its_script(value):
    text = in_script(value)
    assert json.loads(text) == value
    assert "<" not in text and "\u2028" not in text and "\u2029" not in text


def test_nothing_of_a_corpus_leaves_its_script(tmp_path):
    evil = Sentence(
        [EVIL, "b"], [Entity(EVIL, 0, 1), Entity("X", 1, 2)], [Relation(EVIL, 0, 1)], id=EVIL
    )
    html = written(tmp_path, (evil, None), title=EVIL)
    (row,), summary = data(html)
    assert row[:2] == [EVIL, f"{EVIL} b"] and ["entity", EVIL] in summary["types"]
    # The two of data, and the page's own.
    assert html.count("<script") == html.count("</script>") == 3 and "<!--" not in html
    assert "alert(1)</script>" not in html


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else(tmp_path):
    html = written(tmp_path, (PREDICTED, GOLD))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for name, pattern in (
        ("script-src", r"<script>(.*?)</script>"),
        ("style-src", "<style>(.*?)</style>"),
    ):
        (content,) = re.findall(pattern, html, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


def test_nothing_comes_from_elsewhere(tmp_path):
    html = written(tmp_path, (PREDICTED, GOLD))
    assert not re.search(r"https?:|\bsrc=|@import|url\(", html)
    assert "href=" not in html


def test_the_colours_are_those_of_the_figures():
    colours = re.findall(r"--c: (#\w+); --bg: #\w+; --style", page_module._file("page.css"))
    assert colours and set(colours) <= set(figures.COLOURS)


def test_a_page_that_fails_leaves_the_old_one(tmp_path):
    def pairs():
        yield PREDICTED, GOLD
        raise ValueError("no more")

    (tmp_path / "page.html").write_text("old")
    with pytest.raises(ValueError, match="no more"):
        write_page(tmp_path / "page.html", "t", pairs())
    assert (tmp_path / "page.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
