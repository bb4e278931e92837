from __future__ import annotations

import pytest

from joint_ner_re.corpora import CorpusFormatError, read_corpus, text


class OneToken:
    """Takes each text as a single token, and remembers how it was called."""

    def __init__(self):
        self.batches = []

    def tokenize(self, texts):
        self.batches.append(list(texts))
        return [[(0, len(text))] for text in self.batches[-1]]


def test_records_are_tokenized_in_batches(monkeypatch):
    monkeypatch.setattr(text, "_BATCH", 2)
    tokenizer = OneToken()
    records = [("a", 1), ("bb", 2), ("ccc", 3)]
    pairs = list(text.tokenized(iter(records), lambda record: record[0], tokenizer))
    assert pairs == [(records[0], [(0, 1)]), (records[1], [(0, 2)]), (records[2], [(0, 3)])]
    assert tokenizer.batches == [["a", "bb"], ["ccc"]]


def test_the_default_splits_hyphenated_words():
    [(_, offsets)] = text.tokenized(["azithromycin-induced rash."], str, None)
    words = text.words("azithromycin-induced rash.", offsets)
    assert words == ["azithromycin", "-", "induced", "rash", "."]


def test_a_tokenizer_that_loses_a_text_is_an_error():
    class Lossy(OneToken):
        def tokenize(self, texts):
            return super().tokenize(texts)[1:]

    with pytest.raises(ValueError, match="the tokenizer gave 1 lists for 2 texts"):
        list(text.tokenized(["a", "b"], str, Lossy()))


def test_covering_tokens():
    offsets = [(0, 2), (2, 5), (6, 9)]
    assert text.covering(offsets, 2, 5) == (1, 2)
    assert text.covering(offsets, 1, 3) == (0, 2)
    assert text.covering(offsets, 4, 7) == (1, 3)
    assert text.covering(offsets, 5, 6) is None
    assert text.covering([], 0, 1) is None


def test_long_texts_come_in_small_batches(monkeypatch):
    monkeypatch.setattr(text, "_BATCH_CHARACTERS", 4)
    batches = list(text.in_batches(["a", "bbb", "c", "ddddd", "e"], str, 3))
    assert batches == [["a", "bbb"], ["c", "ddddd"], ["e"]]


@pytest.mark.parametrize("length", [4, 5])
def test_a_text_that_would_fill_the_memory_is_an_error_with_its_line(monkeypatch, tmp_path, length):
    monkeypatch.setattr(text, "MAX_CHARACTERS", 4)
    files = {
        "ade_neg": "1 NEG abc\n2 NEG {}\n",
        "ade_rel": "1|a b|a|0|1|b|2|3\n2|{}|a|0|1|a|0|1\n",
        "doccano": '{{"text": "abc", "label": []}}\n{{"text": "{}", "label": []}}\n',
        "prodigy": '{{"text": "abc", "spans": []}}\n{{"text": "{}", "spans": []}}\n',
    }
    for name, content in files.items():
        path = tmp_path / name
        path.write_text(content.format("a" * length))
        if length == 4 and name != "ade_rel":
            assert len(list(read_corpus(path, name))) == 2
        elif length == 5:
            with pytest.raises(
                CorpusFormatError, match="5 characters; expected at most 4"
            ) as caught:
                list(read_corpus(path, name))
            assert caught.value.line == 2
