import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from joint_ner_re.review.alignment import align
from joint_ner_re.review.markup import draw_sentence
from joint_ner_re.sentence import Entity, Relation, Sentence

EVIL = "<script>alert('&\"{x}')</script>"


class Page(HTMLParser):
    """The tags of some markup, the text of every mark and of every line, and the attributes."""

    void = {"br"}

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.marks, self.lines, self.attributes = [], [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)
        if tag == "mark":
            self.marks.append((dict(attrs)["class"], []))
        if tag == "p":
            self.lines.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "mark" in self.open:
            self.marks[-1][1].append(data)
        if "p" in self.open and "b" not in self.open:
            self.lines[-1] += data


def drawn(predicted, gold=None, number=lambda item: 7):
    return draw_sentence(predicted, align(predicted, gold), number)


def marks(html):
    return [texts for _, texts in Page(html).marks]


def pictures(html):
    """Of each drawing of arcs: its words with their labels, and `(from, label, to)` of its arcs."""
    found = []
    for part in html.split("<svg ")[1:]:
        svg = ElementTree.fromstring("<svg " + part.split("</svg>")[0] + "</svg>")
        words, places, arcs = [], {}, []
        for text in svg.findall("text"):
            spans = text.findall("tspan")
            words.append((spans[0].text, spans[1].text))
            places[float(spans[0].get("x"))] = spans[0].text
        for group in svg.findall("g"):
            (arc, arrow), label = group.findall("path"), group.find("text")
            begin, end = _ends(arc.get("d"))
            # The arrow's tip is where the line ends.
            assert float(arrow.get("d")[1:].split(",")[0]) == end
            arcs.append((_nearest(places, begin), label.text, _nearest(places, end)))
        found.append((words, arcs))
    return found


def _ends(path):
    points = path[1:].split(" ")
    return float(points[0].split(",")[0]), float(points[-1].split(",")[0])


def _nearest(places, x):
    return places[min(places, key=lambda place: abs(place - x))]


PAIR = ["Ada", "lives", "in", "Kesh"]
PEOPLE_AND_PLACES = [Entity("Peop", 0, 1), Entity("Loc", 3, 4)]


@pytest.mark.parametrize("head, tail", [(0, 1), (1, 0)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_arrow_points_from_head_to_tail(head, tail, flip):
    # Whatever the order in which the entities are listed.
    entities = PEOPLE_AND_PLACES[::-1] if flip else PEOPLE_AND_PLACES
    html = drawn(Sentence(PAIR, entities, [Relation("R", head, tail)]))
    names = [" ".join(PAIR[e.start : e.end]) for e in entities]
    (picture,) = pictures(html)
    assert picture == ([("Ada", "Peop"), ("Kesh", "Loc")], [(names[head], "R", names[tail])])


def test_scores_stand_in_the_arcs_and_under_the_pointer():
    entities = [Entity("Peop", 0, 1, 0.9871), Entity("Loc", 3, 4)]
    html = drawn(Sentence(PAIR, entities, [Relation("R", 0, 1, 0.875), Relation("S", 1, 0)]))
    ((words, arcs),) = pictures(html)
    assert words == [("Ada", "Peop 0.99"), ("Kesh", "Loc")]
    assert sorted(arcs) == [("Ada", "R 0.88", "Kesh"), ("Kesh", "S", "Ada")]
    assert ("title", "score 0.987") in Page(html).attributes


def test_entities_are_marked_in_the_text_with_their_type():
    sentence = Sentence(PAIR, PEOPLE_AND_PLACES, text="Ada lives  in\nKesh", offsets=[
        (0, 3), (4, 9), (11, 13), (14, 18)
    ])  # fmt: skip
    html = drawn(sentence)
    assert marks(html) == [["Ada", "Peop"], ["Kesh", "Loc"]]
    assert Page(html).lines == ["Ada lives  inKesh"] and "in<br><mark" in html


def test_without_a_text_the_tokens_are_joined():
    page = Page(drawn(Sentence(["a", "bb", "", "c"], [Entity("X", 1, 3)])))
    assert page.lines == ["a bb  c"]
    assert [texts for _, texts in page.marks] == [["bb ", "X"]]


@pytest.mark.parametrize("sentence", [Sentence([]), Sentence(["a"]), Sentence([" \n "])])
def test_sentences_without_entities_are_shown(sentence):
    page = Page(drawn(sentence))
    assert page.lines == ["".join(sentence.tokens).replace("\n", "")]
    assert page.marks == [] and "svg" not in page.tags


def test_what_is_right_and_wrong_is_told_apart():
    tokens = ["a", "b", "c", "d", "e", "f", "g", "h"]
    predicted = Sentence(
        tokens,
        [Entity("X", 0, 1), Entity("X", 1, 2), Entity("X", 2, 4), Entity("X", 5, 6)],
        [Relation("R", 0, 1), Relation("R", 1, 0), Relation("R", 0, 3)],
    )
    gold = Sentence(
        tokens,
        [Entity("X", 0, 1), Entity("Y", 1, 2), Entity("X", 3, 5), Entity("X", 7, 8)],
        [Relation("R", 0, 1), Relation("S", 1, 0), Relation("R", 0, 3)],
    )
    html = drawn(predicted, gold)
    assert Page(html).marks == [
        ("correct", ["a", "✓ X"]),
        ("mistyped", ["b", "≠ X (gold: Y)"]),
        ("boundaries", ["c d", "↔ X"]),
        ("spurious", ["f", "✗ X"]),
        ("missed", ["h", "? X"]),
        ("gold", ["d e", "↔ gold: X"]),
    ]
    assert ("title", "gold: d e") in Page(html).attributes
    ((words, arcs),) = pictures(html)
    assert [word for word, _ in words] == ["a", "b", "f", "h"]
    assert set(arcs) == {
        ("a", "? R", "h"),
        ("a", "✗ R", "f"),
        ("a", "◇ R", "b"),
        ("b", "≠ R (gold: S)", "a"),
    }
    for kind in ("missed", "spurious", "argument", "mistyped"):
        assert f'<g class="{kind}" data-i="7">' in html


def test_overlapping_entities_are_all_marked_and_no_text_is_shown_out_of_place():
    sentence = Sentence(
        ["acute", "lithium", "toxicity", "killed", "him"],
        [Entity("Drug", 1, 2), Entity("Effect", 1, 3), Entity("Long", 0, 5), Entity("Top", 3, 4)],
    )
    html = drawn(sentence)
    assert marks(html) == [
        ["acute lithium toxicity killed him", "Long"],
        ["lithium toxicity", "Effect"],
        ["killed", "Top"],
        ["lithium", "Drug"],
    ]
    assert Page(html).lines == ["acute lithium toxicity killed him"] * 3


def test_of_a_long_text_the_second_line_shows_what_is_around_its_entities():
    tokens = ["begin"] + ["word"] * 30 + ["x", "y"] + ["word"] * 30 + ["u", "v"] + ["word"] * 30
    spans = [(31, 33), (31, 32), (63, 65), (64, 65)]
    html = drawn(Sentence(tokens, [Entity("X", *span) for span in spans]))
    first, second = Page(html).lines
    assert first == " ".join(tokens)
    around = " ".join(["word"] * 6)
    assert second == f"… {around} x y {around} … {around} u v {around} … "
    assert marks(html) == [["x y", "X"], ["u v", "X"], ["x", "X"], ["v", "X"]]


@pytest.mark.parametrize("with_text", [True, False])
def test_everything_of_the_corpus_is_escaped(with_text):
    place = {"text": f"{EVIL} b", "offsets": [(0, len(EVIL)), (len(EVIL) + 1, len(EVIL) + 2)]}
    sentence = Sentence(
        [EVIL, "b"],
        [Entity(EVIL, 0, 1), Entity("X" + EVIL, 1, 2)],
        [Relation(EVIL, 0, 1)],
        **(place if with_text else {}),
    )
    html = drawn(sentence)
    assert "script" not in Page(html).tags and "<script" not in html
    assert marks(html) == [[EVIL, EVIL], ["b", "X" + EVIL]]
    assert pictures(html) == [([(EVIL, EVIL), ("b", "X" + EVIL)], [(EVIL, EVIL, "b")])]


@pytest.mark.parametrize(
    "text",
    [
        ' style="x" class="displacy-word" y="1.5"',
        'xlink:href="#a" fill="none"',
        '<g class="displacy-arrow"> d="M1.25,2.75"',
    ],
)
def test_a_text_that_looks_like_a_drawing_stays_as_it_is(text):
    sentence = Sentence(
        [text[:30], "b"], [Entity("X", 0, 1), Entity("Y", 1, 2)], [Relation(text, 0, 1)]
    )
    ((words, arcs),) = pictures(drawn(sentence))
    assert words[0][0] == text[:30].strip() or words[0][0] == text[:30]
    assert [label for _, label, _ in arcs] == [text]


def test_drawings_hold_no_style_and_no_script():
    # The page's policy would not let them through.
    names = {
        name
        for name, _ in Page(
            drawn(Sentence(PAIR, PEOPLE_AND_PLACES, [Relation("R", 0, 1)]))
        ).attributes
    }
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_names_that_are_long_are_cut_and_whole_under_the_pointer():
    word = "x" * 60
    html = drawn(
        Sentence([word, "b"], [Entity("X", 0, 1), Entity("Y", 1, 2)], [Relation("R", 0, 1)])
    )
    (((name, _), _), _) = pictures(html)[0]
    assert name == "x" * 31 + "…"
    assert f"<title>{word}</title>" in html


def test_a_relation_between_duplicates_of_one_entity_is_drawn():
    sentence = Sentence(["a", "b"], [Entity("X", 0, 1), Entity("X", 0, 1)], [Relation("R", 0, 1)])
    ((words, arcs),) = pictures(drawn(sentence))
    assert words == [("a", "X"), ("a", "X")]
    assert [label for _, label, _ in arcs] == ["R"]


def test_relations_that_do_not_hang_together_are_drawn_apart():
    tokens = [f"w{n}" for n in range(8)]
    entities = [Entity("X", n, n + 1) for n in range(8)]
    relations = [Relation("R", 0, 3), Relation("R", 1, 2), Relation("R", 4, 3), Relation("R", 7, 1)]
    found = pictures(drawn(Sentence(tokens, entities, relations)))
    assert [[word for word, _ in words] for words, _ in found] == [
        ["w0", "w3", "w4"],
        ["w1", "w2", "w7"],
    ]


def test_many_relations_are_drawn_each_once_and_no_drawing_is_wide():
    tokens = [f"w{n}" for n in range(20)]
    entities = [Entity("X", n, n + 1) for n in range(20)]
    relations = [Relation("R", 0, n) for n in range(1, 20)]
    relations += [Relation("S", n, n + 1) for n in range(3, 12)]
    found = pictures(drawn(Sentence(tokens, entities, relations)))
    assert all(len(words) <= 6 for words, _ in found)
    arcs = sorted(arc for _, drawing in found for arc in drawing)
    assert arcs == sorted((f"w{r.head}", r.type, f"w{r.tail}") for r in relations)
