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

# The fine rules split a word at every character that is no letter, mark, digit or white space:
# "azithromycin-induced" becomes three tokens. Periods and commas between two digits and the periods
# of single-letter abbreviations do not split: "0.5", "U.S." and "i.v." stay one token.
_ABBREVIATION = r"(?:\p{L}\.){2,}"
_MARK = r"[^\p{L}\p{M}\p{N}\s.,]"
_FINE_WHOLE = regex.compile(_ABBREVIATION)
_FINE_PREFIX = regex.compile(_MARK)
_FINE_INFIX = regex.compile(
    rf"{_ABBREVIATION}(*SKIP)(*FAIL)|(?<=\p{{N}})[.,](?!\p{{N}})|(?<!\p{{N}})[.,]|{_MARK}"
)

# spaCy takes quadratic time in the punctuation of a word: 18 seconds for 8,000 dashes, days for a
# megabyte. Longer strings than this are split with a simple rule instead: into runs of letters,
# marks and digits, and runs of one other character.
_MAX_WORD_LENGTH = 300
# `re` and spaCy have the same white space, that of `str.isspace`.
_LONG = re.compile(rf"(?<!\S)\S{{{_MAX_WORD_LENGTH + 1},}}")
_SIMPLE = regex.compile(r"[\p{L}\p{M}\p{N}]+|(.)\1*", regex.DOTALL)


def load_pipeline(pipeline: str, granularity: str) -> Language:
    """The spaCy pipeline that splits texts; see `joint_ner_re.tokenization.TextTokenizer`.

    # Raises

    `ValueError`
        If there is no such language or pipeline.
    """
    nlp = _installed(pipeline)
    # spaCy limits the length for components that need much memory; none of these is used here.
    nlp.max_length = 2**31
    if granularity == "fine":
        nlp.tokenizer = FineTokenizer.of(nlp)
    elif isinstance(nlp.tokenizer, Tokenizer):
        # Languages such as Chinese have a tokenizer class of their own, which stays.
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
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no spaCy pipeline {pipeline!r}; install it with `python -m spacy download "
            f"{pipeline}` or give a language code such as 'en'"
        ) from error
    if not any(nlp.has_pipe(name) for name in ("parser", "senter", "sentencizer")):
        nlp.add_pipe("sentencizer")
    return nlp


class FineTokenizer(Tokenizer):
    """spaCy's rules for a language, plus a split at every punctuation mark inside a word.

    A spaCy pipeline selects it with `{"tokenizer": {"@tokenizers": "joint_ner_re.fine.v1"}}`. It
    has no data, so a stored pipeline contains nothing of it.
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
            # Otherwise "8)" in "(IL-8)" would be an emoticon.
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
        """Store nothing."""

    def from_disk(self, path: Any, **kwargs: Any) -> FineTokenizer:
        return self


class _LinearTokenizer:
    """Wraps a spaCy tokenizer so that it takes linear time."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Doc:
        return _in_linear_time(text, self._tokenizer, self._tokenizer.vocab)


def _in_linear_time(text: str, tokenize: Callable[[str], Doc], vocab: Vocab) -> Doc:
    """Tokenize a text, with a simple rule for the words that are too long for `tokenize`."""
    if _LONG.search(text) is None:
        return tokenize(text)
    words: list[str] = []
    # Whether a space follows each word.
    spaces: list[bool] = []

    def take(stretch: str) -> None:
        doc = tokenize(stretch)
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
    """Where words are split. A class instead of nested functions, so that it can be pickled."""

    prefixes: Any
    infixes: Any

    def prefix_search(self, string: str) -> Any:
        # spaCy does not look for infixes at the first character.
        return self.prefixes.search(string) or _FINE_PREFIX.match(string)

    def infix_finditer(self, string: str) -> list[Any]:
        fine = list(_FINE_INFIX.finditer(string))
        taken = {match.start() for match in fine}
        # The rules of the language may also split at other characters.
        extra = [
            match
            for match in self.infixes.finditer(string)
            if not any(position in taken for position in range(match.start(), match.end()))
        ]
        return sorted(fine + extra, key=lambda match: match.start())
