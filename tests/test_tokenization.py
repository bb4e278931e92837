import time

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

from joint_ner_re.tokenization import TextTokenizer

TOKENIZERS = {name: TextTokenizer(granularity=name) for name in ("standard", "fine")}
each_granularity = pytest.mark.parametrize("granularity", ["standard", "fine"])

# Any text, and texts that are more often words, numbers, punctuation and odd spaces.
texts = st.text(max_size=30) | st.text(
    alphabet="aBé5½٣.,-/()'\"+=_:8 \t\r\n\x00\x1c\x85\xa0\u0301\u200b\u200d\u2028\u3000שع👩",
    max_size=30,
)


def words(text, granularity="standard"):
    """The tokens of one text, as the offsets give them."""
    (spans,) = TOKENIZERS[granularity].tokenize([text])
    return [text[begin:end] for begin, end in spans]


@each_granularity
@settings(deadline=None, max_examples=300)
@given(text=texts)
def test_offsets_cover_exactly_what_is_not_white_space(granularity, text):
    (spans,) = TOKENIZERS[granularity].tokenize([text])
    previous = 0
    covered = set()
    for begin, end in spans:
        assert previous <= begin < end <= len(text)
        assert not text[begin:end].isspace()
        covered.update(range(begin, end))
        previous = end
    assert covered >= {i for i, character in enumerate(text) if not character.isspace()}
    (sentences,) = TOKENIZERS[granularity].split([text])
    assert [span for sentence in sentences for span in sentence] == spans
    assert all(sentences)


@settings(deadline=None, max_examples=200)
@given(texts)
def test_standard_is_what_spacy_does(text):
    expected = [token.text for token in ENGLISH(text) if not token.is_space]
    assert words(text) == expected


ENGLISH = spacy.blank("en")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("azithromycin-induced", "azithromycin - induced"),
        ("IL-2", "IL - 2"),
        ("5-FU", "5 - FU"),
        ("mg/kg", "mg / kg"),
        ("1/2", "1 / 2"),
        ("p<0.05", "p < 0.05"),
        ("0.5", "0.5"),
        ("1,000.5", "1,000.5"),
        ("0.5.", "0.5 ."),
        ("10-20", "10 - 20"),
        ("3.a", "3 . a"),
        ("alpha.beta", "alpha . beta"),
        ("alpha,5", "alpha , 5"),
        ("5,alpha", "5 , alpha"),
        ("A_B", "A _ B"),
        ("α-β", "α - β"),
        ("methotrexate/5-FU-related", "methotrexate / 5 - FU - related"),
        ("e\u0301-x", "e\u0301 - x"),
        ("don't", "do n't"),
        ("(IL-8)", "( IL - 8 )"),
        ("8)", "8 )"),
        ("-induced", "- induced"),
        ("-0.37", "- 0.37"),
        ("U.S.-led", "U.S. - led"),
        ("given i.v. at", "given i.v. at"),
        ("hepatitis B.", "hepatitis B ."),
    ],
)
def test_fine_splits_at_punctuation_but_not_in_numbers(text, expected):
    assert words(text, "fine") == expected.split()


def test_fine_keeps_a_languages_rules_that_split_without_punctuation():
    @spacy.registry.languages("toy")
    class Toy(Language):
        lang = "toy"

        class Defaults(Language.Defaults):
            infixes = [r"(?<=[a-w])x(?=[a-w])", r"-"]

    (spans,) = TextTokenizer("toy", "fine").tokenize(["axb-c"])
    assert spans == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]


@pytest.mark.parametrize("text", ["IL-2", "1/2", "p<0.05", "A_B", "0.5", "1,000.5"])
def test_standard_keeps_what_spacy_keeps(text):
    assert words(text) == [text]


@each_granularity
def test_both_split_between_letters_and_before_final_punctuation(granularity):
    assert words("Azithromycin-induced ototoxicity (rare).", granularity) == [
        "Azithromycin", "-", "induced", "ototoxicity", "(", "rare", ")", ".",
    ]  # fmt: skip


# Texts from elsewhere


@each_granularity
@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\xa0\u3000\u2028\x85"])
def test_a_text_without_a_word_has_no_token_and_no_sentence(granularity, text):
    assert list(TOKENIZERS[granularity].tokenize([text])) == [[]]
    assert list(TOKENIZERS[granularity].split([text])) == [[]]


@each_granularity
@pytest.mark.parametrize(
    "text, expected",
    [
        ("one\r\ntwo\r\n", [(0, 3), (5, 8)]),
        ("a\xa0b", [(0, 1), (2, 3)]),
        ("שלום עולם", [(0, 4), (5, 9)]),
        ("cafe\u0301 au lait", [(0, 5), (6, 8), (9, 13)]),
        ("\x00", [(0, 1)]),
        ("x" * 20_000, [(0, 20_000)]),
        ("  two  spaces ", [(2, 5), (7, 13)]),
    ],
    ids=["CRLF", "no-break space", "right to left", "combining", "NUL", "long", "spaces"],
)
def test_offsets_by_hand(granularity, text, expected):
    assert list(TOKENIZERS[granularity].tokenize([text])) == [expected]


@each_granularity
def test_what_follows_an_emoji_sequence_keeps_its_place(granularity):
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    (spans,) = TOKENIZERS[granularity].tokenize([f"{family} ok"])
    assert spans[-1] == (6, 8)
    assert {i for begin, end in spans[:-1] for i in range(begin, end)} == set(range(5))


@each_granularity
def test_five_thousand_tokens(granularity):
    (spans,) = TOKENIZERS[granularity].tokenize(["ab " * 5_000])
    assert spans == [(3 * i, 3 * i + 2) for i in range(5_000)]


@each_granularity
def test_texts_keep_their_order(granularity):
    tokenizer = TOKENIZERS[granularity]
    assert list(tokenizer.tokenize(["a b", "", "c"])) == [[(0, 1), (2, 3)], [], [(0, 1)]]
    assert list(tokenizer.split(["a b", "", "c"])) == [[[(0, 1), (2, 3)]], [], [[(0, 1)]]]
    assert list(tokenizer.tokenize([])) == []


# Words that are too long


@each_granularity
@settings(deadline=None, max_examples=100)
@given(
    parts=st.lists(
        st.sampled_from(["-", "(", "ab", "'s", "1.", "e\u0301", "\u200b", "\U0001f469"]).flatmap(
            lambda unit: st.sampled_from([unit, unit * 299, unit * 400])
        )
        | st.sampled_from([" ", "  ", "\n", "\x1c", "\xa0", "It rained."]),
        max_size=6,
    )
)
def test_a_long_word_keeps_its_offsets_and_its_neighbours(granularity, parts):
    text = "".join(parts)
    (spans,) = TOKENIZERS[granularity].tokenize([text])
    assert all(begin < end for begin, end in spans)
    assert "".join(text[a:b] for a, b in spans) == "".join(text.split())
    (sentences,) = TOKENIZERS[granularity].split([text])
    assert [span for sentence in sentences for span in sentence] == spans


@each_granularity
def test_the_rest_of_a_text_with_a_long_word_is_split_as_ever(granularity):
    ruler = "-" * 5_000
    found = words(f"Don't stop. {ruler} Dr. Lee  (left){ruler}x", granularity)
    assert found[: found.index(ruler)] == words("Don't stop. ", granularity)
    assert found[found.index(ruler) + 1 :] == [
        *words("Dr. Lee", granularity), "(", "left", ")", ruler, "x",
    ]  # fmt: skip


@each_granularity
@pytest.mark.parametrize("unit", ["-", "(", "'s", "@", "\u200b", "[", "(a'"])
def test_the_time_for_a_word_grows_no_faster_than_its_length(granularity, unit):
    # With spaCy's own rules 20,000 take a minute or more.
    begin = time.process_time()
    (spans,) = TOKENIZERS[granularity].tokenize([unit * 20_000])
    assert time.process_time() - begin < 5
    assert spans[-1][1] == 20_000 * len(unit)


# Sentences


@each_granularity
def test_sentences_end_at_final_punctuation_and_count_from_the_text(granularity):
    #       0123456789012345678901
    text = "One two. Three!  Four?"
    assert list(TOKENIZERS[granularity].split([text])) == [
        [
            [(0, 3), (4, 7), (7, 8)],
            [(9, 14), (14, 15)],
            [(17, 21), (21, 22)],
        ]
    ]


def test_a_point_in_a_number_or_an_abbreviation_ends_no_sentence():
    (sentences,) = TOKENIZERS["standard"].split(["Dr. Lee gave 0.5 mg. He slept."])
    assert [len(sentence) for sentence in sentences] == [6, 3]


# Pipelines


def test_a_saved_pipeline_keeps_its_own_sentence_boundaries(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [";"]})
    nlp.to_disk(tmp_path)
    (sentences,) = TextTokenizer(str(tmp_path)).split(["a. b; c"])
    # "a." is one of spaCy's abbreviations
    assert sentences == [[(0, 2), (3, 4), (4, 5)], [(6, 7)]]


@each_granularity
def test_a_saved_pipeline_without_sentence_boundaries_gets_them(tmp_path, granularity):
    spacy.blank("en").to_disk(tmp_path)
    (sentences,) = TextTokenizer(str(tmp_path), granularity).split(["It is. So"])
    assert sentences == [[(0, 2), (3, 5), (5, 6)], [(7, 9)]]


def test_another_language_has_its_own_rules():
    assert list(TextTokenizer("de").tokenize(["z.B. so"])) == [[(0, 4), (5, 7)]]
    assert words("z.B. so")[0] != "z.B."


def test_an_unknown_granularity_is_refused():
    with pytest.raises(ValueError, match="unknown granularity 'coarse'; expected one of standard"):
        TextTokenizer(granularity="coarse")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="spaCy has no language 'qqq'"):
        TextTokenizer("qqq")


@pytest.mark.parametrize("name", ["en_no_such_pipeline", "no/such/directory", ""])
def test_an_unknown_pipeline_is_refused_with_the_way_to_get_it(name):
    with pytest.raises(ValueError, match="no spaCy pipeline .*; install it with"):
        TextTokenizer(name)


def test_the_rules_of_a_language_are_made_once():
    nlp = {TextTokenizer("en", kind)._nlp for kind in ("standard", "fine", "standard", "fine")}
    assert len(nlp) == 2
