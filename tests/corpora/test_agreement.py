"""The real corpora against their published counts, and their formats against each other.

    JOINT_NER_RE_DATA=... pytest tests/corpora/test_agreement.py

The same comparison runs on the tiny corpora, so it is itself tested where the real ones are
missing. Sentences are compared by id; entities and relations by their characters without white
space, since the files do not split words alike.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import pytest

from joint_ner_re.corpora import read_corpus
from joint_ner_re.corpora.folds import read_folds
from joint_ner_re.sentence import Sentence


class Characters(NamedTuple):
    """A sentence without white space; spans are `(type, begin, end)` of `surface`."""

    surface: str
    entities: set[tuple[str, int, int]]
    relations: set[tuple[str, tuple[str, int, int], tuple[str, int, int]]]


def characters(sentence: Sentence, replace: dict[str, str] = {}) -> Characters:  # noqa: B006
    begins, surface = [], ""
    for token in sentence.tokens:
        begins.append(len(surface))
        surface += "".join(replace.get(token, token).split())
    begins.append(len(surface))
    spans = [(e.type, begins[e.start], begins[e.end]) for e in sentence.entities]
    assert len(set(spans)) == len(spans)
    relations = {(r.type, spans[r.head], spans[r.tail]) for r in sentence.relations}
    assert len(relations) == len(sentence.relations)
    return Characters(surface, set(spans), relations)


def by_id(*corpora: Iterable[Sentence]) -> dict[str, Sentence]:
    sentences = [sentence for corpus in corpora for sentence in corpus]
    result = {sentence.id: sentence for sentence in sentences}
    assert len(result) == len(sentences)
    return result


def counts(sentences: Iterable[Sentence]) -> tuple[int, int, int]:
    kept = list(sentences)
    return (
        len(kept),
        sum(len(sentence.entities) for sentence in kept),
        sum(len(sentence.relations) for sentence in kept),
    )


def without_final_point(found: Characters) -> Characters:
    """The sentence as if its final point had been split from the entity that ends with it."""
    last = len(found.surface)
    assert found.surface.endswith(".")

    def shorter(span: tuple[str, int, int]) -> tuple[str, int, int]:
        kind, begin, end = span
        return (kind, begin, end - 1 if end == last else end)

    return Characters(
        found.surface,
        {shorter(span) for span in found.entities},
        {(kind, shorter(head), shorter(tail)) for kind, head, tail in found.relations},
    )


@pytest.fixture(scope="module")
def conll04(data) -> dict[str, dict[str, Sentence]]:
    directory = data / "conll04"
    return {
        "raw": by_id(read_corpus(directory / "raw" / "conll04.corp")),
        "spert": by_id(
            read_corpus(directory / "spert" / "conll04_train.json"),
            read_corpus(directory / "spert" / "conll04_dev.json"),
        ),
        "multihead": by_id(
            read_corpus(directory / "multihead" / "train.txt"),
            read_corpus(directory / "multihead" / "dev.txt"),
        ),
    }


@pytest.fixture(scope="module")
def ade(data) -> dict[str, Sentence]:
    return by_id(read_corpus(data / "ade" / "DRUG-AE.rel"))


# The tiny corpora ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left, right, shared",
    [
        ("ade.rel", "ade_spert.json", 11),
        ("conll04.corp", "conll04_spert.json", 11),
        ("conll04.corp", "conll04_multihead.txt", 11),
    ],
)
def test_agreement_of_the_tiny_corpora(corpora, left, right, shared):
    left_by_id, right_by_id = (
        by_id(read_corpus(corpora / left)),
        by_id(read_corpus(corpora / right)),
    )
    names = left_by_id.keys() & right_by_id.keys()
    assert len(names) == shared
    for name in names:
        assert characters(left_by_id[name]) == characters(right_by_id[name])


@pytest.mark.parametrize("name", ["docred.json", "dygie.jsonl", "gliner.json"])
def test_the_tiny_corpus_of_another_program_is_the_same(corpora, name):
    """These formats have ids of their own, so the order says which sentences belong together."""
    expected = list(read_corpus(corpora / "conll04_spert.json"))
    found = list(read_corpus(corpora / name))
    assert [sentence.tokens for sentence in found] == [sentence.tokens for sentence in expected]
    for one, other in zip(found, expected):
        assert characters(one) == characters(other)


def test_the_tiny_corpora_have_every_label(corpora):
    sentences = list(read_corpus(corpora / "conll04.corp"))
    assert {e.type for s in sentences for e in s.entities} == {"Loc", "Org", "Other", "Peop"}
    assert {r.type for s in sentences for r in s.relations} == {
        "Kill",
        "Live_In",
        "Located_In",
        "OrgBased_In",
        "Work_For",
    }
    assert counts(sentences) == (12, 34, 18)


# ADE ----------------------------------------------------------------------------------------------


def test_ade_counts(ade):
    assert counts(ade.values()) == (4272, 10839, 6821)
    assert list(ade) == [str(index) for index in range(4272)]
    overlapping = [
        sentence
        for sentence in ade.values()
        if any(a.overlaps(b) for a, b in combinations(sentence.entities, 2))
    ]
    assert len(overlapping) == 119
    crossing = [
        relation
        for sentence in ade.values()
        for relation in sentence.relations
        if sentence.entities[relation.head].overlaps(sentence.entities[relation.tail])
    ]
    assert len(crossing) == 120


def test_ade_tokens_hold_all_but_two_mentions(data, caplog):
    path = data / "ade" / "DRUG-AE.rel"
    with caplog.at_level(logging.WARNING):
        assert len(list(read_corpus(path))) == 4272
    assert caplog.messages == [
        f"{path}: mentions with white space at an edge, which was left out: 2"
    ]


def test_agreement_of_ade_with_spert(data, ade):
    spert = by_id(read_corpus(data / "ade" / "spert" / "ade_full.json"))
    assert ade.keys() == spert.keys()
    different = [n for n in ade if characters(ade[n]) != characters(spert[n])]
    assert different == []


def test_ade_folds_cover_the_corpus_once(data, ade):
    folds = read_folds(data / "ade" / "spert" / "ade_folds.json")
    assert len(folds) == 10
    assert sorted(name for fold in folds for name in fold) == sorted(ade)
    test = by_id(read_corpus(data / "ade" / "spert" / "ade_split_0_test.json"))
    assert test.keys() == set(folds[0])


def test_ade_neg_counts(data):
    sentences = list(read_corpus(data / "ade" / "ADE-NEG.txt"))
    assert counts(sentences) == (16695, 0, 0)
    assert all(sentence.tokens for sentence in sentences)


def test_drug_dose_counts(data):
    sentences = list(read_corpus(data / "ade" / "DRUG-DOSE.rel", types=("Dose", "Drug")))
    assert counts(sentences) == (213, 491, 279)


# CoNLL04 ------------------------------------------------------------------------------------------


def test_conll04_counts(data, conll04):
    directory = data / "conll04"
    assert len(conll04["raw"]) == 5228
    assert sum(bool(sentence.relations) for sentence in conll04["raw"].values()) == 1153
    expected = {
        ("spert", "conll04_train.json"): (922, 3377, 1283),
        ("spert", "conll04_dev.json"): (231, 893, 343),
    }
    for (folder, name), numbers in expected.items():
        assert counts(read_corpus(directory / folder / name)) == numbers
    raw = directory / "raw"
    for name, number in (("train.ids", 910), ("dev.ids", 243)):
        chosen = list(read_corpus(raw / "conll04.corp", ids=raw / name))
        assert len(chosen) == number
        assert all(sentence.relations for sentence in chosen)
    # Of the split's 910 sentences, four are missing from the copy at hand.
    assert counts(read_corpus(directory / "multihead" / "train.txt")) == (906, 3377, 1267)
    assert counts(read_corpus(directory / "multihead" / "dev.txt")) == (243, 877, 353)


# The original file calls an opening brace -LCB-; the other two keep the name.
BRACE = {"{": "-LCB-"}
WITH_BRACE = {"674", "2017", "2348"}


def test_agreement_of_raw_with_spert(conll04):
    raw, spert = conll04["raw"], conll04["spert"]
    assert spert.keys() == {name for name in raw if raw[name].relations}
    different = {n for n in spert if characters(raw[n]) != characters(spert[n])}
    assert different == WITH_BRACE
    assert all(characters(raw[n], BRACE) == characters(spert[n]) for n in different)
    assert {n for n in spert if raw[n].tokens != spert[n].tokens} == WITH_BRACE | {"5273", "5343"}


@pytest.mark.parametrize("other", ["raw", "spert"])
def test_agreement_with_multihead(conll04, other):
    left, multihead = conll04[other], conll04["multihead"]
    with_relations = {name for name in left if left[name].relations}
    assert multihead.keys() <= with_relations
    assert with_relations - multihead.keys() == {"1189", "1990", "4051", "5180"}
    found = {name: characters(left[name], BRACE) for name in multihead}
    different = [name for name in multihead if found[name] != characters(multihead[name])]
    # Multihead's file splits the final point from the last word, also inside an entity.
    assert len(different) == 115
    relations = 0
    for name in different:
        expected = characters(multihead[name])
        assert without_final_point(found[name]) == expected
        relations += found[name].relations != expected.relations
    assert relations == 89
    # Tokens differ by the point, and once by the brace or by a word that SpERT joins to a comma.
    split = {
        name
        for name in multihead
        if multihead[name].tokens[-1] == "." != left[name].tokens[-1]
        and left[name].tokens[-1].endswith(".")
    }
    assert len(split) == 258
    tokens = {name for name in multihead if left[name].tokens != multihead[name].tokens}
    assert tokens - split == {"raw": {"674"}, "spert": {"5343"}}[other]


def test_multihead_inside_tags_without_beginning(data, conll04, caplog):
    path = data / "conll04" / "multihead" / "train.txt"
    with caplog.at_level(logging.WARNING):
        assert len(list(read_corpus(path))) == 906
    assert caplog.messages == [f"{path}: I- tags that continue no entity, read as B-: 2"]
    # Reading them as the beginning gives what the original file says.
    for name in ("1395", "4295"):
        assert characters(conll04["raw"][name]) == characters(conll04["multihead"][name])
