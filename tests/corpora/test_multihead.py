from __future__ import annotations

import logging

import pytest

from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.corpora.multihead import read
from joint_ner_re.sentence import Entity, Relation


def test_fixture(corpora):
    path = corpora / "conll04_multihead.txt"
    sentences = list(read(path))
    assert " ".join(s.id for s in sentences) == "17 18 23 29 31 40 41 57 60 64 72"
    first = sentences[0]
    assert first.entities == (
        Entity("Peop", 0, 2),
        Entity("Loc", 6, 8),
        Entity("Org", 12, 14),
        Entity("Loc", 15, 16),
    )
    assert first.relations == (
        Relation("Live_In", 0, 1),
        Relation("Work_For", 0, 2),
        Relation("OrgBased_In", 2, 3),
    )
    assert first.source == f"{path}:1"
    assert sentences[1].source == f"{path}:19"


DOC = """#doc 5
0	Ada	B-Peop	['N']	[0]
1	Marek	I-Peop	['Live_In', 'Work_For']	[3, 5]
2	of	O	['N']	[2]
3	Kesh	B-Loc	['N']	[3]
4	Bank	B-Org	['N']	[4]
5	One	I-Org	['OrgBased_In']	[3]
"""


def test_relations_go_from_the_token_with_the_list_to_the_listed_tokens(put):
    [sentence] = read(put(DOC))
    assert sentence.entities == (Entity("Peop", 0, 2), Entity("Loc", 3, 4), Entity("Org", 4, 6))
    assert sentence.relations == (
        Relation("Live_In", 0, 1),
        Relation("Work_For", 0, 2),
        Relation("OrgBased_In", 2, 1),
    )


def test_an_inside_tag_that_continues_nothing_begins_an_entity_and_is_counted(put, caplog):
    content = "#doc 5\n" + "".join(
        f"{index}\tw\t{tag}\t['N']\t[{index}]\n"
        for index, tag in enumerate(["I-Loc", "I-Loc", "I-Org", "O", "I-Org", "B-Org"])
    )
    path = put(content)
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert sentence.entities == (
        Entity("Loc", 0, 2),
        Entity("Org", 2, 3),
        Entity("Org", 4, 5),
        Entity("Org", 5, 6),
    )
    assert caplog.messages == [f"{path}: I- tags that continue no entity, read as B-: 3"]


def test_a_relation_given_twice_is_kept_once_and_counted(put, caplog):
    path = put(DOC.replace("['OrgBased_In']\t[3]", "['OrgBased_In', 'OrgBased_In']\t[3, 3]"))
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert len(sentence.relations) == 3
    assert caplog.messages == [f"{path}: relations given more than once, kept once: 1"]


@pytest.mark.parametrize(
    "old, new, line, reason",
    [
        ("#doc 5\n", "", 1, "expected '#doc' and an id before the first token"),
        ("#doc 5", "#doc", 1, "expected '#doc' and an id; found '#doc'"),
        ("#doc 5", "#dog 5", 1, "expected '#doc' and an id; found '#dog 5'"),
        (DOC, DOC + "\n", 0, ""),
        (DOC, DOC + DOC, 8, "#doc 5 is already in line 1"),
        (DOC, "#doc 4\n" + DOC, 1, "#doc 4 has no tokens"),
        (DOC, DOC + "#doc 6\n", 8, "#doc 6 has no tokens"),
        ("2\tof", "\n2\tof", 4, "a blank line inside the file"),
        ("2\tof", "3\tof", 4, "the token's index is 3; expected 2"),
        ("2\tof", "x\tof", 4, "the token's index is 'x'"),
        ("2\tof", "2\t", 4, "the token is empty"),
        ("2\tof\tO", "2\tof O", 4, "4 columns separated by tabs; expected 5"),
        ("O\t['N']\t[2]", "O\t['N']\t[2]\tx", 4, "6 columns separated by tabs; expected 5"),
        ("B-Loc", "S-Loc", 5, "the tag is 'S-Loc'; expected O, B-TYPE or I-TYPE"),
        ("B-Loc", "B-", 5, "the tag is 'B-'"),
        ("B-Loc", "Loc", 5, "the tag is 'Loc'"),
        ("B-Loc", "", 5, "the tag is ''"),
        ("[3, 5]", "[3]", 3, "2 relations and 1 tails; expected the same number of both"),
        ("['N']\t[2]", "[]\t[]", 4, "0 relations and 0 tails"),
        ("['N']\t[2]", "['N']\t[1]", 4, "'N' means no relation and stands alone"),
        ("['OrgBased_In']\t[3]", "['OrgBased_In', 'N']\t[3, 5]", 7, "'N' means no relation"),
        ("['N']\t[2]", "['Kill']\t[3]", 4, "has token 2 as argument, which is not the last token"),
        (
            "[3, 5]",
            "[3, 4]",
            3,
            "has token 4 as argument, which is not the last token of an entity",
        ),
        ("[3, 5]", "[3, 6]", 3, "has token 6 as argument, but the sentence has 6 tokens"),
        ("[3, 5]", "[3, -1]", 3, "has token -1 as argument, but the sentence has 6 tokens"),
        ("[3, 5]", "[3, 1]", 3, "the relation Work_For links token 1 to itself"),
        ("[3, 5]", "[3, True]", 3, "expected a list of numbers such as [4]; found '[3, True]'"),
        ("[3, 5]", "[3, 5", 3, "expected a list of numbers"),
        ("[3, 5]", "(3, 5)", 3, "expected a list of numbers"),
        ("[3, 5]", "[3, 'x']", 3, "expected a list of numbers"),
        ("[3, 5]", "[[3], 5]", 3, "expected a list of numbers"),
        ("[3, 5]", "[3, 2+3j]", 3, "expected a list of numbers"),
        ("[3, 5]", "[3, len('12345')]", 3, "expected a list of numbers"),
        ("[3, 5]", "__import__('os').listdir()", 3, "expected a list of numbers"),
        ("[3, 5]", "[" * 9000, 3, "expected a list of numbers"),
        ("[3, 5]", "[" + "-" * 9000 + "1]", 3, "expected a list of numbers"),
        ("[3, 5]", "[" + "1+" * 4000 + "1]", 3, "expected a list of numbers"),
        ("[3, 5]", "[" + "3," * 50_000 + "5]", 3, "expected a list of numbers"),
        ("[3, 5]", "[" + "5" * 9000 + "]", 3, "expected a list of numbers"),
        ("['N']\t[2]", "[1]\t[2]", 4, "expected a list of strings such as ['Kill']; found '[1]'"),
        ("['OrgBased_In']", r"['\ud800']", 7, "expected a list of strings"),
        ("['OrgBased_In']\t[3]\n", "['OrgBas", 7, "4 columns separated by tabs"),
    ],
)
def test_malformed_lines_are_refused(put, old, new, line, reason):
    assert old in DOC
    path = put(DOC.replace(old, new, 1))
    if not line:
        # A blank line at the end is no error.
        assert len(list(read(path))) == 1
        return
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


def test_odd_literals_do_not_warn(put, recwarn):
    with pytest.raises(CorpusFormatError):
        list(read(put(DOC.replace("[3, 5]", "['\\d' is 1]"))))
    assert not recwarn.list
