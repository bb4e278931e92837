"""The boundaries that are expected here were set by hand: a bar stands where a sentence ends."""

import sys
import time
from functools import cache
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joint_ner_re.sentence_rules import sentence_ends, sentence_starts
from joint_ner_re.tokenization import TextTokenizer

RULES = list(product(("standard", "fine"), ("punctuation", "abbreviations")))


@cache
def tokenizer_of(granularity, rules):
    return TextTokenizer(granularity=granularity, sentence_rules=rules)


def cut(marked, rules="abbreviations", granularity="standard"):
    """The sentences of a text, with a bar between them where the rules see an end."""
    text = marked.replace("|", "")
    (sentences,) = tokenizer_of(granularity, rules).split([text])
    begins = [sentence[0][0] for sentence in sentences[1:]]
    pieces = [text[begin:end] for begin, end in zip([0, *begins], [*begins, len(text)])]
    return "|".join(pieces)


SENTENCES = {
    "figures": "The band is shown (see Fig. 2). |It is gone in Figs. 3 and 4.",
    "capital figure": "As Fig. S1 and Eq. A2 show, it holds. |We agree.",
    "authors": "As seen by Orm et al. 2003, it binds. |Later, Kest et al. (2004) denied it.",
    "authors at the end": "This was found by Orm et al. |We repeated it.",
    "pathovar": "Leaves with Xylomonas testis pv. tabaci wilted. |Others did not.",
    "ranks": "It grew on Rosa alba var. rubra, R. alba subsp. nana and Rosa spp. in pots.",
    "species at the end": "All were Candida spp. |None was an Aspergillus sp. |All died.",
    "for example": "Some drugs, e.g. Aspirex, i.e. 5 of 7, act vs. Placebon. |Others do not.",
    "compare": "The rate, cf. Table 2, was ca. 5 % (approx. 12 of 240). |It rose.",
    "number": "Kit No. 5 was used. |Was it safe? |No. |The kit broke.",
    "title": "Dr. Smith and Prof. Orm met Mrs. Kest. |They talked.",
    "equation": "By Eq. 3 and Ref. 12 (Tab. 4) it holds. |Proof follows.",
    "routes": "Rats got 5 mg i.v. or 7 mg p.o. daily. |Mice got none.",
    "routes before a number": "We gave it b.i.d. 10 min before food and p.o. (2 h later).",
    "routes at the end": "Rats got 5 mg i.v. |Mice got 7 mg p.o. |All lived.",
    "routes in brackets": "The drug (5 mg/kg i.p.) 1 h before and (2 mg s.c.) Wistarex after.",
    "initials": "The model of J. R. Smith and A.-M. Orm holds. |J. Kest tried it.",
    "genus": "We grew E. coli and S. Typhimurium. |Both grew.",
    "named by a letter": "Two had hepatitis B. |Treatment helped. |All took vitamin D. |Few died.",
    "initials then a sentence": "It was shown by Smith J. |The proof is in print.",
    "countries": "It is sold in the U.S. Army and the U.K. |The price is low.",
    "firms": "We bought it from Ormex Inc. Boston and Kest Co. Ltd. Leeds. |It came late.",
    "decimals": "It fell by 0.5 mg and .25 mg, p = 0.01. |Then 1,000.5 more.",
    "sentences that begin with numbers": "We asked all. |25 patients agreed. |5-FU was given.",
    "years": "It began in 2003. |It ended in 2004.",
    "names in small letters": "We measured mRNA. |p53 rose. |mRNA fell. |α-actin stayed.",
    "small letters": "It was sold as Yahoo! in shops. and so on.",
    "no capitals": "it hurt. |then i slept. |i took 5 mg i.v. at noon.",
    "quotes": 'He said "It hurts." |She said (softly.) |Then "We know." |So?',
    "typographic quotes": "“It hurts.” |‘So it does.’ |Yes.",
    "opening quotes": 'It hurt. |"Where?" |(Here.) |[There.]',
    "citations": "It binds.[12] |It folds.[1, 3–5] |It ends.",
    "question and exclamation": "Does it? |It does! |Really?! |Yes.",
    "dots": "We waited... and waited. |Then... |It came.",
    "no space": "It was seen.|The rest was not. |See www.Orm.org or Node.The.",
    "wide marks": "它痛。 |它睡了！ |好。",
    "spaced": "It hurts , e.g . at night . |He slept .",
    "items": "1. Methods are old. \n|2. Results are new.",
    "blank line": "Warnings\n\n|Do not eat it.\n \n|It is bad",
    "changes of proteins": "We found c.310G>T (p. Glu104Ter) and p. Asp12Asn. |Both are rare.",
    "capitals that look like abbreviations": "He had MS. |She had CF. |Both had an MR. |All came.",
    "units": "It fell after 48 h. |Sodium was 21 g/L. |We gave 5 mg/d. |All drank 1,200 g. |Then?",
    "sections": "Stop it at once. (5.1) |Use with care. ( 5.2, 6.1 ) |(2) It may hurt.",
    "months": "It began on Jan. 5 and ended in Dec. |Then it rained.",
    "etc": "Salts, acids, etc. were used. |We had pots, pans, etc. |All broke.",
    "abbreviations in brackets": "(cf. Orm 2001) It holds (approx.) |The rest is open.",
    "journals": "It is in J. Biol. Chem. 277 and Proc. Natl. Acad. Sci. USA. |Read it.",
}  # fmt: skip


@pytest.mark.parametrize("granularity", ["standard", "fine"])
@pytest.mark.parametrize("marked", SENTENCES.values(), ids=SENTENCES)
def test_sentences_end_where_a_reader_ends_them(marked, granularity):
    assert cut(marked, granularity=granularity) == marked


@pytest.mark.parametrize(
    "marked, wrong",
    [
        ("See Fig. 2 of it.", "See Fig. |2 of it."),
        ("Xylomonas testis pv. tabaci", "Xylomonas testis pv. |tabaci"),
        ("It was in Orm et al. 2003.", "It was in Orm et al. |2003."),
    ],
)
def test_the_rules_of_punctuation_stay_as_they_were(marked, wrong):
    assert cut(marked) == marked
    assert cut(marked, "punctuation") == wrong


def test_ends_are_positions_of_characters():
    #                     01234567890123456789
    assert sentence_ends('One (a). "Two." Six.') == [8, 15]
    assert sentence_ends("") == []


def test_no_sentence_ends_inside_a_token():
    assert sentence_starts("它。好", [(0, 3)]) == [0]
    assert sentence_starts("它。好", [(0, 1), (1, 2), (2, 3)]) == [0, 2]
    assert sentence_starts("It. Is", []) == []


TEXTS = st.text(max_size=40) | st.lists(
    st.sampled_from(
        ["Fig.", "et al.", "i.v.", "The", "It", "p53", "5", "0.5", "J.", ".", "?", "...", '"', ")"]
        + ["(", "[12]", " ", "  ", "\n", "\n\n", "。", "\ufeff", "\u2029", "\xa0", "e\u0301", "👩"]
    ),
    max_size=30,
).map("".join)


@pytest.mark.parametrize("granularity, rules", RULES, ids=lambda value: value)
@settings(deadline=None, max_examples=60)
@given(text=TEXTS)
@example(text="It was seen.The rest")
def test_every_text_keeps_all_its_tokens_in_order(granularity, rules, text):
    tokenizer = tokenizer_of(granularity, rules)
    (sentences,) = tokenizer.split([text])
    (tokens,) = tokenizer.tokenize([text])
    assert [span for sentence in sentences for span in sentence] == tokens
    assert all(sentences)


@pytest.mark.parametrize(
    "unit",
    [
        ".", "a.", "a. ", ". ", ".)", ".(", ".[1", ".[12] ", "\n", "\n ", "Fig. ", "J.R.", "J. ",
        "1.\n", '"', '."', "(", " ", "a.( ", "。", "x", "U.S.", "A. (", "\u2029", ".[1,1,1",
    ],
)  # fmt: skip
def test_the_time_grows_no_faster_than_the_text(unit):
    def seconds(times):
        # Coverage traces each line, which takes three times as long.
        tracing = sys.gettrace()
        sys.settrace(None)
        try:
            begin = time.process_time()
            sentence_ends("A" + unit * times)
            return time.process_time() - begin
        finally:
            sys.settrace(tracing)

    seconds(100)
    # Quadratic time would be 400,000 times as long as for 1,000 characters: hours.
    assert seconds(400_000 // len(unit)) < 4


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="unknown sentence_rules 'good'; expected one of punct"):
        TextTokenizer(sentence_rules="good")


def test_a_pipeline_has_rules_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="the spaCy pipeline '.*' has sentence ends of its own"):
        TextTokenizer(str(tmp_path), sentence_rules="abbreviations")
