"""PubTator's text format, and which mentions its relations between concepts stand for."""

import re

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus

# Drug and rash: in one sentence at 0 and 10, drug again at 20, rash again at 30 and 35.
TEXT = """7|t|Drug gives rash.
7|a|Drug.  Two rash or rash cases.
7\t0\t4\tDrug\tChemical\tC1
7\t11\t15\trash\tDisease\tD1
7\t17\t21\tDrug\tChemical\tC1
7\t28\t32\trash\tDisease\tD1
7\t36\t40\trash\tDisease\tD2|D3\trash|itch
7\tCauses\tC1\tD1
"""


class Words:
    """Words; sentences end with a full stop."""

    def split(self, texts):
        for text in texts:
            parts = [[]]
            for match in re.finditer(r"\w+|\.", text):
                parts[-1].append(match.span())
                if match.group() == ".":
                    parts.append([])
            yield [part for part in parts if part]


@pytest.fixture
def read(put):
    def reading(text, **options):
        return list(read_corpus(put(text), "pubtator", tokenizer=Words(), **options))

    return reading


def related(sentences):
    """The relations by where their arguments begin in the document."""
    found = set()
    for sentence in sentences:
        name, _, place = sentence.id.rpartition(":")
        base = int(place.split("-")[0]) if name else 0
        begins = [base + sentence.offsets[e.start][0] for e in sentence.entities]
        found |= {(r.type, begins[r.head], begins[r.tail]) for r in sentence.relations}
    return found


def test_title_and_abstract_are_one_document(read, put):
    sentences = read(TEXT)
    assert [s.id for s in sentences] == ["7:0-17", "7:17-24", "7:24-47"]
    assert "".join(s.text for s in sentences) == "Drug gives rash.\nDrug.  Two rash or rash cases."
    assert detect_format(put(TEXT)) == "pubtator"


def test_a_title_without_a_full_stop_ends_a_sentence(read):
    text = "7|t|Drug gives rash\n7|a|It does.\n"
    assert [s.text for s in read(text)] == ["Drug gives rash\n", "It does."]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, {("Causes", 0, 11)}),
        ({"concept_relations": "nearest", "split_sentences": False}, {("Causes", 17, 11)}),
        ({"concept_relations": "sentence"}, {("Causes", 0, 11)}),
        ({"concept_relations": "all"}, {("Causes", 0, 11)}),
        (
            {"concept_relations": "all", "split_sentences": False},
            {("Causes", 0, 11), ("Causes", 0, 28), ("Causes", 17, 11), ("Causes", 17, 28)},
        ),
    ],
)
def test_relations_between_concepts_are_of_the_mentions_asked_for(read, options, expected):
    assert related(read(TEXT, **options)) == expected


def test_what_spans_two_sentences_is_counted(read, caplog):
    read(TEXT, concept_relations="all")
    assert "relations from one sentence to another, left out: 3" in caplog.text
    assert "relations between concepts, read of all their mentions: 1" in caplog.text


def test_a_mention_of_several_concepts_names_each_where_no_other_does(read, caplog):
    text = TEXT.replace("Causes\tC1\tD1", "Causes\tD1\tD3\tNovel")
    assert related(read(text)) == {("Causes", 28, 36)}
    read(TEXT.replace("Causes\tC1\tD1", "Causes\tC1\tD9"))
    assert "relations of a concept that no mention names, left out: 1" in caplog.text
    assert related(read(TEXT.replace("C1\tD1\n", "D3\tD3\n"))) == set()
    assert "relations of a concept to itself that one mention names, left out: 1" in caplog.text


@pytest.mark.parametrize(
    "old, new, line, reason",
    [
        ("7\t0\t4\tDrug", "7\t0\t4\tPill", 3, "'Pill' has the offsets 0 4"),
        ("7\t0\t4\t", "8\t0\t4\t", 3, "a line with the id '8' in the document '7'"),
        ("7\t0\t4\t", "7\t0\tx\t", 3, "the end of a mention is 'x'"),
        ("Causes\tC1\tD1", "Causes\tC1", 8, "expected ID<tab>BEGIN<tab>END"),
        ("7|t|", "7|x|", 1, "expected a title such as"),
    ],
)
def test_errors_name_the_line(read, old, new, line, reason):
    with pytest.raises(CorpusFormatError) as caught:
        read(TEXT.replace(old, new, 1))
    assert caught.value.line == line and reason in caught.value.reason


def test_too_many_pairs_are_refused(read):
    title = "a " * 1001
    mentions = "".join(f"7\t{2 * n}\t{2 * n + 1}\ta\tX\tC\n" for n in range(1001))
    text = f"7|t|{title}\n{mentions}7\tSame\tC\tC\n"
    with pytest.raises(CorpusFormatError, match="more than 1000000 pairs of mentions"):
        read(text, concept_relations="all")
    assert len(related(read(text))) == 1
