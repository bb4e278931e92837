"""Where the sentences of English texts of science and medicine end.

A full stop also ends abbreviations ("Fig. 2", "et al. 2003", "pv. tabaci", "5 mg i.v."), initials
("J. R. Smith", "E. coli") and the numbers of lists. What stands around it decides, in this order:

1. White space must follow the mark, after closing quotes, brackets and citations such as "[12]"
   and " (5.1)", which stay with the sentence. Marks such as the Chinese full stop need none, and
   "seen.The" lacks one.
2. After an abbreviation that calls for more ("Fig.", "e.g.", "Dr.") no sentence ends; after one
   that needs a number ("No. 5") none before a number. After one that can be the last word
   ("etc.", "et al.", "i.v.") one ends if a capital letter follows; after initials and the like
   ("U.S.", "J.") only if a word follows that begins sentences ("The").
3. A word in lower case begins no sentence, except names such as "mRNA", "p53" and "α-actin", and
   except in texts without any capital letter.

A blank line ends a sentence, too: headings and items of lists have no full stop.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

Span = tuple[int, int]

SENTENCE_RULES = ("punctuation", "abbreviations")

# Marks, closing quotes and brackets, and a citation. What one part can match no other part can, so
# that the search takes linear time.
_CLOSING = "\"'”’»›)\\]}"
_WIDE = "。！？｡．।॥۔؟።՞։"
_MARK = re.compile(
    rf"(?P<mark>[.!?…]+|[{_WIDE}]+)(?P<closing>[{_CLOSING}]*)"
    r"(?P<cited>\[[0-9][0-9,\s–-]{0,30}\]|\s{1,3}\(\s{0,4}[0-9]{1,3}\.[0-9][0-9.,\s–-]{0,40}\))?"
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\u2029")
# What may stand before the first letter of a sentence.
_OPENING = re.compile(r"[\s\"'“‘„«‹(\[{¿¡•*–—-]*")
_OPENS_A_WORD = re.compile(r"[\[({/\"'“‘«,;:=–—]")
_EDGES = "\"'“”‘’„«»‹›()[]{}<>,;:–—-/+=*"
# Enough of a text for the word beside a mark; longer ones are no abbreviations.
_WINDOW = 32


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They call for more: no sentence ends with them.
_CALLS_FOR_MORE = _words(
    """
    dr drs prof mr mrs ms mme rev capt fig figs eq eqs eqn eqns suppl eds e.g eg i.e vs cf viz
    approx appr circa incl excl esp pv pvs bv biovar var vars subsp ssp subspp subg serov cv cvs
    aff proc natl acad sci biol chem biochem physiol pharmacol pharmacother clin surg neurol
    neurosci psychiatr microbiol immunol pathol oncol radiol toxicol environ univ dept
    """
)
# The same, but only as they stand here, and if no word follows that begins sentences: "the lab."
# and "at noon I am." are none.
_AS_WRITTEN = _words(
    """
    ca Col Gen Lt Sgt St Hon Art Sec Sect Chap App Med Lab Am Ann Arch Int Exp Mol Nat Ser Assoc
    Inst Bull Symp Eur Appl Genet Psychiatry Inc Ltd Co Corp Jr Sr Bros PhD Ph.D MD M.Sc B.Sc
    Pharm.D
    """
)
# These are abbreviations only before a number: "No. 5", "p. 12".
_BEFORE_NUMBERS = _words(
    """
    no nos nr pp ref refs tab tabs tbl vol vols ch chap chaps sect sects cat para
    """
)
# They can be the last word of a sentence: one ends if a capital letter follows.
_CAN_END = _words(
    """
    etc al seq sp spp nov syn resp ibid temp conc wt avg max jan feb mar apr jun jul aug sept
    sep oct nov dec
    """
)
# "i.v.", "b.i.d.", "U.S.", "J.", "J.R.", "J.-P."
_DOTTED = re.compile(r"(?:[^\W\d_]\.-?)*[^\W\d_]")
# A single capital letter after one of these is a name of its own: "hepatitis B", "vitamin D".
_LETTERED = _words(
    """
    hepatitis vitamin vitamins type types group groups grade class stage factor protein kinase
    influenza subtype genotype phase case patient arm panel table figure appendix experiment
    coenzyme apolipoprotein immunoglobulin ig cyclosporin cyclosporine ciclosporin amphotericin
    child-pugh cohort site cyclin toxin lipid antigen haemophilia hemophilia complex component
    variant strain domain chain subunit chromosome receptor isoform plan model allele haplotype
    serogroup category method step part section schedule regimen compound mitomycin
    """
)
_BEGINNERS = _words(
    """
    A The An In We It This These That Those They He She His Her However Although After At As By
    For From If On Our Their There Thus To When While With But And Here Its Moreover Furthermore
    Therefore Both All No Not One Two Three Four Five Six Results Conclusions Methods Conclusion
    Background Objective Objectives Patients Of Since Because During Despite Overall Finally
    Further Additionally Also Among Before Between Compared Consequently Each Hence Most Neither
    Nevertheless Only Other Recently Several Similarly Some Subsequently Such Then Through
    Treatment Under Unlike Until Using What Whereas Whether Which Who You I Do
    """
)


def sentence_starts(text: str, tokens: Sequence[Span]) -> list[int]:
    """The first token of each sentence of an English text.

    Takes time in proportion to the length of the text.

    # Parameters

    text : `str`
    tokens : `Sequence[Span]`
        The `(begin, end)` of the text's tokens, in order.

    # Returns

    `list[int]`
        The tokens' numbers, in ascending order; the first one is 0 unless there are no tokens.
    """
    if not tokens:
        return []
    begins = [begin for begin, _ in tokens]
    starts = {0}
    for place in sentence_ends(text):
        token = bisect_left(begins, place)
        # A sentence never ends inside a token.
        if 0 < token < len(tokens) and tokens[token - 1][1] <= place:
            starts.add(token)
    return sorted(starts)


def sentence_ends(text: str) -> list[int]:
    """The positions behind the last character of each sentence, without those at the text's end."""
    has_capitals = text != text.lower()
    ends = [match.start() for match in _BLANK_LINE.finditer(text)]
    ends += [match.end() for match in _MARK.finditer(text) if _ends_here(text, match, has_capitals)]
    return sorted(ends)


def _ends_here(text: str, match: re.Match[str], has_capitals: bool) -> bool:
    end = match.end()
    if end == len(text):
        return False
    if match["mark"][0] in _WIDE:
        return True
    if not text[end].isspace():
        return _lacks_a_space(text, match)
    opening = _OPENING.match(text, end)
    assert opening is not None
    words = text[opening.end() : opening.end() + _WINDOW].split(None, 1)
    following = words[0] if words else ""
    if match["mark"] == "." and _continues(text, match, following):
        return False
    return not following[:1].islower() or not has_capitals or _is_a_name(following)


def _continues(text: str, match: re.Match[str], following: str) -> bool:
    """Whether the full stop belongs to an abbreviation, an initial or the number of an item."""
    before = _word_before(text, match.start())
    word, first = before.lower(), following[:1]
    if len(before) > 1 and before.isupper() and before.isalpha():
        # "CF", "MR" and "MS" are no abbreviations that a full stop ends.
        return False
    if before.isdecimal():
        return not match["closing"] and _begins_an_item(text, match, before)
    if word in _BEFORE_NUMBERS:
        return first.isdecimal()
    sentence_follows = following.rstrip(_EDGES) in _BEGINNERS
    is_dotted = _DOTTED.fullmatch(before) is not None
    can_end = word in _CAN_END or (is_dotted and len(before) > 1 and before.islower())
    if len(before) == 1:
        other = _second_word_before(text, match.start(), before)
        if other in _LETTERED:
            return False
        # A unit: "48 h", "21 g/L".
        can_end = other[:1].isdecimal() or text.endswith(f"/{before}", 0, match.start())
    calls_for_more = word in _CALLS_FOR_MORE
    if match["closing"] and (can_end or calls_for_more):
        # "(given i.v.) Sprague-Dawley rats": the full stop is that of the abbreviation.
        return not sentence_follows
    if calls_for_more:
        return True
    if can_end:
        return not first.isupper()
    return (is_dotted or before in _AS_WRITTEN) and not sentence_follows


def _word_before(text: str, end: int) -> str:
    """The word that ends here, without what opens it; one space may be between.

    It is empty after a closing quote or bracket: "(a)" is no initial.
    """
    if end and text[end - 1] == " ":
        end -= 1
    window = text[max(0, end - _WINDOW) : end]
    if not window or window[-1].isspace():
        return ""
    word = window.rsplit(None, 1)[-1]
    return _OPENS_A_WORD.split(word)[-1].lstrip(_EDGES)


def _second_word_before(text: str, end: int, word: str) -> str:
    """The word before the last one, in lower case."""
    begin = max(0, end - 2 * _WINDOW)
    words = text[begin:end].rsplit(None, 2)
    if len(words) < 2 or words[-1].strip(_EDGES) != word:
        return ""
    return words[-2].strip(_EDGES).lower()


def _lacks_a_space(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence begins right after a full stop, as in "was seen.The"."""
    if match["mark"] != "." or match["closing"] or match["cited"]:
        return False
    end = match.end()
    if not text[end].isupper():
        return False
    before = _word_before(text, match.start())
    return (
        len(before) > 3
        and before.isalpha()
        and before[1:].islower()
        and before.lower() not in _CALLS_FOR_MORE
        and _first_word(text[end : end + _WINDOW]) in _BEGINNERS
    )


def _first_word(text: str) -> str:
    return text.split(None, 1)[0].rstrip(_EDGES)


def _begins_an_item(text: str, match: re.Match[str], number: str) -> bool:
    """Whether a short number begins the text, or a line after the end of a sentence or a colon."""
    begin = match.start() - len(number)
    if len(number) > 2 or text[begin : match.start()] != number:
        return False
    before = text[max(0, begin - _WINDOW) : begin]
    if not before.strip():
        return begin <= _WINDOW
    space = before[len(before.rstrip()) :]
    return "\n" in space and before.rstrip()[-1] in ".:;!?"


def _is_a_name(word: str) -> bool:
    """Whether a word that begins with a small letter can begin a sentence: "mRNA", "p53", "α-"."""
    word = word.rstrip(_EDGES + ".")
    return (
        any(character.isupper() or character.isdecimal() for character in word)
        or (len(word) > 2 and word[1] == "-")
        or "\u0370" <= word[:1] <= "\u03ff"
    )
