"""Raw text to sentences and tokens that know their character offsets; spaCy does the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Token

Span = tuple[int, int]

GRANULARITIES = ("standard", "fine")


class TextTokenizer:
    """Splits texts into tokens, and documents into sentences.

    # Parameters

    pipeline : `str`, optional (default = `"en"`)
        A language code, which takes spaCy's rules for that language and splits sentences at
        their final punctuation, or the name or directory of an installed spaCy pipeline, whose
        own sentence boundaries are then used.
    granularity : `str`, optional (default = `"standard"`)
        `"standard"` keeps the pipeline's tokens. `"fine"` also splits at every punctuation mark
        inside a word, for corpora that annotate parts of hyphenated words, as ADE does.

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
        # Only now: spaCy takes a second to import, and imports PyTorch where it is installed.
        from joint_ner_re.spacy_tokenizers import load_pipeline

        self._nlp = load_pipeline(pipeline, granularity)

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """The `(begin, end)` offsets of each text's tokens, in code points, without white space."""
        for text in texts:
            yield _spans(self._nlp.make_doc(text))

    def split(self, texts: Iterable[str]) -> Iterator[list[list[Span]]]:
        """Each text's sentences, each the `(begin, end)` offsets of its tokens, in code points.

        Offsets count from the beginning of the text, not of the sentence. A text without a
        token has no sentence.
        """
        for doc in self._nlp.pipe(texts):
            sentences = (_spans(sentence) for sentence in doc.sents)
            yield [sentence for sentence in sentences if sentence]


def _spans(tokens: Iterable[Token]) -> list[Span]:
    return [(token.idx, token.idx + len(token)) for token in tokens if not token.is_space]
