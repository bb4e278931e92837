"""Splits raw text into sentences and tokens with character offsets, using spaCy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        code, spaCy's rules for the language give the tokens, and sentences end at final
        punctuation. With a pipeline, its own tokens and sentence boundaries are used.
    granularity : `str`, optional (default = `"standard"`)
        `"standard"` keeps spaCy's tokens. `"fine"` also splits at every punctuation mark inside a
        word, for corpora such as ADE that annotate parts of hyphenated words.

    # Raises

    `ValueError`
        If `granularity` is unknown or there is no such pipeline.
    """

    def __init__(self, pipeline: str = "en", granularity: str = "standard") -> None:
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"unknown granularity {granularity!r}; expected one of {', '.join(GRANULARITIES)}"
            )
        self.pipeline = pipeline
        self.granularity = granularity
        # Imported late: spaCy takes a second, and imports PyTorch if that is installed.
        from joint_ner_re.spacy_tokenizers import load_pipeline

        self._nlp = load_pipeline(pipeline, granularity)

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """The `(begin, end)` offsets of each text's tokens, in code points. White space is no
        token."""
        for text in texts:
            yield _spans(self._nlp.make_doc(text))

    def split(self, texts: Iterable[str]) -> Iterator[list[list[Span]]]:
        """The sentences of each text, as the `(begin, end)` offsets of their tokens.

        Offsets are code points from the start of the text. A text without tokens has no sentences.
        """
        for doc in self._nlp.pipe(texts):
            sentences = (_spans(sentence) for sentence in doc.sents)
            yield [sentence for sentence in sentences if sentence]


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
