import re
from collections import Counter

import pytest

from joint_ner_re.corpora.annotations import ConceptLink, Document, Link, Mention
from joint_ner_re.corpora.documents import (
    log_changes,
    parse_sentence_id,
    sentence_id,
    sentences_of,
)
from joint_ner_re.corpora.errors import CorpusFormatError
from joint_ner_re.sentence import Entity, Relation, Sentence


class Words:
    """A tokenizer with rules that a reader of these tests can apply: words and full stops."""

    def split(self, texts):
        for text in texts:
            sentences = [[]]
            for match in re.finditer(r"[^\s.]+|\.", text):
                sentences[-1].append(match.span())
                if match.group() == ".":
                    sentences.append([])
            yield [sentence for sentence in sentences if sentence]


def sentences(text, mentions=(), links=(), unit="sentence", on_error=None):
    changes = Counter()
    document = Document("a.ann", 7, "a", text, mentions, links)
    found = list(sentences_of([document], Words(), unit, changes, on_error))
    return found, changes


def mention(text, words, type="X", line=1, score=None):
    begin = text.index(words)
    return Mention(line, type, begin, begin + len(words), score)


def test_a_document_becomes_its_sentences_and_their_texts_are_the_document():
    text = "  Ada left.\n\nIt rained.  "
    found, changes = sentences(text, [mention(text, "Ada", line=3), mention(text, "rained")])
    assert found == [
        Sentence(
            ["Ada", "left", "."], [Entity("X", 0, 1)], (), "a:0-13", "  Ada left.\n\n",
            [(2, 5), (6, 10), (10, 11)],
        ),
        Sentence(
            ["It", "rained", "."], [Entity("X", 1, 2)], (), "a:13-25", "It rained.  ",
            [(0, 2), (3, 9), (9, 10)],
        ),
    ]  # fmt: skip
    assert [sentence.source for sentence in found] == ["a.ann:3", "a.ann:1"]
    assert "".join(sentence.text for sentence in found) == text
    assert not changes


def test_a_whole_document_is_one_sentence_with_the_documents_id():
    text = "Ada left. It rained."
    mentions = [mention(text, "Ada"), mention(text, "rained")]
    ((found,), changes) = sentences(text, mentions, [Link(1, "R", 0, 1)], unit="document")
    assert (found.id, found.text, len(found.tokens)) == ("a", text, 6)
    assert found.relations == (Relation("R", 0, 1),)
    assert not changes


def test_relations_stay_inside_sentences_and_scores_stay():
    text = "Ada saw Bob. Bob slept."
    mentions = [mention(text, "Ada", score=0.5), mention(text, "Bob"), mention(text, "slept")]
    links = [Link(1, "R", 1, 0, 0.25), Link(2, "S", 0, 2)]
    found, changes = sentences(text, mentions, links)
    assert found[0].entities == (Entity("X", 0, 1, 0.5), Entity("X", 2, 3))
    assert found[0].relations == (Relation("R", 1, 0, 0.25),)
    assert found[1].relations == ()
    assert changes == {"relations from one sentence to another, left out": 1}


def test_a_mention_over_the_end_of_a_sentence_joins_the_two():
    text = "It rained. Dr. Ada left. It rained again."
    found, changes = sentences(text, [mention(text, "Dr. Ada")])
    assert [s.text for s in found] == ["It rained. ", "Dr. Ada left. ", "It rained again."]
    assert found[1].entities == (Entity("X", 0, 3),)
    assert changes == {"sentence ends inside a mention, where the sentences were joined": 1}


def test_one_mention_may_join_many_sentences():
    text = "A. B. C. D."
    ((found,), changes) = sentences(text, [mention(text, "A. B. C. D")])
    assert found.entities == (Entity("X", 0, 7),)
    assert list(changes.values()) == [3]


def test_a_mention_is_widened_to_whole_tokens_and_loses_white_space():
    text = "antihistamines helped. "
    found, changes = sentences(text, [mention(text, "histamine"), mention(text, " helped")])
    assert found[0].entities == (Entity("X", 0, 1), Entity("X", 1, 2))
    assert changes == {
        "mentions that are not whole tokens, widened to whole tokens": 1,
        "mentions with white space at an edge, which was left out": 1,
    }


def test_what_became_the_same_is_kept_once():
    text = "antihistamines helped."
    mentions = [mention(text, "anti"), mention(text, "histamines"), mention(text, "helped")]
    links = [Link(1, "R", 0, 2), Link(1, "R", 1, 2), Link(1, "R", 0, 1), Link(1, "S", 0, 2)]
    ((found,), changes) = sentences(text, mentions, links)
    assert found.entities == (Entity("X", 0, 1), Entity("X", 1, 2))
    assert found.relations == (Relation("R", 0, 1), Relation("S", 0, 1))
    assert changes == {
        "mentions that are not whole tokens, widened to whole tokens": 2,
        "mentions with the type and the tokens of another one, kept once": 1,
        "relations given more than once, kept once": 1,
        "relations between two mentions that became one, left out": 1,
    }


@pytest.mark.parametrize(
    "begin, end, reason",
    [
        (3, 3, "has the offsets 3 to 3; expected 0 <= begin < end <= 9"),
        (5, 10, "has the offsets 5 to 10"),
        (-1, 2, "has the offsets -1 to 2"),
        (3, 4, "the mention ' ' at 3 to 4 contains no word; remove it or widen it"),
    ],
)
def test_an_impossible_mention_is_an_error_and_can_be_passed_over(begin, end, reason):
    text = "Ada left."
    mentions = [Mention(4, "X", begin, end), mention(text, "left")]
    with pytest.raises(CorpusFormatError) as caught:
        sentences(text, mentions)
    assert (caught.value.path, caught.value.line) == ("a.ann", 4)
    assert reason in caught.value.reason
    errors = []
    ((found,), _) = sentences(text, mentions, [Link(1, "R", 0, 1)], on_error=errors.append)
    assert (found.entities, found.relations) == ((Entity("X", 1, 2),), ())
    assert [error.line for error in errors] == [4]


def test_a_relation_of_a_mention_with_itself_is_an_error():
    text = "Ada left."
    mentions = [mention(text, "Ada"), mention(text, "left")]
    links = [Link(5, "R", 0, 0), Link(6, "R", 0, 1)]
    with pytest.raises(
        CorpusFormatError, match="a.ann:5: a relation 'R' links a mention to itself"
    ):
        sentences(text, mentions, links)
    errors = []
    ((found,), _) = sentences(text, mentions, links, on_error=errors.append)
    assert found.relations == (Relation("R", 0, 1),)
    assert len(errors) == 1


def test_a_document_without_a_word_is_counted(caplog):
    found, changes = sentences(" \n")
    assert found == []
    log_changes("a.ann", changes)
    assert caplog.messages == ["a.ann: documents without a word, left out: 1"]


def test_relations_of_a_document_without_a_word_are_counted():
    changes = Counter()
    document = Document("a", 1, "a", "", (), (), [ConceptLink(2, "R", "C1", "C2")])
    assert list(sentences_of([document], Words(), "sentence", changes)) == []
    assert changes == {
        "documents without a word, left out": 1,
        "relations of documents without a word, left out": 1,
    }


def test_a_tokenizer_that_forgets_a_text_is_refused():
    class Forgetful:
        def split(self, texts):
            return []

    documents = [Document("a", 1, "a", "Ada", (), ())]
    with pytest.raises(ValueError, match="the tokenizer gave 0 lists for 1 texts"):
        list(sentences_of(documents, Forgetful(), "sentence", Counter()))


def test_ids_of_parts_lead_back():
    text = "abc"
    whole = Sentence(["abc"], text=text, offsets=[(0, 3)], id=sentence_id("x:1-2", 120, 123))
    assert whole.id == "x:1-2:120-123"
    assert parse_sentence_id(whole) == ("x:1-2", 120)
    # Something else that looks like one.
    other = Sentence(["abc"], text=text, offsets=[(0, 3)], id="x:1-2")
    assert parse_sentence_id(other) == ("x:1-2", 0)
    assert parse_sentence_id(Sentence(["abc"], id="x:0-3")) == ("x:0-3", 0)
