from __future__ import annotations

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.json_values import decode


def test_a_value_and_its_end():
    assert decode("f", 1, 'x {"a": [1, 2.5, "\\u00e9"]} y', 2) == ({"a": [1, 2.5, "\u00e9"]}, 27)
    assert decode("f", 1, '"\\ud83d\\ude00"') == ("\U0001f600", 14)


@pytest.mark.parametrize(
    "text, line, reason",
    [
        ('{"a": 1,\n "b": }', 6, "not JSON at column 7, '}'"),
        ('{"a": 1,\n', 6, "ends too early"),
        ('{"a": "cut', 5, "ends too early"),
        ("", 5, "ends too early"),
        ('{"a": NaN}', 5, "NaN is not JSON"),
        ('{"a": -Infinity}', 5, "-Infinity is not JSON"),
        ('{"a": 1, "a": 2}', 5, "a JSON object has the key 'a' twice"),
        ('{"a": 1234567890123456789}', 5, "a number of 19 digits; expected at most 18"),
        ('{"a": "\\ud83d"}', 5, "the escape \\ud83d is no character"),
        ("[" * 100_000, 5, "the JSON is nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused(text, line, reason):
    with pytest.raises(CorpusFormatError) as caught:
        decode("f", 5, text)
    assert caught.value.line == line
    assert reason in caught.value.reason
