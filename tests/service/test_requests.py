import json

import pytest

from joint_ner_re.service.limits import Limits
from joint_ner_re.service.requests import Refused, read_request

LIMITS = Limits(max_characters=10, max_texts=3)


def body(**content):
    return json.dumps(content).encode()


def test_one_text_several_and_a_threshold():
    assert read_request(body(text="Kesh."), LIMITS) == (["Kesh."], None, True)
    assert read_request(body(texts=[]), LIMITS) == ([], None, False)
    wanted = read_request(body(texts=["a", ""], threshold=1), LIMITS)
    assert wanted == (["a", ""], 1.0, False) and isinstance(wanted.threshold, float)
    assert read_request(body(text="a", threshold=None), LIMITS).threshold is None


@pytest.mark.parametrize(
    "content, status, message",
    [
        (b"", 422, "the body is not JSON"),
        (b'{"text": "a"', 422, "the body is not JSON"),
        (b'{"text": "\xff"}', 422, "byte 11 of the body is not UTF-8"),
        (b"[" * 100_000, 422, "nested too deeply"),
        (b'["a"]', 422, r'the body is \["a"\]; expected an object'),
        (b"{}", 422, "neither text nor texts"),
        (body(text="a", texts=["b"]), 422, "both text and texts"),
        (body(text="a", path="/etc/passwd"), 422, 'the body has the key "path"'),
        (body(text=None), 422, "text is null; expected a string"),
        (body(texts="a"), 422, 'texts is "a"; expected a list'),
        (body(texts=["a", 5]), 422, "text 2 of texts is 5; expected a string"),
        (b'{"text": "a\\ud800"}', 422, "half of a surrogate pair at character 2"),
        (body(text="a", threshold="0.5"), 422, 'threshold is "0.5"; expected a number from 0'),
        (body(text="a", threshold=True), 422, "threshold is true"),
        (body(text="a", threshold=1.1), 422, "threshold is 1.1"),
        (body(text="a", threshold=-1), 422, "threshold is -1"),
        (b'{"text": "a", "threshold": NaN}', 422, "threshold is NaN"),
        (b'{"text": "a", "threshold": 1e999}', 422, "threshold is Infinity"),
        (b'{"text": "a", "threshold": ' + b"9" * 5000 + b"}", 422, "the body is not JSON"),
        (body(texts=["a"] * 4), 413, "has 4 texts; expected at most 3"),
        (body(text="a" * 11), 413, "has 11 characters; expected at most 10"),
        (body(texts=["aaaa"] * 3), 413, "has 12 characters; expected at most 10"),
    ],
)
def test_what_is_wrong_is_said(content, status, message):
    with pytest.raises(Refused, match=message) as caught:
        read_request(content, LIMITS)
    assert caught.value.status == status
    # Long values are cut.
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("character", ["a", "é", "漢", "😀", "\0", '"'])
def test_whatever_fits_the_other_limits_fits_the_bytes(character):
    limits = Limits(max_characters=20_000, max_texts=2_000)
    longest = body(texts=[character * 10] * 2_000, threshold=0.123456789)
    assert len(longest) <= limits.max_bytes
    assert len(read_request(longest, limits).texts) == 2_000


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"max_characters": 0}, "max_characters is 0; expected 1 to 4194304"),
        ({"max_characters": 2**22 + 1}, "max_characters is 4194305"),
        ({"max_texts": 0}, "max_texts is 0; expected 1 or more"),
        ({"max_waiting": -1}, "max_waiting is -1"),
        ({"timeout": 0}, "timeout is 0; expected a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
    ],
)
def test_impossible_limits_are_errors(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)
