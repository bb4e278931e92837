from __future__ import annotations

import logging

import pytest

from joint_ner_re.corpora.ade_rel import read
from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.sentence import Entity, Relation

AE, DRUG = "Adverse-Effect", "Drug"


class Whitespace:
    """Tokens between single spaces, so that tests can count them by hand."""

    def tokenize(self, texts):
        for text in texts:
            spans, begin = [], 0
            for word in text.split(" "):
                if word:
                    spans.append((begin, begin + len(word)))
                begin += len(word) + 1
            yield spans


def surfaces(sentence):
    return [
        (sentence.surface(sentence.entities[r.head]), sentence.surface(sentence.entities[r.tail]))
        for r in sentence.relations
    ]


def test_fixture(corpora):
    sentences = list(read(corpora / "ade.rel"))
    assert [s.id for s in sentences] == [str(i) for i in range(11)]
    assert sum(len(s.relations) for s in sentences) == 19
    first = sentences[0]
    assert first.text == "Amoxicillin-induced urticaria and fever."
    assert first.tokens == ("Amoxicillin", "-", "induced", "urticaria", "and", "fever", ".")
    assert first.entities == (Entity(AE, 3, 4), Entity(DRUG, 0, 1), Entity(AE, 5, 6))
    assert first.relations == (Relation(AE, 0, 1), Relation(AE, 2, 1))
    assert first.source == f"{corpora / 'ade.rel'}:1"
    assert sentences[1].source == f"{corpora / 'ade.rel'}:3"


def test_a_repeated_mention_is_placed_by_its_offsets_not_by_its_text(corpora):
    rash = list(read(corpora / "ade.rel"))[1]
    assert surfaces(rash) == [("rash", "naproxen"), ("bullous rash", "naproxen")]
    # "The rash faded, but a second rash followed naproxen and was called a bullous rash."
    assert [rash.character_span(e) for e in rash.entities] == [(29, 33), (43, 51), (69, 81)]


def test_overlapping_entities_are_kept(corpora):
    lithium = list(read(corpora / "ade.rel"))[2]
    assert lithium.entities == (Entity(AE, 0, 2), Entity(DRUG, 0, 1))


def test_lines_of_one_sentence_need_not_stand_together(put):
    a = "1|Rash after A.|Rash|3|7|A|14|15\n"
    b = "2|Rash after A.|Rash|3|7|A|14|15\n"
    c = "1|Rash after A.|Rash after|3|13|A|14|15\n"
    first, second = read(put(a + b + c), tokenizer=Whitespace())
    assert (first.id, second.id) == ("0", "1")
    assert surfaces(first) == [("Rash", "A."), ("Rash after", "A.")]


def test_dose_types(put):
    path = put("1|Take 5 mg of A daily.|5 mg|105|109|A|113|114\n")
    [sentence] = read(path, types=("Dose", "Drug"))
    assert [(e.type, sentence.surface(e)) for e in sentence.entities] == [
        ("Dose", "5 mg"),
        ("Drug", "A"),
    ]
    assert sentence.relations == (Relation("Dose", 0, 1),)


@pytest.mark.parametrize("types", [("Drug",), ("Drug", "Drug"), ("", "Drug"), "ab", None, (1, 2)])
def test_impossible_types(corpora, types):
    with pytest.raises(ValueError, match="expected two different names"):
        read(corpora / "ade.rel", types=types)


def test_white_space_at_an_edge_is_left_out_and_counted(put, caplog):
    path = put(
        "1|Rash after A again|Rash |10|15|A|21|22\n1|Rash after A again|Rash|10|14|A|21|22\n"
    )
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert surfaces(sentence) == [("Rash", "A")]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: mentions with white space at an edge, which was left out: 1",
        f"{path}: relations given more than once, kept once: 1",
    ]


def test_parts_of_tokens_are_widened_and_counted_once_per_file(put, caplog):
    line = "{}|A-induced rash.|rash|20|24|A|10|11\n"
    path = put(line.format(1) + line.format(2))
    with caplog.at_level(logging.WARNING):
        first, _ = read(path, tokenizer=Whitespace())
    assert surfaces(first) == [("rash.", "A-induced")]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: mentions that are not whole tokens, widened to whole tokens: 4"
    ]
    caplog.clear()
    assert surfaces(next(read(path))) == [("rash", "A")]
    assert not caplog.records


def test_of_several_places_the_first_is_taken_and_counted(put, caplog):
    # "A rash" stands twice, at 0 and at 11, and the offsets only say how far A and rash are apart.
    path = put("1|A rash and A rash|rash|52|56|A|50|51\n")
    with caplog.at_level(logging.WARNING):
        [sentence] = read(path)
    assert [sentence.character_span(e) for e in sentence.entities] == [(2, 6), (0, 1)]
    assert "offsets fit at several places, the first was taken: 1" in caplog.text


@pytest.mark.parametrize(
    "content, line, reason",
    [
        ("1|Rash after A.|Rash|3|7|A|14\n", 1, "7 columns separated by '|'; expected 8"),
        ("1|Rash | after A.|Rash|3|7|A|14|15\n", 1, "9 columns separated by '|'; expected 8"),
        ("x|Rash after A.|Rash|3|7|A|14|15\n", 1, "the PubMed id is 'x'"),
        ("1||Rash|3|7|A|14|15\n", 1, "the sentence is empty"),
        ("1|Rash after A.|Rash|x|7|A|14|15\n", 1, "the begin of 'Rash' is 'x'"),
        ("1|Rash after A.|Rash|3|7|A|14|-15\n", 1, "the end of 'A' is '-15'"),
        ("1|Rash after A.|Rash|3|" + "7" * 5000 + "|A|14|15\n", 1, "a number of up to 9 digits"),
        ("1|Rash after A.||3|3|A|14|15\n", 1, "a mention is empty"),
        (
            "1|Rash after A.|Rash|3|8|A|14|15\n",
            1,
            "'Rash' has 4 characters, but its offsets 3 to 8",
        ),
        ("1|Rash after A.|Rash|7|3|A|14|15\n", 1, "its offsets 7 to 3 span -4"),
        ("1|Rash after A.|Itch|3|7|A|14|15\n", 1, "'Itch' is not in the sentence 'Rash after A.'"),
        # The drug is at 11 of the sentence, not at 10.
        (
            "1|Rash after A.|Rash|3|7|A|14|15\n1|Rash after A.|after|8|13|A|13|14\n",
            2,
            "the mention 'A' has the offsets 13 to 14 in the document. By the other mentions' "
            "offsets, that is 10 to 11 in the sentence, but the sentence has ' ' there",
        ),
        (
            "1|Rash after A.|Rash|3|7|A|99|100\n",
            1,
            "that is 96 to 97 in the sentence, but that is outside the sentence's 13 characters",
        ),
        (
            "1|Rash after A.|Rash|3|7|A|14|15\n\n1|B|B|1|2|B|1|2\n",
            2,
            "a blank line inside the file",
        ),
        ("1|Rash after A.|Rash|3|7|A|14|15\n2|Rash after A.|Ra", 2, "3 columns"),
    ],
)
def test_malformed_lines_are_refused(put, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read(path))
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


def test_a_mention_that_gets_no_token_is_refused(put):
    class NoTokens:
        def tokenize(self, texts):
            return [[] for _ in texts]

    with pytest.raises(CorpusFormatError, match=":1: the tokenizer gives no token .*'Rash'"):
        list(read(put("1|Rash after A.|Rash|3|7|A|14|15\n"), tokenizer=NoTokens()))
