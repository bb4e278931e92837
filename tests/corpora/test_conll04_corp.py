from __future__ import annotations

import logging

import pytest

from joint_ner_re.corpora.conll04_corp import read
from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.sentence import Entity, Relation


def rows(*words, name="7"):
    """Sentence rows; `Loc:New/York` is an entity."""
    lines = []
    for index, word in enumerate(words):
        kind, _, text = word.rpartition(":")
        tags = "/".join(["NN"] * (text.count("/") + 1))
        lines.append("\t".join([name, kind or "O", str(index), "O", tags, text, "O", "O", "O"]))
    return "\n".join(lines) + "\n"


def test_fixture(corpora):
    path = corpora / "conll04.corp"
    sentences = list(read(path))
    assert " ".join(s.id for s in sentences) == "17 18 23 29 31 40 41 57 60 64 72 75"
    first = sentences[0]
    assert " ".join(first.tokens) == (
        "Ada Marek , a chemist from Novi Brod , works for the Tarn Institute in Lisgard ."
    )
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
    # 14 rows, a blank line, 3 relations and a blank line come before.
    assert sentences[1].source == f"{path}:20"
    assert sentences[3].surface(sentences[3].entities[1]) == "Novi Brod , Tarnia"


def test_ids_choose_in_the_order_of_the_corpus(corpora):
    train = [s.id for s in read(corpora / "conll04.corp", ids=corpora / "conll04_train.ids")]
    assert train == ["17", "18", "23", "29", "40", "57", "60", "72"]
    dev = [s.id for s in read(corpora / "conll04.corp", ids=str(corpora / "conll04_dev.ids"))]
    assert dev == ["31", "41", "64"]


def test_ids_that_the_corpus_lacks_are_named(corpora, put):
    path = put("17\n99\n23\n98\n")
    with pytest.raises(CorpusFormatError) as caught:
        list(read(corpora / "conll04.corp", ids=path))
    assert (caught.value.path, caught.value.line) == (path, 2)
    assert "2 of 4 ids are not in" in caught.value.reason
    assert "'99, 98'" in caught.value.reason


def test_an_id_given_twice_is_refused(corpora, put):
    with pytest.raises(CorpusFormatError, match=":2: the id '17' is already in line 1"):
        list(read(corpora / "conll04.corp", ids=put("17\n17\n")))


def test_characters_with_names(put):
    names = ["COMMA", "-LRB-", "-RRB-", "-LSB-", "-RSB-", "-LCB-", "-RCB-", "--", "comma"]
    [sentence] = read(put(rows(*names, "Loc:-LRB-/Kesh/COMMA/Ohio")))
    assert " ".join(sentence.tokens) == ", ( ) [ ] { } -- comma ( Kesh , Ohio"


def test_a_slash_alone_is_a_word_and_the_parts_of_speech_do_not_decide(put, caplog):
    content = rows("Other:/", "Loc:Novi/Brod.", "Loc:Coeur")
    content = content.replace("NN/NN\tNovi", "NN\tNovi").replace("NN\tCoeur", "NN/NN\tCoeur")
    path = put(content)
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert sentence.tokens == ("/", "Novi", "Brod.", "Coeur")
    assert sentence.entities == (Entity("Other", 0, 1), Entity("Loc", 1, 3), Entity("Loc", 3, 4))
    # The slash has two parts of speech here, too.
    assert caplog.messages == [f"{path}: rows with more or fewer words than parts of speech: 3"]


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", "\n0\t2\tKill", "\n0\t2\tKill\n\n"])
def test_the_last_blank_lines_may_be_missing(put, ending):
    content = rows("a", name="1") + "\n\n" + rows("Peop:A", "shot", "Peop:B", name="2") + ending
    sentences = list(read(put(content)))
    assert [s.id for s in sentences] == ["1", "2"]
    assert len(sentences[1].relations) == ending.count("Kill")


def test_a_relation_given_twice_is_kept_once_and_counted(put, caplog):
    path = put(rows("Peop:A", "shot", "Peop:B") + "\n0\t2\tKill\n0\t2\tKill\n2\t0\tKill\n")
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert sentence.relations == (Relation("Kill", 0, 1), Relation("Kill", 1, 0))
    assert caplog.messages == [f"{path}: relations given more than once, kept once: 1"]


TWO = rows("Peop:A", "shot", "Peop:B")


@pytest.mark.parametrize(
    "content, line, reason",
    [
        (TWO.replace("\tO\tO\tO", "\tO\tO"), 1, "8 columns separated by tabs; expected 9"),
        (TWO[:-20], 3, "columns separated by tabs; expected 9"),
        (TWO.replace("Peop\t2", "Pope\t2"), 3, "'Pope'; expected O, Loc, Org, Other, Peop"),
        (TWO.replace("\t1\t", "\t2\t"), 2, "the row number is 2; expected 1"),
        (TWO.replace("\t1\t", "\tx\t"), 2, "the row number is 'x'"),
        (TWO.replace("7\tO\t1", "8\tO\t1"), 2, "the sentence id is '8'; expected 7"),
        (TWO.replace("7\tPeop\t0", "\tPeop\t0"), 1, "the sentence id is ''"),
        (rows("Loc:Novi//Brod"), 1, "expected words joined by /"),
        (rows("Loc:"), 1, "expected words joined by /"),
        (rows("either/or"), 1, "'either/or' has several words but no entity type"),
        (TWO + "\n0\t1\tKill\n", 5, "the relation Kill points to row 1, which has no entity"),
        (TWO + "\n0\t3\tKill\n", 5, "points to row 3, which does not exist among 3 rows"),
        (TWO + "\n2\t2\tKill\n", 5, "links row 2 to itself"),
        (TWO + "\n0\t2\tKiss\n", 5, "the relation is 'Kiss'; expected Kill, Live_In, Located_In"),
        (TWO + "\n0\t2\n", 5, "2 columns separated by tabs; expected 3"),
        (TWO + "\n0\t2\tKi", 5, "the relation is 'Ki'"),
        (TWO + "\n-1\t2\tKill\n", 5, "the row of a relation's argument is '-1'"),
        (TWO + "\n" + rows("a", name="8"), 5, "9 columns separated by tabs; expected 3"),
        (TWO + "\n\n\n" + rows("a", name="8"), 6, "a blank line too many"),
        ("\n" + TWO, 1, "a blank line too many"),
        (TWO + "\n\n" + TWO, 6, "sentence 7 is already in line 1"),
    ],
)
def test_malformed_lines_are_refused(put, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason
