from __future__ import annotations

import bz2
import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joint_ner_re.corpora import (
    FORMATS,
    CorpusFormatError,
    detect_format,
    format_options,
    read_corpus,
    write_corpus,
)
from joint_ner_re.corpora.type_names import plain_type
from joint_ner_re.sentence import Entity, Relation, Sentence

FILES = {
    "ade.rel": "ade_rel",
    "ade_neg.txt": "ade_neg",
    "ade_spert.json": "spert",
    "conll04.corp": "conll04_corp",
    "conll04_spert.json": "spert",
    "conll04_multihead.txt": "multihead",
    "sentences.jsonl": "jsonl",
    "own/prodigy.jsonl": "prodigy",
    "own/doccano.jsonl": "doccano",
    "dygie.jsonl": "dygie",
    "docred.json": "docred",
    "casrel.json": "casrel",
    "conll.tsv": "conll",
    "gliner.json": "gliner",
    "tools/bioc.json": "bioc",
    "tools/bioc.xml": "bioc",
    "tools/ddi.xml": "ddi",
    "tools/pubtator.txt": "pubtator",
    "tools/tac_adr.xml": "tac_adr",
}
# What they hold of a document stands in many lines: a sentence without a mention is of its first.
DOCUMENTS = ("bioc", "ddi", "pubtator", "tac_adr")


def test_the_formats_are_the_documented_ones():
    assert sorted(FORMATS) == [
        "ade_neg",
        "ade_rel",
        "bioc",
        "brat",
        "casrel",
        "conll",
        "conll04_corp",
        "ddi",
        "doccano",
        "docred",
        "dygie",
        "gliner",
        "jsonl",
        "multihead",
        "prodigy",
        "pubtator",
        "spert",
        "tac_adr",
    ]
    # What brat writes is a directory, and has tests of its own.
    assert {*FILES.values(), "brat"} == set(FORMATS)


@pytest.mark.parametrize("name, format", FILES.items())
def test_formats_are_told_from_the_content_not_the_name(corpora, put, name, format):
    assert detect_format(corpora / name) == format
    assert detect_format(put((corpora / name).read_bytes())) == format
    assert detect_format(put(b"\xef\xbb\xbf" + (corpora / name).read_bytes())) == format


@pytest.mark.parametrize("name, format", FILES.items())
def test_reading_with_and_without_a_format_is_the_same(corpora, name, format):
    detected = list(read_corpus(corpora / name))
    assert detected == list(read_corpus(str(corpora / name), format))
    assert len(detected) >= 6
    lines = [int(sentence.source.rpartition(":")[2]) for sentence in detected]
    assert min(lines) >= 1 and max(lines) <= len((corpora / name).read_text().splitlines())
    if format not in DOCUMENTS:
        # Before conll's first sentence stands the line that begins the document.
        assert lines == sorted(lines) and lines[0] == (3 if format == "conll" else 1)


@pytest.mark.parametrize("name, format", FILES.items())
def test_windows_line_ends_change_nothing(corpora, put, name, format):
    path = put((corpora / name).read_bytes().replace(b"\n", b"\r\n"))
    assert list(read_corpus(path)) == list(read_corpus(corpora / name))


@pytest.mark.parametrize("name, format", FILES.items())
def test_gzip_changes_nothing_whatever_the_name(corpora, put, name, format):
    path = put(gzip.compress((corpora / name).read_bytes()))
    assert detect_format(path) == format
    assert list(read_corpus(path)) == list(read_corpus(corpora / name))


@pytest.mark.parametrize("content", ["Some prose.\n", "\n1 NEG late\n", "[[1, 2], [3]]", "a\tb\n"])
def test_an_unknown_format_lists_the_known_ones(put, content):
    path = put(content)
    with pytest.raises(CorpusFormatError, match="fit no known format; give `format`") as caught:
        read_corpus(path)
    assert (caught.value.path, caught.value.line) == (path, 1)
    assert all(name in caught.value.reason for name in FORMATS)


def test_an_ambiguous_format_is_refused(corpora, monkeypatch):
    twin = FORMATS["jsonl"]._replace(description="a twin")
    monkeypatch.setitem(FORMATS, "twin", twin)
    with pytest.raises(CorpusFormatError, match="the first lines fit jsonl and twin"):
        detect_format(corpora / "sentences.jsonl")


@pytest.mark.parametrize("format", [None, *FORMATS])
@pytest.mark.parametrize(
    "content, line, reason",
    [
        (None, None, "there is no such file"),
        (b"", None, "the file is empty"),
        (b"\n \n", None, "the file is empty"),
        (bz2.compress(b"1 NEG text\n"), 1, "compressed with bzip2"),
        (gzip.compress(bz2.compress(b"1 NEG text\n"), mtime=0), 1, "compressed with bzip2"),
        (
            gzip.compress(gzip.compress(b"1 NEG text\n", mtime=0), mtime=0),
            1,
            "compressed with gzip twice",
        ),
        (gzip.compress(b"1 NEG text\n" * 99, mtime=0)[:-9], None, "damaged or incomplete"),
        (b"1 NEG te\x00xt\n", 1, "NUL byte at byte 9"),
        (b"1 NEG te\xffxt\n", 1, "byte 9 of the line is 0xff, which is not UTF-8"),
        ("1 NEG text\n".encode("utf-16"), 1, "UTF-16"),
    ],
)
def test_every_format_refuses_what_is_not_text(put, tmp_path, format, content, line, reason):
    path = str(tmp_path / "missing") if content is None else put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read_corpus(path, format))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", FILES)
def test_the_wrong_format_is_an_error_in_line_one(corpora, format, name):
    if FILES[name] == format:
        assert list(read_corpus(corpora / name, format))
        return
    with pytest.raises(CorpusFormatError) as caught:
        list(read_corpus(corpora / name, format))
    # To brat, what ends in .txt is a text, and its annotations are missing. To conll, the first
    # line of multihead's file is a comment.
    expected = {("conll", "conll04_multihead.txt"): 2}.get((format, name), 1)
    assert caught.value.line == (None if format == "brat" and name.endswith(".txt") else expected)


def test_unknown_formats_and_options_name_the_known_ones(corpora):
    path = corpora / "conll04.corp"
    with pytest.raises(
        ValueError, match="unknown format 'conll05'; expected one of ade_neg, ade_rel"
    ):
        read_corpus(path, "conll05")
    with pytest.raises(TypeError, match="'conll04_corp' has no option 'split'; it has ids"):
        read_corpus(path, split="train")
    with pytest.raises(TypeError, match="'multihead' has no option 'ids'; it has none"):
        read_corpus(path, "multihead", ids="x")
    with pytest.raises(ValueError, match="unknown format 'x'; expected one of ade_neg"):
        format_options("x")
    assert format_options("brat") == ["tokenizer", "unit", "discontinuous", "on_error"]
    with pytest.raises(
        ValueError, match="format 'ade_rel'; expected one of brat, csv, dygie, gliner, jsonl, spert"
    ):
        write_corpus([], path, "ade_rel")


def test_writing_replaces_the_file_only_when_it_is_complete(tmp_path):
    path = tmp_path / "out.jsonl"
    good = Sentence(["a"])
    assert write_corpus([good, good], path, "jsonl") == 2

    def broken():
        yield Sentence(["b"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(broken(), path, "jsonl")
    assert list(read_corpus(path)) == [good, good]
    assert os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("format", ["jsonl", "spert"])
def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, format):
    for sentence in (Sentence(["\ud800"]), Sentence(["a"], [Entity("X", 0, 1, float("nan"))])):
        with pytest.raises(ValueError):
            write_corpus([sentence], tmp_path / "out", format)
    assert os.listdir(tmp_path) == []


def test_a_corpus_may_be_read_and_rewritten_in_place(corpora, put):
    path = put((corpora / "sentences.jsonl").read_bytes())
    before = list(read_corpus(path))
    assert write_corpus(read_corpus(path), path, "jsonl") == 8
    assert list(read_corpus(path)) == before


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
# Reading changes others: see tests/corpora/test_type_names.py.
types = words.map(plain_type).filter(bool)
scores = st.none() | st.floats(0, 1)


@st.composite
def sentences(draw):
    tokens = draw(st.lists(words, max_size=6))
    text, offsets = None, None
    if draw(st.booleans()):
        text, offsets = draw(words), []
        for token in tokens:
            offsets.append((len(text), len(text) + len(token)))
            text += token + draw(words)
    entities = []
    if tokens:
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(tokens) - 1))
            end = draw(st.integers(start + 1, len(tokens)))
            entities.append(Entity(draw(types), start, end, draw(scores)))
    relations = []
    if len(entities) > 1:
        for _ in range(draw(st.integers(0, 3))):
            head, tail = draw(st.permutations(range(len(entities))))[:2]
            relations.append(Relation(draw(types), head, tail, draw(scores)))
    name = draw(words | st.integers(0, 10**20).map(str))
    return Sentence(tokens, entities, relations, name, text, offsets)


@pytest.mark.parametrize("format", ["jsonl", "spert"])
@given(corpus=st.lists(sentences(), min_size=1, max_size=4))
def test_written_sentences_read_back_equal(tmp_path_factory, format, corpus):
    path = tmp_path_factory.mktemp("round") / "corpus"
    assert write_corpus(corpus, path, format) == len(corpus)
    assert list(read_corpus(path, format)) == corpus
    assert detect_format(path) == format


@pytest.mark.parametrize("format", ["dygie", "gliner", "jsonl", "spert"])
def test_a_name_with_gz_is_compressed_and_the_same_each_time(corpora, tmp_path, format):
    sentences = list(read_corpus(corpora / "sentences.jsonl"))
    plain, packed, again = (tmp_path / name for name in ("a", "a.gz", "b.gz"))
    for path in (plain, packed, again):
        write_corpus(sentences, path, format)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert packed.read_bytes() == again.read_bytes()
    assert [s.tokens for s in read_corpus(packed)] == [s.tokens for s in sentences]


def test_an_empty_corpus_can_be_written_as_spert_only(tmp_path):
    assert write_corpus([], tmp_path / "out", "spert") == 0
    assert list(read_corpus(tmp_path / "out")) == []
    assert write_corpus([], tmp_path / "out", "jsonl") == 0
    with pytest.raises(CorpusFormatError, match="the file is empty"):
        list(read_corpus(tmp_path / "out", "jsonl"))
