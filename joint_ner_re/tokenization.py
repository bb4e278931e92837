"""Splits raw text into sentences and tokens with character offsets, using spaCy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from joint_ner_re.sentence_rules import SENTENCE_RULES, sentence_starts
from joint_ner_re.spacy_import import import_spacy

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Token

Span = tuple[int, int]

# The byte order mark is no part of a word: files that were put together have it inside.
_MARK = "\ufeff"
GRANULARITIES = ("standard", "fine")


class TextTokenizer:
    """Splits texts into tokens, and documents into sentences.

    # Parameters

    pipeline : `str`, optional (default = `"en"`)
        A language code, or the name or directory of an installed spaCy pipeline. With a language
        code, spaCy's rules for the language give the tokens, and `sentence_rules` the sentences.
        With a pipeline, its own tokens and sentence boundaries are used.
    granularity : `str`, optional (default = `"standard"`)
        `"standard"` keeps spaCy's tokens. `"fine"` also splits at every punctuation mark inside a
        word, for corpora such as ADE that annotate parts of hyphenated words.
    sentence_rules : `str`, optional (default = `"punctuation"`)
        With a language code, where sentences end. `"punctuation"`: at every final punctuation mark
        that is a token of its own. `"abbreviations"`: where `joint_ner_re.sentence_rules` says,
        which knows the abbreviations of English texts of science and medicine.

    # Raises

    `ValueError`
        If `granularity` or `sentence_rules` is unknown, there is no such pipeline, or it is no
        language code and `sentence_rules` is `"abbreviations"`: a pipeline has rules of its own.
    """

    def __init__(
        self,
        pipeline: str = "en",
        granularity: str = "standard",
        sentence_rules: str = "punctuation",
    ) -> None:
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"unknown granularity {granularity!r}; expected one of {', '.join(GRANULARITIES)}"
            )
        if sentence_rules not in SENTENCE_RULES:
            raise ValueError(
                f"unknown sentence_rules {sentence_rules!r}; expected one of "
                f"{', '.join(SENTENCE_RULES)}"
            )
        if sentence_rules != "punctuation" and not is_language(pipeline):
            raise ValueError(
                f"sentence_rules is {sentence_rules!r}, but the spaCy pipeline {pipeline!r} has "
                "sentence ends of its own; leave one of the two out, or give a language code such "
                "as 'en'"
            )
        self.pipeline = pipeline
        self.granularity = granularity
        self.sentence_rules = sentence_rules
        load = _of_language if is_language(pipeline) else _loaded
        self._nlp = load(pipeline, granularity)

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """The `(begin, end)` offsets of each text's tokens, in code points. White space is no
        token."""
        for text in texts:
            yield _spans(self._nlp.make_doc(text))

    def split(self, texts: Iterable[str]) -> Iterator[list[list[Span]]]:
        """The sentences of each text, as the `(begin, end)` offsets of their tokens.

        Offsets are code points from the start of the text. A text without tokens has no sentences.
        """
        if self.sentence_rules == "abbreviations":
            for text in texts:
                tokens = _spans(self._nlp.make_doc(text))
                starts = sentence_starts(text, tokens)
                yield [tokens[start:end] for start, end in zip(starts, [*starts[1:], len(tokens)])]
            return
        for doc in self._nlp.pipe(texts):
            sentences = (_spans(sentence) for sentence in doc.sents)
            yield [sentence for sentence in sentences if sentence]


def _loaded(pipeline: str, granularity: str) -> Language:
    # Imported late: spaCy takes a second, and imports PyTorch if that is installed.
    import_spacy()
    from joint_ner_re.spacy_tokenizers import load_pipeline

    return load_pipeline(pipeline, granularity)


@cache
def _of_language(code: str, granularity: str) -> Language:
    """Made once in a process, which takes longer than to read a short file."""
    return _loaded(code, granularity)


def is_language(pipeline: str) -> bool:
    """Whether this is a language code such as `"en"`, not a spaCy pipeline's name or directory."""
    return pipeline.isalpha() and len(pipeline) <= 3


def _spans(tokens: Iterable[Token]) -> list[Span]:
    spans = []
    for token in tokens:
        if token.is_space:
            continue
        begin, end = token.idx, token.idx + len(token)
        if _MARK in token.text:
            text = token.text
            begin, end = end - len(text.lstrip(_MARK)), begin + len(text.rstrip(_MARK))
        if begin < end:
            spans.append((begin, end))
    return spans
