"""How far the tokens of a corpus are those that a tokenizer makes of its text.

A model that learned from other tokens than it sees in raw text finds little there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

SAMPLE = 200
# The file with the figures of a training, in its directory and its archive.
TOKENS = "tokens.json"
# With fewer tokens in common, prediction from raw text is worse than on the corpus.
MIN_SHARE = 0.95
_MAX_EXAMPLES = 5


class SpanTokenizer(Protocol):
    """The interface of a tokenizer; `joint_ner_re.tokenization.TextTokenizer` has it."""

    def tokenize(self, texts: Iterable[str]) -> Iterable[Sequence[tuple[int, int]]]:
        """The `(begin, end)` offsets of each text's tokens."""


class Agreement(NamedTuple):
    """Tokens of a sample of sentences, compared with a tokenizer's.

    # Parameters

    sentences : `int`
        The number of sentences.
    tokens : `int`
        The number of their tokens.
    same : `int`
        How many of these the tokenizer makes, too.
    examples : `list[str]`
        A few tokens that it does not make, with what it makes instead.
    """

    sentences: int
    tokens: int
    same: int
    examples: list[str]

    @property
    def share(self) -> float:
        """The share of the tokens that the tokenizer makes, too; 1 without tokens."""
        return self.same / self.tokens if self.tokens else 1.0

    @property
    def is_low(self) -> bool:
        """Whether so many tokens differ that a model suffers."""
        return self.share < MIN_SHARE

    def describe(self) -> str:
        """One sentence with the figures and the examples."""
        text = (
            f"{100 * self.share:.0f} % of {self.tokens:,} tokens in {self.sentences:,} sentences "
            "are those that the tokenizer makes of the text"
        )
        return f"{text}: {', '.join(self.examples)}" if self.examples else text

    def to_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return {**self._asdict(), "share": round(self.share, 4)}


def agreement(
    sentences: Iterable[Sentence], tokenizer: SpanTokenizer, sample: int = SAMPLE
) -> Agreement:
    """Compare the tokens of the first sentences with those that a tokenizer makes.

    # Parameters

    sentences : `Iterable[Sentence]`
        The sentences. The text of one without a text is its tokens joined by blanks.
    tokenizer : `SpanTokenizer`
        The tokenizer.
    sample : `int`, optional (default = `200`)
        How many sentences to compare.
    """
    chosen = [sentence.with_text() for sentence in islice(sentences, sample)]
    texts = [sentence.text or "" for sentence in chosen]
    tokens = same = 0
    examples: list[str] = []
    for sentence, text, spans in zip(chosen, texts, tokenizer.tokenize(texts)):
        made = set(spans)
        for begin, end in sentence.offsets or ():
            tokens += 1
            if (begin, end) in made:
                same += 1
            elif len(examples) < _MAX_EXAMPLES:
                pieces = [text[b:e] for b, e in spans if b < end and begin < e]
                listed = " ".join(quote(piece, 20) for piece in pieces[:6]) or "nothing"
                example = f"{quote(text[begin:end], 30)} is {listed}"
                examples += [example] if example not in examples else []
    return Agreement(len(chosen), tokens, same, examples)
