import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from joint_ner_re.review.arcs import Arc, Word, draw_arcs

pairs = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] != pair[1])


def lines_of(svg):
    """The straight pieces of every arc, each as a pair of points."""
    pieces = []
    for number, group in enumerate(ElementTree.fromstring(svg).findall("g")):
        path = group.find("path").get("d")[1:]
        points = [tuple(map(int, point.split(","))) for point in path.split(" ")]
        pieces += [(number, *sorted(piece)) for piece in zip(points, points[1:])]
    return pieces


@given(st.lists(pairs, min_size=1, max_size=8))
def test_no_two_arcs_lie_on_each_other_and_all_are_inside_the_drawing(ends):
    words = [Word(f"w{n}", "X", "t0", "") for n in range(6)]
    svg = draw_arcs(words, [Arc(*pair, "R", "t0", 1, "") for pair in ends])
    width, height = map(
        int, re.match(r'<svg class="arcs" width="(\d+)" height="(\d+)"', svg).groups()
    )
    pieces = lines_of(svg)
    assert len(pieces) == 3 * len(ends)
    for number, begin, end in pieces:
        assert all(0 <= x <= width and 0 < y < height for x, y in (begin, end))
        for other, other_begin, other_end in pieces:
            if other == number:
                continue
            for across, along in ((0, 1), (1, 0)):
                same_line = {begin[across], end[across]} == {other_begin[across], other_end[across]}
                if same_line and begin[across] == end[across]:
                    assert end[along] <= other_begin[along] or other_end[along] <= begin[along]


def test_a_long_label_widens_the_drawing():
    words = [Word("a", "X", "t0", ""), Word("b", "X", "t0", "")]
    narrow, wide = (draw_arcs(words, [Arc(0, 1, label, "t0", 1, "")]) for label in ("R", "R" * 60))
    assert 'width="260"' in narrow and 'width="880"' in wide
