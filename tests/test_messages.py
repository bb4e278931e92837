"""Long values lose their middle in messages; short ones are shown whole."""

import pytest

from joint_ner_re.messages import cut_middle, quote, quote_json


@pytest.mark.parametrize(
    ("value", "python", "json"),
    [
        ("it's", '"it\'s"', '"it\'s"'),
        (None, "None", "null"),
        ([True, 1.5], "[True, 1.5]", "[true, 1.5]"),
    ],
)
def test_short_values_are_shown_whole(value, python, json):
    assert quote(value) == python
    assert quote_json(value) == json


def test_long_values_lose_their_middle():
    long = "a" * 50 + "b" * 50
    assert cut_middle(long, 20) == "a" * 10 + " ... " + "b" * 10
    assert quote(long, 20) == "'" + "a" * 10 + " ... " + "b" * 10 + "'"
    assert quote_json(long, 20) == '"' + "a" * 9 + " ... " + "b" * 9 + '"'
    # The first three characters and the last three.
    assert quote([7] * 99, 6) == "[7," + " ... " + " 7]"


def test_values_that_json_does_not_know_are_shown_as_python_writes_them():
    assert quote_json({"a": {1}}) == '{"a": "{1}"}'
