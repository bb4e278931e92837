import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re.gazetteer import Entry, Example, Gazetteer, make_entries
from joint_ner_re.sentence import Entity

DRUG, EFFECT = "Drug", "Effect"
FIRST = "Lithium caused fine tremor ."
SECOND = "Fine tremor followed lithium ."
PLAIN = "A fine tremor ."
TRAINING = [
    (FIRST, [Entity(DRUG, 0, 1), Entity(EFFECT, 2, 4)]),
    (SECOND, [Entity(EFFECT, 0, 2), Entity(DRUG, 3, 4)]),
    (PLAIN, []),
]


def entries(sentences):
    return make_entries(Example(text.split(), entities) for text, entities in sentences)


def gazetteer(sentences):
    return Gazetteer(entry.to_label() for entry in entries(sentences))


def numbers(sentences, text):
    return gazetteer(sentences).numbers(text.split())


def test_entries_are_what_is_annotated_in_lower_case():
    found = entries(TRAINING)
    assert [entry.words for entry in found] == ["fine tremor", "lithium"]
    assert [{name: len(keys) for name, keys in e.annotated.items()} for e in found] == [
        {EFFECT: 2},
        {DRUG: 2},
    ]
    assert [len(entry.plain) for entry in found] == [1, 0]


def test_a_sentence_that_comes_twice_counts_once():
    assert entries(TRAINING * 3) == entries(TRAINING)


def test_long_entities_get_no_entry():
    text = " ".join("abcdefghijklm")
    found = entries([(text, [Entity(DRUG, 0, 13), Entity(DRUG, 1, 13)])])
    assert [entry.words for entry in found] == [text[2:]]


# Numbers by hand: 2 + 4 * (9 * type + 3 * count + share) + place. Drug is type 0, Effect type 1.
# The classes of counts are 1, 2 to 3, and more; those of shares under 0.4, under 0.8, and more.
@pytest.mark.parametrize(
    "text, expected",
    [
        # "fine tremor": two sentences of three annotate it; "lithium": two of two.
        ("No fine tremor under LITHIUM", [1, 54, 56, 1, 25]),
        # What a sentence of the training data annotates itself does not count for it: one of two
        # others annotates "fine tremor", and one of one "lithium".
        (FIRST, [13, 1, 42, 44, 1]),
        # Neither does that it does not annotate the words: two of two others do.
        (PLAIN, [1, 58, 60, 1]),
        ("Nothing here", [1, 1]),
        ("", []),
    ],
)
def test_numbers_say_what_other_sentences_annotate(text, expected):
    assert numbers(TRAINING, text) == expected


def test_there_are_as_many_numbers_as_the_size_says():
    assert gazetteer(TRAINING).size == 2 + 2 * 3 * 3 * 4


def test_words_that_only_the_sentence_itself_annotates_are_nothing():
    training = [("lithium toxicity", [Entity(EFFECT, 0, 2)]), ("lithium", [Entity(DRUG, 0, 1)])]
    # The longer entry does not count here, so the shorter one does: one sentence of one.
    assert numbers(training, "lithium toxicity") == [2 + 4 * 2 + 3, 1]
    # In another sentence it is the longer one: type 1, one sentence of one.
    first = 2 + 4 * (9 + 2)
    assert numbers(training, "any lithium toxicity") == [1, first, first + 2]


def test_what_the_same_document_annotates_does_not_count():
    training = [
        Example(["x", "1"], [Entity(DRUG, 0, 1)], "report"),
        Example(["x", "2"], [Entity(DRUG, 0, 1)], "report"),
        Example(["x", "3"], [], "letter"),
        Example(["x", "4"], [Entity(DRUG, 0, 1)], "letter"),
    ]
    known = Gazetteer(entry.to_label() for entry in make_entries(training))
    # In "report", one of two sentences of "letter" counts; in "letter", two of two of "report".
    assert known.numbers(["x", "1"]) == [2 + 4 * 1 + 3, 1]
    assert known.numbers(["x", "3"]) == [2 + 4 * (3 + 2) + 3, 1]
    # In a new text all count: three of four.
    assert known.numbers(["x", "5"]) == [2 + 4 * (3 + 1) + 3, 1]


def test_a_sentence_of_two_documents_leaves_both_out():
    training = [
        Example(["x", "1"], [Entity(DRUG, 0, 1)], "report"),
        Example(["x", "1"], [], "letter"),
        Example(["x", "2"], [Entity(DRUG, 0, 1)], "letter"),
        Example(["x", "3"], [Entity(DRUG, 0, 1)], "note"),
        Example(["x", "4"], [], "note"),
    ]
    known = Gazetteer(entry.to_label() for entry in make_entries(training))
    # One sentence of two, both of "note".
    assert known.numbers(["x", "1"]) == [2 + 4 * 1 + 3, 1]


@st.composite
def corpora(draw):
    """Some sentences of a few words, with entities of one type, from documents or not."""
    sentences = {}
    texts = st.lists(st.sampled_from("aAbc"), min_size=1, max_size=6)
    for words in draw(st.lists(texts, min_size=1, max_size=8)):
        begin = draw(st.integers(0, len(words) - 1))
        end = draw(st.integers(begin, len(words)))
        entities = [Entity(DRUG, begin, end)] if end > begin else []
        # Sentences that differ only in case have one key.
        document = draw(st.sampled_from(["", "report", "letter"]))
        sentences[" ".join(words).lower()] = Example(words, entities, document)
    return list(sentences.values())


@settings(max_examples=300, deadline=None)
@given(corpora(), st.data())
def test_a_sentence_of_the_training_data_gets_what_it_would_get_in_a_new_document(corpus, data):
    one = data.draw(st.sampled_from(corpus))
    others = [
        other
        for other in corpus
        if other is not one and not (one.document and other.document == one.document)
    ]
    with_all, without = (
        Gazetteer(entry.to_label() for entry in make_entries(some)) for some in (corpus, others)
    )
    assert with_all.numbers(one.tokens) == without.numbers(one.tokens)


def test_the_longest_entry_from_the_left_is_marked():
    training = [
        ("a b", [Entity(DRUG, 0, 2)]),
        ("b c d", [Entity(EFFECT, 0, 3)]),
        ("c", [Entity(DRUG, 0, 1)]),
    ]
    found = numbers(training, "a b c d b c d")
    drug, effect = 2 + 4 * 2, 2 + 4 * (9 + 2)
    # "c" has one annotation in the two sentences with it: its share is of the second class.
    assert found == [drug, drug + 2, 2 + 4 + 3, 1, effect, effect + 1, effect + 2]


@pytest.mark.parametrize(
    "annotated, plain, kind",
    [
        (1, 0, 2), (2, 0, 5), (3, 0, 5), (4, 0, 8), (1, 1, 1), (1, 2, 0), (2, 3, 4), (4, 1, 8),
        (9, 3, 7),
    ],
)  # fmt: skip
def test_classes_of_counts_and_shares(annotated, plain, kind):
    training = [
        (f"x {number}", [Entity(DRUG, 0, 1)] if number < annotated else [])
        for number in range(annotated + plain)
    ]
    assert numbers(training, "x") == [2 + 4 * kind + 3]


def test_of_several_types_the_most_frequent_counts():
    training = [
        ("1 x", [Entity(EFFECT, 1, 2)]),
        ("2 x", [Entity(EFFECT, 1, 2)]),
        ("3 x", [Entity(DRUG, 1, 2)]),
    ]
    # Type 1, two sentences of three.
    assert numbers(training, "x") == [2 + 4 * (9 + 3 + 1) + 3]
    # For the first sentence both types have one of two, so the first name counts.
    assert numbers(training, "1 x") == [1, 2 + 4 * 1 + 3]


def test_an_entry_survives_its_label():
    odd = [('a "b"\n', [Entity("T\u2028ype", 0, 1)]), ("e\u0301 \ud800", [Entity("é", 0, 1)])]
    for entry in [*entries(TRAINING), *make_entries(Example([text], some) for text, some in odd)]:
        label = entry.to_label()
        assert Entry.from_label(label) == entry
        assert "\n" not in label and label.isascii()


@pytest.mark.parametrize(
    "label",
    ["x", "3", "[]", '["x", {}, ""]', '["", {"T": "1"}, ""]', '[3, {"T": "1"}, ""]',
     '["x", {"T": ""}, ""]', '["x", {"T": 3}, ""]', '["x", ["T"], ""]', '["x", {"T": "1"}]',
     "[" * 99_999],
)  # fmt: skip
def test_a_label_that_is_no_entry_is_named(label):
    with pytest.raises(ValueError, match="the gazetteer has the entry .*; expected a JSON list"):
        Gazetteer([label])
