"""spaCy tokenizers: spaCy's own rules in linear time, and rules that also split inside words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import regex
import spacy
from spacy.lang.tokenizer_exceptions import emoticons
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex
from spacy.vocab import Vocab

# Everything that is neither a letter, a mark, a digit nor white space splits a word, except
# points and commas between two digits and the points of an abbreviation of single letters:
# "azithromycin-induced" is three tokens; "0.5", "U.S." and "i.v." stay one.
_ABBREVIATION = r"(?:\p{L}\.){2,}"
_MARK = r"[^\p{L}\p{M}\p{N}\s.,]"
_FINE_WHOLE = regex.compile(_ABBREVIATION)
_FINE_PREFIX = regex.compile(_MARK)
_FINE_INFIX = regex.compile(
    rf"{_ABBREVIATION}(*SKIP)(*FAIL)|(?<=\p{{N}})[.,](?!\p{{N}})|(?<!\p{{N}})[.,]|{_MARK}"
)

# spaCy's time for a word grows with the square of the punctuation in it: 18 seconds for 8,000
# dashes, days for a megabyte. What is longer than this is no word, and is split more simply: into
# runs of letters, marks and digits, and runs of one character that is none of these.
_LONGEST_WORD = 300
# The white space of `re` is that of `str.isspace`, which spaCy uses.
_LONG = re.compile(rf"(?<!\S)\S{{{_LONGEST_WORD + 1},}}")
_SIMPLE = regex.compile(r"[\p{L}\p{M}\p{N}]+|(.)\1*", regex.DOTALL)


def load_pipeline(pipeline: str, granularity: str) -> Language:
    """The spaCy pipeline that splits texts; see `joint_ner_re.tokenization.TextTokenizer`.

    # Raises

    `ValueError`
        If there is no such language or pipeline.
    """
    nlp = _installed(pipeline)
    # A text may be a whole book: the components used here need no memory beyond its tokens.
    nlp.max_length = 2**31
    if granularity == "fine":
        nlp.tokenizer = FineTokenizer.of(nlp)
    elif isinstance(nlp.tokenizer, Tokenizer):
        # Languages with rules of their own, such as Chinese, keep their tokenizer.
        nlp.tokenizer = _LinearTokenizer(nlp.tokenizer)  # type: ignore[assignment]
    return nlp


def _installed(pipeline: str) -> Language:
    if pipeline.isalpha() and len(pipeline) <= 3:
        try:
            nlp = spacy.blank(pipeline)
        except ImportError as error:
            raise ValueError(f"spaCy has no language {pipeline!r}: {error}") from error
        nlp.add_pipe("sentencizer")
        return nlp
    try:
        nlp = spacy.load(pipeline, exclude=["ner", "lemmatizer", "textcat"])
    # Older versions of spaCy raise ValueError for an empty name.
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no spaCy pipeline {pipeline!r}; install it with `python -m spacy download "
            f"{pipeline}` or give a language code such as 'en'"
        ) from error
    if not any(nlp.has_pipe(name) for name in ("parser", "senter", "sentencizer")):
        nlp.add_pipe("sentencizer")
    return nlp


class FineTokenizer(Tokenizer):
    """spaCy's rules for a language, and a split at every punctuation mark inside a word.

    In a spaCy pipeline: `{"tokenizer": {"@tokenizers": "joint_ner_re.fine.v1"}}`. Its rules are
    code, so that nothing of it is stored with a pipeline.
    """

    def __call__(self, string: str) -> Doc:
        return _in_linear_time(string, super().__call__, self.vocab)

    @classmethod
    def of(cls, nlp: Language) -> FineTokenizer:
        """The tokenizer for this pipeline's language."""
        defaults = nlp.Defaults
        rules = _FineRules(
            compile_prefix_regex(defaults.prefixes or []),
            compile_infix_regex(defaults.infixes or []),
        )
        return cls(
            nlp.vocab,
            # "(IL-8)" holds no smiling face.
            rules={
                word: tokens
                for word, tokens in defaults.tokenizer_exceptions.items()
                if word not in emoticons
            },
            prefix_search=rules.prefix_search,
            suffix_search=compile_suffix_regex(defaults.suffixes or []).search,
            infix_finditer=rules.infix_finditer,
            token_match=_FINE_WHOLE.fullmatch,
        )

    def to_bytes(self, **kwargs: Any) -> bytes:
        return b""

    def from_bytes(self, data: bytes, **kwargs: Any) -> FineTokenizer:
        return self

    def to_disk(self, path: Any, **kwargs: Any) -> None:
        """Nothing to store."""

    def from_disk(self, path: Any, **kwargs: Any) -> FineTokenizer:
        return self


class _LinearTokenizer:
    """A tokenizer of spaCy's whose time does not grow with the square of a word."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Doc:
        return _in_linear_time(text, self._tokenizer, self._tokenizer.vocab)


def _in_linear_time(text: str, tokenize: Callable[[str], Doc], vocab: Vocab) -> Doc:
    """What `tokenize` makes of the text, but for words that are too long for it."""
    if _LONG.search(text) is None:
        return tokenize(text)
    words: list[str] = []
    # Whether a space follows.
    spaces: list[bool] = []

    def take(part: str) -> None:
        doc = tokenize(part)
        words.extend(token.text for token in doc)
        spaces.extend(bool(token.whitespace_) for token in doc)

    place = 0
    for match in _LONG.finditer(text):
        take(text[place : match.start()])
        pieces = [piece.group() for piece in _SIMPLE.finditer(match.group())]
        words += pieces
        followed = text.startswith(" ", match.end())
        spaces += [False] * (len(pieces) - 1) + [followed]
        place = match.end() + followed
    take(text[place:])
    return Doc(vocab, words=words, spaces=spaces)


class _FineRules(NamedTuple):
    """Where words are split. A tuple, not functions inside one, so that it can be pickled."""

    prefixes: Any
    infixes: Any

    def prefix_search(self, string: str) -> Any:
        # spaCy looks for infixes only behind the first character.
        return self.prefixes.search(string) or _FINE_PREFIX.match(string)

    def infix_finditer(self, string: str) -> list[Any]:
        fine = list(_FINE_INFIX.finditer(string))
        taken = {match.start() for match in fine}
        # The language's own rules may split where no punctuation stands; keep those, too.
        extra = [
            match
            for match in self.infixes.finditer(string)
            if not any(position in taken for position in range(match.start(), match.end()))
        ]
        return sorted(fine + extra, key=lambda match: match.start())
