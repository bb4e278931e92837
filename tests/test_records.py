"""Values of JSON objects are checked: present, and of the expected type."""

import pytest

from joint_ner_re.records import RecordError, get, get_list


def test_values_of_the_right_type_are_given_back():
    record = {"name": "x", "place": 0, "list": ["a"], "nothing": None}
    assert get(record, "name", str, "a thing") == "x"
    assert get(record, "place", int, "a thing") == 0
    assert get_list(record, "list", str, "a thing") == ["a"]


@pytest.mark.parametrize("key", ["missing", "nothing"])
def test_a_default_replaces_what_is_missing_or_null(key):
    assert get({"nothing": None}, key, list, "a thing", []) == []
    with pytest.raises(RecordError, match=f"{key}.*expected a list"):
        get({"nothing": None}, key, list, "a thing")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (3, "a thing is 3; expected a JSON object"),
        ({}, "a thing lacks the key 'place'; expected an integer: {}"),
        ({"place": True}, "the key 'place' of a thing holds true; expected an integer"),
        ({"place": 1.0}, "the key 'place' of a thing holds 1.0; expected an integer"),
    ],
)
def test_other_values_are_errors(record, message):
    with pytest.raises(RecordError) as error:
        get(record, "place", int, "a thing")
    assert str(error.value) == message


def test_every_element_of_a_list_is_checked():
    with pytest.raises(RecordError, match="the list 'words' of a thing holds 1; expected a string"):
        get_list({"words": ["a", 1]}, "words", str, "a thing")
