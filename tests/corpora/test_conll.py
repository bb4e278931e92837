import logging

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus
from joint_ner_re.sentence import Entity

# Two entities of a type next to each other, one of three tokens, one alone.
TOKENS = ["Ada", "Kesh", "in", "Novi", "Brod", "Bay", ",", "Tarn"]
ENTITIES = (Entity("P", 0, 1), Entity("P", 1, 2), Entity("L", 3, 6), Entity("P", 7, 8))
SCHEMES = {
    "IOB1": "I-P B-P O I-L I-L I-L O I-P",
    "IOB2": "B-P B-P O B-L I-L I-L O B-P",
    "BIOES": "S-P S-P O B-L I-L E-L O S-P",
    "BILOU": "U-P U-P O B-L I-L L-L O U-P",
    "BMEWO": "W-P W-P O B-L M-L E-L O W-P",
}


def columns(tags, separator="\t", middle=()):
    return "".join(
        separator.join([token, *middle, tag]) + "\n" for token, tag in zip(TOKENS, tags.split())
    )


@pytest.mark.parametrize("separator", ["\t", " ", "   "])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_the_same_entities(put, caplog, scheme, separator):
    path = put(columns(SCHEMES[scheme], separator, ["NN", "x"]))
    assert detect_format(path) == "conll"
    with caplog.at_level(logging.INFO):
        (sentence,) = read_corpus(path)
    assert sentence.tokens == tuple(TOKENS) and sentence.entities == ENTITIES
    name = scheme if scheme.startswith("IOB") else "BIOES"
    assert caplog.messages == [f"{path}: the tags follow {name}"]


@pytest.mark.parametrize(
    "tags, entities, message",
    [
        # Mostly IOB2, with an I that continues nothing.
        ("B-P O B-L I-L O I-P B-P O", [("P", 0, 1), ("L", 2, 4), ("P", 5, 6), ("P", 6, 7)],
         "tags that do not fit IOB2, read as conlleval does: 1"),
        # Mostly IOB1, with a B after no entity of its type.
        ("I-P O I-L I-L O B-P O O", [("P", 0, 1), ("L", 2, 4), ("P", 5, 6)],
         "tags that do not fit IOB1, read as conlleval does: 1"),
        # BIOES with an entity that does not end, and one that does not begin.
        ("S-P B-P O E-L O B-L E-L O", [("P", 0, 1), ("P", 1, 2), ("L", 3, 4), ("L", 5, 7)],
         "tags that do not fit BIOES, read as conlleval does: 2"),
        # The type changes.
        ("B-P I-L O O O O O O", [("P", 0, 1), ("L", 1, 2)],
         "tags that do not fit IOB2, read as conlleval does: 1"),
    ],
)  # fmt: skip
def test_tags_that_do_not_fit_are_counted(put, caplog, tags, entities, message):
    (sentence,) = read_corpus(put(columns(tags)))
    assert [entity.key for entity in sentence.entities] == entities
    assert message in caplog.text


def test_tags_without_a_type_have_one(put):
    (sentence,) = read_corpus(put(columns("B I O O B O O O")))
    assert sentence.entities == (Entity("Entity", 0, 2), Entity("Entity", 4, 5))


def test_documents_comments_and_blank_lines(put, caplog):
    path = put(
        "-DOCSTART- -X- O\n\na NN O\n\n\n-DOCSTART- (news-7)\n# sent_id = 5 x\nb NN B-X\n  \n"
        "c NN O\n-DOCSTART- (8)\n# O O\nd NN O\n\n"
    )
    sentences = list(read_corpus(path))
    assert [(s.id, s.tokens) for s in sentences] == [
        ("0", ("a",)), ("news-7:0", ("b",)), ("news-7:1", ("c",)), ("8:0", ("#", "d")),
    ]  # fmt: skip
    assert [s.source.rpartition(":")[2] for s in sentences] == ["3", "8", "10", "12"]
    assert "comments before sentences, not read: 1" in caplog.text


def test_a_token_may_be_another_kind_of_blank(put):
    (sentence,) = read_corpus(put("a\tO\n\u00a0\tO\nNew York\tB-X\n"))
    assert sentence.tokens == ("a", "\u00a0", "New York")
    (sentence,) = read_corpus(put("a O\n\u00a0 O\n"))
    assert sentence.tokens == ("a", "\u00a0")


@pytest.mark.parametrize(
    "content, line, reason",
    [
        ("a O\nb NN O\n", 2, "3 columns; expected 2, as in the lines before"),
        ("a\tO\nb\tPerson\n", 2, "the last column is 'Person'; expected a tag"),
        ("a\tO\nb\tX-Person\n", 2, "the last column is 'X-Person'"),
        ("O\n", 1, "1 columns; expected a token and a tag"),
        ("a\tO\n\tO\n", 2, "the token is empty"),
        ("a\tO\n O\n", 2, "the token is empty"),
    ],
)
def test_errors_name_the_line(put, content, line, reason):
    with pytest.raises(CorpusFormatError) as caught:
        list(read_corpus(put(content), "conll"))
    assert caught.value.line == line and reason in caught.value.reason


def test_conll04_is_told_from_columns_of_entities(corpora):
    with pytest.raises(CorpusFormatError, match="nine columns, as conll04.corp has them"):
        list(read_corpus(corpora / "conll04.corp", "conll"))


def test_the_fixture_has_the_entities_of_spert(corpora):
    expected = list(read_corpus(corpora / "conll04_spert.json"))
    found = list(read_corpus(corpora / "conll.tsv"))
    assert [(s.tokens, s.entities) for s in found] == [(s.tokens, s.entities) for s in expected]


@pytest.mark.parametrize(
    "name, scheme, sentences, entities",
    [("sciie_dev.txt", "IOB1", 275, 808), ("bc5cdr_dev.txt", "IOB1", 3949, 9455)],
)
def test_the_real_files_have_their_published_counts(
    data, caplog, name, scheme, sentences, entities
):
    path = data / "formats" / "conll_columns" / name
    with caplog.at_level(logging.INFO):
        found = list(read_corpus(path))
    assert len(found) == sentences
    assert sum(len(sentence.entities) for sentence in found) == entities
    assert caplog.messages[0] == f"{path}: the tags follow {scheme}"
    # In BC5CDR's file, entities of one token begin with I and longer ones with B.
    assert ("do not fit" in caplog.text) == (name == "bc5cdr_dev.txt")
