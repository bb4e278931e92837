"""Damaged files: whatever happened to a corpus, reading gives sentences or one kind of error.

These are samples: `make fuzz` reads many thousands.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joint_ner_re.corpora import CorpusFormatError, detect_format, format_options, read_corpus
from joint_ner_re.corpora.folds import read_folds
from joint_ner_re.sentence import Sentence

FILES = {
    "ade_rel": "ade.rel",
    "ade_neg": "ade_neg.txt",
    "conll04_corp": "conll04.corp",
    "jsonl": "sentences.jsonl",
    "multihead": "conll04_multihead.txt",
    "spert": "conll04_spert.json",
    "prodigy": "own/prodigy.jsonl",
    "doccano": "own/doccano.jsonl",
    "dygie": "dygie.jsonl",
    "docred": "docred.json",
    "casrel": "casrel.json",
    "conll": "conll.tsv",
    "gliner": "gliner.json",
    "bioc": "tools/bioc.xml",
    "ddi": "tools/ddi.xml",
    "label_studio": "tools/label_studio.json",
    "pubtator": "tools/pubtator.txt",
    "tac_adr": "tools/tac_adr.xml",
    "uima_cas": "tools/uima_cas.json",
    "webanno": "tools/webanno.tsv",
}

# Bytes that mean something in one format or another, next to arbitrary ones.
PIECES = st.sampled_from(
    [
        *[bytes([byte]) for byte in b"\n\r\t |/[]{}\",:'-0123456789\\#\x00\xc3\xff"],
        b"\n\n",
        b"\xed\xa0\x80",
        b"99999999999999999999",
        b"NaN",
        b"1e999",
        b"null",
        b"true",
        b"I-Loc",
        b"['N']",
        b"COMMA",
        b"\\ud800",
        b"[" * 2000,
    ]
) | st.binary(min_size=1, max_size=4)


@st.composite
def mutations(draw):
    """Positions, as fractions of the file, and what to do there."""
    edits = []
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.floats(0, 1, exclude_max=True))
        removed = draw(st.integers(0, 12))
        edits.append((place, removed, draw(st.just(b"") | PIECES)))
    cut = draw(st.none() | st.floats(0, 1))
    return edits, cut


def mutate(content, mutation):
    edits, cut = mutation
    for place, removed, added in edits:
        at = int(place * len(content))
        content = content[:at] + added + content[at + removed :]
    return content if cut is None else content[: int(cut * len(content))]


@pytest.fixture(scope="module")
def tokenizer():
    from joint_ner_re.tokenization import TextTokenizer

    return TextTokenizer(granularity="fine")


@pytest.mark.parametrize("format", FILES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=mutations())
def test_a_damaged_corpus_gives_sentences_or_a_format_error(
    corpora, tmp_path, tokenizer, format, mutation
):
    path = tmp_path / "corpus"
    path.write_bytes(mutate((corpora / FILES[format]).read_bytes(), mutation))
    begin = time.process_time()
    for detected in (False, True):
        try:
            # What the damage has made of the file may look like another format.
            name = detect_format(path) if detected else format
            options = {"tokenizer": tokenizer} if "tokenizer" in format_options(name) else {}
            for sentence in read_corpus(path, name, **options):
                assert isinstance(sentence, Sentence)
        except CorpusFormatError as error:
            assert error.path == str(path)
            assert error.reason
            assert error.line is None or 1 <= error.line <= path.read_bytes().count(b"\n") + 1
    # Of the processor: the clock would say how busy the machine is.
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("damaged", [".ann", ".txt"])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=mutations())
def test_a_damaged_document_of_brat_gives_sentences_or_a_format_error(
    corpora, tmp_path, tokenizer, damaged, mutation
):
    for suffix in (".ann", ".txt"):
        content = (corpora / "own/brat" / f"report-03{suffix}").read_bytes()
        content = mutate(content, mutation) if suffix == damaged else content
        (tmp_path / f"a{suffix}").write_bytes(content)
    found = []
    for options in ({}, {"on_error": found.append}):
        try:
            for sentence in read_corpus(tmp_path, tokenizer=tokenizer, **options):
                assert isinstance(sentence, Sentence)
        except CorpusFormatError as error:
            found.append(error)
            assert not options
    assert all(error.path.startswith(str(tmp_path / "a")) and error.reason for error in found)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutation=mutations())
def test_damaged_folds_and_ids_give_a_format_error(corpora, tmp_path, mutation):
    path = tmp_path / "file"
    path.write_bytes(mutate((corpora / "ade_folds.json").read_bytes(), mutation))
    try:
        folds = read_folds(path)
        names = [name for fold in folds for name in fold]
        assert len(set(names)) == len(names)
    except CorpusFormatError as error:
        assert error.path == str(path)
    path.write_bytes(mutate((corpora / "conll04_train.ids").read_bytes(), mutation))
    try:
        for sentence in read_corpus(corpora / "conll04.corp", "conll04_corp", ids=path):
            assert isinstance(sentence, Sentence)
    except CorpusFormatError as error:
        assert error.path == str(path)
