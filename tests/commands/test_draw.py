import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from joint_ner_re.commands.draw import draw
from joint_ner_re.corpora import CorpusFormatError, write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

EVIL = "<script>alert('&\"{x}')</script>"


class Page(HTMLParser):
    """The tags of a page, and the text of every element of some classes."""

    void = {"meta", "br", "path"}

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.marks, self.sections = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.void:
            self.open.append(tag)
        if tag == "mark":
            self.marks.append([])
        if tag == "section":
            self.sections.append([])

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "mark" in self.open and data.strip():
            self.marks[-1].append(data.strip())
        if "section" in self.open and "svg" not in self.open and data.strip():
            self.sections[-1].append(data.strip())


def drawn(tmp_path, *sentences):
    write_corpus(sentences, tmp_path / "in.jsonl", "jsonl")
    draw(str(tmp_path / "in.jsonl"), str(tmp_path / "out.html"))
    return (tmp_path / "out.html").read_text(encoding="utf-8")


def pictures(html):
    """Of each drawing of arcs: its words with their labels, and `(from, label, to)` of its arcs."""
    found = []
    for part in html.split("<svg ")[1:]:
        svg = ElementTree.fromstring("<svg " + part.split("</svg>")[0] + "</svg>")
        words, places, arcs = [], {}, []
        for text in svg.iter("{http://www.w3.org/2000/svg}text"):
            spans = list(text)
            if text.get("class") == "displacy-token":
                words.append((spans[0].text, spans[1].text))
                places[float(spans[0].get("x"))] = spans[0].text
        for group in svg.iter("{http://www.w3.org/2000/svg}g"):
            arc, label, head = list(group)
            begin, end = _ends(arc.get("d"))
            tip = float(head.get("d")[1:].split(",")[0])
            start, goal = (begin, end) if abs(tip - end) < abs(tip - begin) else (end, begin)
            arcs.append((_nearest(places, start), list(label)[0].text, _nearest(places, goal)))
        found.append((words, arcs))
    return found


def _ends(path):
    points = path[1:].replace("C", "").split(" ")
    return float(points[0].split(",")[0]), float(points[-1].split(",")[0])


def _nearest(places, x):
    return places[min(places, key=lambda place: abs(place - x))]


PAIR = ["Ada", "lives", "in", "Kesh"]
PEOPLE_AND_PLACES = [Entity("Peop", 0, 1), Entity("Loc", 3, 4)]


@pytest.mark.parametrize("head, tail", [(0, 1), (1, 0)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_arrow_points_from_head_to_tail(tmp_path, head, tail, flip):
    # Whatever the order in which the entities are listed.
    entities = PEOPLE_AND_PLACES[::-1] if flip else PEOPLE_AND_PLACES
    html = drawn(tmp_path, Sentence(PAIR, entities, [Relation("R", head, tail)]))
    names = [" ".join(PAIR[e.start : e.end]) for e in entities]
    (picture,) = pictures(html)
    assert picture == ([("Ada", "Peop"), ("Kesh", "Loc")], [(names[head], "R", names[tail])])


def test_every_relation_of_every_sentence_is_drawn(tmp_path):
    both = [Relation("R", 0, 1, 0.875), Relation("S", 1, 0)]
    html = drawn(
        tmp_path, Sentence(PAIR, PEOPLE_AND_PLACES, both), Sentence(PAIR, PEOPLE_AND_PLACES)
    )
    ((_, arcs),) = pictures(html)
    assert sorted(arcs) == [("Ada", "R 0.88", "Kesh"), ("Kesh", "S", "Ada")]
    assert len(Page(html).sections) == 2


def test_entities_are_marked_in_the_text_with_their_type(tmp_path):
    sentence = Sentence(PAIR, PEOPLE_AND_PLACES, text="Ada lives  in\nKesh", offsets=[
        (0, 3), (4, 9), (11, 13), (14, 18)
    ])  # fmt: skip
    page = Page(drawn(tmp_path, sentence))
    assert page.marks == [["Ada", "Peop"], ["Kesh", "Loc"]]
    assert "lives  in" in page.sections[0]


def test_without_a_text_the_tokens_are_joined(tmp_path):
    page = Page(drawn(tmp_path, Sentence(["a", "bb", "", "c"], [Entity("X", 1, 3)], id="s")))
    assert page.marks == [["bb", "X"]]
    assert page.sections[0] == ["s", "a", "bb", "X", "c"]


def test_overlapping_entities_are_all_marked_and_no_text_is_shown_out_of_place(tmp_path):
    sentence = Sentence(
        ["acute", "lithium", "toxicity", "killed", "him"],
        [Entity("Drug", 1, 2), Entity("Effect", 1, 3), Entity("Long", 0, 5), Entity("Top", 3, 4)],
    )
    page = Page(drawn(tmp_path, sentence))
    assert sorted(page.marks) == [
        ["acute lithium toxicity killed him", "Long"],
        ["killed", "Top"],
        ["lithium", "Drug"],
        ["lithium toxicity", "Effect"],
    ]
    names = {"Drug", "Effect", "Long", "Top", "line 1"}
    shown = " ".join(text for text in page.sections[0] if text not in names)
    whole = "acute lithium toxicity killed him"
    assert shown == " ".join([whole] * (len(shown) // len(whole)))


@pytest.mark.parametrize("with_text", [True, False])
def test_everything_of_the_corpus_is_escaped(tmp_path, with_text):
    place = {"text": f"{EVIL} b", "offsets": [(0, len(EVIL)), (len(EVIL) + 1, len(EVIL) + 2)]}
    sentence = Sentence(
        [EVIL, "b"],
        [Entity(EVIL, 0, 1), Entity("X" + EVIL, 1, 2)],
        [Relation(EVIL, 0, 1)],
        id=EVIL,
        **(place if with_text else {}),
    )
    write_corpus([sentence], tmp_path / "<script>.jsonl", "jsonl")
    draw(str(tmp_path / "<script>.jsonl"), str(tmp_path / "out.html"))
    html = (tmp_path / "out.html").read_text()
    page = Page(html)
    assert "script" not in page.tags
    assert page.marks == [[EVIL, EVIL], ["b", "X" + EVIL]]
    assert page.sections[0][0] == EVIL
    assert pictures(html) == [([(EVIL, EVIL), ("b", "X" + EVIL)], [(EVIL, EVIL, "b")])]


@pytest.mark.parametrize(
    "sentence",
    [
        Sentence([], id="x"),
        Sentence(["a"], id="x"),
        Sentence([], id="x", text="", offsets=[]),
        Sentence([], id="x", text=" \n ", offsets=[]),
    ],
)
def test_sentences_without_entities_are_shown(tmp_path, sentence):
    page = Page(drawn(tmp_path, sentence))
    assert page.sections == [["x", *sentence.tokens]]
    assert page.marks == [] and "svg" not in page.tags


def test_a_sentence_without_an_id_is_named_by_its_number(tmp_path):
    page = Page(drawn(tmp_path, Sentence(["a"], id="s"), Sentence(["b"])))
    assert [section[0] for section in page.sections] == ["s", "line 2"]


@pytest.mark.parametrize(
    "name, sections",
    [("sentences.jsonl", 8), ("ade.rel", 11), ("conll04_spert.json", 11), ("ade_neg.txt", 9)],
)
def test_every_corpus_can_be_drawn(fixtures, tmp_path, name, sections):
    draw(str(fixtures / name), str(tmp_path / "out.html"))
    assert len(Page((tmp_path / "out.html").read_text(encoding="utf-8")).sections) == sections


def test_types_have_colours_of_their_own(tmp_path):
    html = drawn(
        tmp_path, Sentence(PAIR, PEOPLE_AND_PLACES), Sentence(["a"], [Entity("Loc", 0, 1)])
    )
    colours = [part.split(";")[0] for part in html.split('style="background: ')[1:]]
    assert colours[0] != colours[1] == colours[2]


def test_a_corpus_that_cannot_be_read_leaves_the_old_page(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"tokens": ["a"]}\n{"tokens": 1}\n')
    (tmp_path / "out.html").write_text("old")
    with pytest.raises(CorpusFormatError, match=r"in\.jsonl:2"):
        draw(str(tmp_path / "in.jsonl"), str(tmp_path / "out.html"))
    assert (tmp_path / "out.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.html"]
