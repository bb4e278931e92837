import pytest

from joint_ner_re.casing import CASINGS, casing


@pytest.mark.parametrize(
    "word, expected",
    [
        ("4", "numeric"),
        ("2020", "numeric"),
        ("٣", "numeric"),  # ARABIC-INDIC DIGIT THREE
        ("aspirin", "lower"),
        ("über", "lower"),
        ("a", "lower"),
        ("FDA", "upper"),
        ("A", "upper"),  # upper stands before title
        ("ÜBER", "upper"),
        ("Paris", "title"),
        ("Über", "title"),
        ("McDonald", "other"),
        ("iPhone", "other"),
        ("4.5", "mostly_numeric"),
        ("5a", "mostly_numeric"),  # exactly half
        ("1990s", "mostly_numeric"),
        ("1,000", "mostly_numeric"),
        ("٣٤x", "mostly_numeric"),
        ("5-FU", "contains_digit"),
        ("IL-2", "contains_digit"),
        ("B12a", "mostly_numeric"),
        ("B12ab", "contains_digit"),
        ("CD4x", "contains_digit"),
        ("mg/kg", "other"),
        ("½", "other"),  # a number, but no digit
        ("", "other"),
        ("-", "other"),
        (" ", "other"),
        ("U.S.", "other"),
        ("O'Brien", "other"),
        ("東京", "other"),  # letters without case
        ("🙂", "other"),
    ],
)
def test_casing(word, expected):
    assert casing(word) == expected


def test_the_classes_are_those_of_the_paper_in_order():
    assert CASINGS == (
        "numeric", "lower", "upper", "title", "mostly_numeric", "contains_digit", "other",
    )  # fmt: skip
