"""The formats of annotation tools on real files, against counts that others took.

    JOINT_NER_RE_DATA=... pytest tests/corpora/test_formats_of_tools.py

`formats/counts.json` counts what the files hold by simple means, without this package.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter

import pytest

from joint_ner_re.corpora import read_corpus
from joint_ner_re.sentence import Sentence


@pytest.fixture(scope="session")
def formats(data):
    return data / "formats"


@pytest.fixture(scope="session")
def published(formats):
    return json.loads((formats / "counts.json").read_text())


class Words:
    """A quick tokenizer: words and marks, sentences that end with a full stop."""

    def split(self, texts):
        for text in texts:
            sentences = [[]]
            for match in re.finditer(r"\w+|[^\w\s]", text):
                sentences[-1].append(match.span())
                if match.group() == ".":
                    sentences.append([])
            yield [sentence for sentence in sentences if sentence]


@pytest.fixture
def read(caplog):
    """Reads a corpus: its sentences, and what the log counts of it."""

    def reading(path, **options) -> tuple[list[Sentence], Counter[str]]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "joint_ner_re"):
            sentences = list(read_corpus(path, tokenizer=Words(), **options))
        log: Counter[str] = Counter()
        for message in caplog.messages:
            what, count = re.fullmatch(r".*?: (.*): (\d+)", message, re.DOTALL).groups()
            log[what] += int(count)
        return sentences, log

    return reading


def sizes(sentences):
    return sum(len(s.entities) for s in sentences), sum(len(s.relations) for s in sentences)


MERGED = "mentions with the type and the tokens of another one, kept once"
APART = "discontinuous mentions, left out"
REPEATED = "relations given more than once, kept once"
OF_LEFT_OUT = "relations of mentions that were left out"
ACROSS = "relations from one sentence to another, left out"
SAME = "relations between two mentions that became one, left out"


def total(log, *names):
    return sum(log[name] for name in names)


def test_the_brat_export_of_ddi_is_read_and_everything_is_counted(formats, published, read):
    sentences, log = read(formats / "ddi_brat")
    entities, relations = sizes(sentences)
    counts = published["ddi_brat"]
    assert log[APART] == counts["T in pieces"]
    assert entities + log[APART] + log[MERGED] == counts["T"]
    assert relations + total(log, OF_LEFT_OUT, ACROSS, REPEATED, SAME) == counts["R"]
    assert len({s.id.rpartition(":")[0] for s in sentences}) == counts["documents"]


@pytest.mark.parametrize("discontinuous, added", [("cover", 9), ("first", 9), ("split", 18)])
def test_mentions_in_pieces_of_ddi_need_not_be_left_out(formats, read, discontinuous, added):
    entities, _ = sizes(read(formats / "ddi_brat")[0])
    sentences, log = read(formats / "ddi_brat", discontinuous=discontinuous)
    merged = log[MERGED] - read(formats / "ddi_brat")[1][MERGED]
    assert sizes(sentences)[0] + merged == entities + added


@pytest.mark.parametrize("discontinuous", ["drop", "cover"])
def test_the_counts_of_tac_hold(formats, published, read, discontinuous):
    sentences, log = read(formats / "tac_adr", discontinuous=discontinuous)
    entities, relations = sizes(sentences)
    counts = published["tac_adr"]
    assert entities + log[APART] + log[MERGED] == counts["mentions"]
    lost = total(log, OF_LEFT_OUT, ACROSS, SAME)
    assert relations + log[REPEATED] + lost == counts["relations"]
    assert len({s.id.rpartition(":")[0] for s in sentences}) == counts["sections"]
    in_pieces = log["discontinuous mentions, read with the words between the pieces"]
    assert log[APART] + in_pieces == counts["mentions in pieces"]
    if discontinuous == "cover":
        assert relations + log[REPEATED] >= 0.97 * counts["relations"]


def test_the_counts_of_ddi_hold(formats, published, read):
    sentences, log = read(formats / "ddi_xml")
    entities, relations = sizes(sentences)
    counts = published["ddi_xml"]
    assert len(sentences) + log["sentences without a text, left out"] == counts["sentences"]
    assert entities + log[APART] + log[MERGED] == counts["entities"]
    assert log[APART] == counts["entities in pieces"]
    assert relations + total(log, OF_LEFT_OUT, REPEATED, SAME) == counts["true pairs"]


def test_ddi_is_the_same_from_xml_and_from_brat(formats, read):
    def letters(sentence):
        """Entities and relations by their letters: the two differ in white space."""
        places = [len("".join(sentence.text[:begin].split())) for begin, _ in sentence.offsets]
        entities = [
            (e.type.lower(), places[e.start], "".join(sentence.surface(e).split()))
            for e in sentence.entities
        ]
        relations = {(r.type.lower(), *sorted([entities[r.head], entities[r.tail]]))
                     for r in sentence.relations}  # fmt: skip
        return "".join(sentence.text.split()), set(entities), relations

    shared = {path.stem for path in (formats / "ddi_xml").iterdir()}
    shared &= {path.stem for path in (formats / "ddi_brat").glob("*.ann")}
    assert len(shared) == 9
    for name in sorted(shared):
        (brat,), _ = read(formats / "ddi_brat" / f"{name}.ann", unit="document")
        (xml,), _ = read(formats / "ddi_xml" / f"{name}.xml", unit="document")
        assert letters(xml) == letters(brat)


BIORED = ("Dev.PubTator", "Dev.BioC.XML", "Dev.BioC.JSON")


def test_biored_is_the_same_from_all_of_its_formats(formats, published, read):
    found = [read(formats / "biored" / name) for name in BIORED]
    assert found[1] == found[0] and found[2][0] == found[0][0]
    sentences, log = found[0]
    entities, relations = sizes(sentences)
    counts = published["biored/Dev.PubTator"]
    assert entities + log[MERGED] == counts["mentions"]
    assert relations + total(log, ACROSS, REPEATED, SAME) == counts["relations"]
    assert len({s.id.rpartition(":")[0] for s in sentences}) == counts["documents"]


def test_pairs_of_concepts_stand_for_as_many_pairs_of_mentions_as_counted(formats, read):
    # formats.md: 21,521 pairs of mentions, without those of composite ids.
    sentences, log = read(formats / "biored/Dev.PubTator", concept_relations="all")
    pairs = sizes(sentences)[1] + total(log, ACROSS, REPEATED)
    assert pairs == brute_force_pairs((formats / "biored/Dev.PubTator").read_text())


def brute_force_pairs(text):
    """The pairs of different mentions that share a relation's two ids, alone or among others."""
    pairs = 0
    for document in text.replace("\r", "").split("\n\n"):
        rows = [line.split("\t") for line in document.split("\n")]
        ids = [row[5] for row in rows if len(row) == 6]

        def named(concept, ids=ids):
            alone = [n for n, found in enumerate(ids) if found == concept]
            parts = [n for n, found in enumerate(ids) if concept in re.split("[,|;]", found)]
            return alone or parts

        for row in rows:
            if len(row) == 5:
                pairs += sum(a != b for a in named(row[2]) for b in named(row[3]))
    return pairs


def test_the_counts_of_the_sample_of_cdr_hold(formats, published, read):
    sentences, log = read(formats / "cdr_pubtator/CDR_sample.PubTator")
    entities, relations = sizes(sentences)
    counts = published["cdr_pubtator/CDR_sample.PubTator"]
    unnamed = log["relations of a concept that no mention names, left out"]
    assert entities + log[MERGED] == counts["mentions"]
    assert relations + unnamed + total(log, ACROSS, REPEATED, SAME) == counts["relations"]


@pytest.mark.parametrize("name", ["everything.json", "everything.xml"])
def test_bioc_is_read_wherever_it_puts_annotations_and_relations(formats, read, name):
    sentences, log = read(formats / "bioc_sample" / name)
    assert [s.text for s in sentences] == [
        "abcdefghijklmnopqrstuvwxyz", "abcdefg", "\u6d4b\u8bd5Non-ASCII"
    ]  # fmt: skip
    # Five annotations in the three sentences, each of which is one word.
    assert sizes(sentences)[0] + log[MERGED] == 5
    assert log[SAME] == 2
    assert log["relations with another number of arguments than two, left out"] == 1
