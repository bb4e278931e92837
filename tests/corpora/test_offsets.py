"""Offsets in UTF-16 units and in characters, and how a file shows which of them it has."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joint_ner_re.corpora import CorpusFormatError, read_corpus
from joint_ner_re.corpora.offsets import Utf16

# Five emoji of two units each: "rash" is at 6 in characters, at 11 in units.
TEXT = "😀😀😀😀😀 rash and fever."
CHARACTERS = [[6, 10, "Effect"], [15, 20, "Effect"]]
UNITS = [[11, 15, "Effect"], [20, 25, "Effect"]]
COUNTED = "files whose offsets count UTF-16 units, as their mentions show: 1"


@pytest.fixture
def read(put, caplog):
    def reading(*records, **options):
        path = put("".join(json.dumps(record) + "\n" for record in records))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            sentences = list(read_corpus(path, "doccano", **options))
        return sentences, [message.partition(": ")[2] for message in caplog.messages]

    return reading


def surfaces(sentences):
    return [s.surface(entity) for s in sentences for entity in s.entities]


@given(st.text(st.sampled_from("aé😀𝔸\u0301"), max_size=12))
def test_units_are_those_of_the_encoding(text):
    places = Utf16(text)
    at = 0
    for place, character in enumerate(text):
        assert places.codepoint(at) == place and not places.divides(at)
        size = len(character.encode("utf-16-le")) // 2
        if size == 2:
            assert places.codepoint(at + 1) == place and places.divides(at + 1)
        at += size
    assert places.codepoint(at) == len(text)
    assert places.codepoint(at + 7) == len(text) + 7
    assert places.codepoint(-3) == -3


def test_the_file_shows_that_offsets_count_units(read):
    sentences, log = read({"text": TEXT, "label": UNITS})
    assert surfaces(sentences) == ["rash", "fever"]
    assert log == [COUNTED]


def test_the_file_shows_that_offsets_count_characters(read):
    sentences, log = read({"text": TEXT, "label": CHARACTERS})
    assert surfaces(sentences) == ["rash", "fever"] and log == []


def test_one_document_shows_it_for_the_others_and_the_order_stays(read):
    records = [
        {"text": "Nothing wide.", "label": []},
        # Both the characters 4 to 7 and the units 4 to 7, "aaa", are inside of the word.
        {"text": "😀 aaaaaaa", "label": [[4, 7, "X"]]},
        {"text": "No rash.", "label": [[3, 7, "Effect"]]},
        {"text": TEXT, "label": UNITS},
    ]
    sentences, _ = read(*records, unit="document")
    assert [s.text for s in sentences] == [record["text"] for record in records]
    assert surfaces(sentences) == ["aaaaaaa", "rash", "rash", "fever"]


def test_where_it_cannot_be_told_an_error_asks_for_the_option(read):
    # In either way the mention is inside of a word.
    record = {"text": "😀 aaaaaa", "label": [[4, 5, "X"]]}
    with pytest.raises(CorpusFormatError) as caught:
        read({"text": "Fine.", "label": []}, record)
    assert caught.value.line == 2
    assert "choose offsets: codepoints or offsets: utf-16" in caught.value.reason
    errors = []
    sentences, _ = read(record, {"text": "Fine.", "label": []}, on_error=errors.append)
    assert [s.text for s in sentences] == ["Fine."] and len(errors) == 1
    for offsets in ("codepoints", "utf-16"):
        assert len(read(record, offsets=offsets)[0][0].entities) == 1


def test_it_does_not_matter_before_the_first_wide_character(read):
    sentences, log = read({"text": "rash 😀", "label": [[0, 4, "Effect"]]})
    assert surfaces(sentences) == ["rash"] and log == []


def test_contradictory_mentions_are_an_error_with_their_numbers(read):
    with pytest.raises(CorpusFormatError, match="1 of the file's mentions fit only if they count"):
        read({"text": TEXT, "label": [CHARACTERS[1], UNITS[0]]})


def test_the_option_decides_against_the_file(read):
    sentences, _ = read({"text": TEXT, "label": [[11, 15, "Effect"]]}, offsets="codepoints")
    # Characters 11 to 15 are "and " with the blank left out.
    assert surfaces(sentences) == ["and"]


def test_an_offset_within_a_character_is_an_error(read):
    record = {"id": 1, "text": "😀 a", "entities": [
        {"id": 1, "label": "X", "start_offset": 1, "end_offset": 4},
        {"id": 2, "label": "X", "start_offset": 3, "end_offset": 4},
    ], "relations": [{"id": 1, "from_id": 1, "to_id": 2, "type": "R"}]}  # fmt: skip
    with pytest.raises(CorpusFormatError, match="of which one lies within a character"):
        read(record, offsets="utf-16")
    errors = []
    sentences, log = read(record, offsets="utf-16", on_error=errors.append)
    assert surfaces(sentences) == ["a"] and len(errors) == 1
    assert log == ["relations of mentions that were left out: 1"]


@pytest.mark.parametrize("place", [-1, -(10**16), 10**17])
@pytest.mark.parametrize("offsets", [None, "codepoints", "utf-16"])
def test_places_outside_of_the_text_are_errors(read, place, offsets):
    shows = [CHARACTERS[1]] if offsets == "codepoints" else [UNITS[0]]
    # 10 is the end of the last emoji in units.
    wrong = [min(place, 0), max(place, 10), "X"]
    with pytest.raises(CorpusFormatError, match="expected 0 <= begin < end <= 21"):
        read({"text": TEXT, "label": [*shows, wrong]}, offsets=offsets)


def test_an_unknown_value_names_the_known_ones(read):
    with pytest.raises(ValueError, match="offsets is 'bytes'; expected one of codepoints, utf-16"):
        read({"text": TEXT, "label": []}, offsets="bytes")
