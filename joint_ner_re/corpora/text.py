"""From a corpus that has text to one that has tokens, in batches."""

from __future__ import annotations

from itertools import islice
from typing import Callable, Iterable, Iterator, List, Optional, Protocol, Sequence, Tuple, TypeVar

Span = Tuple[int, int]
Record = TypeVar("Record")

_BATCH = 1000


class Tokenizer(Protocol):
    """What a tokenizer must offer; `TextTokenizer` does."""

    def tokenize(self, texts: Iterable[str]) -> Iterable[Sequence[Span]]:
        """The `(begin, end)` offsets of each text's tokens."""


def tokenized(
    records: Iterable[Record], text_of: Callable[[Record], str], tokenizer: Optional[Tokenizer]
) -> Iterator[Tuple[Record, Sequence[Span]]]:
    """Each record with the offsets of its text's tokens.

    # Parameters

    tokenizer : `Tokenizer`, optional
        `None` stands for `TextTokenizer(granularity="fine")`.

    # Raises

    `ValueError`
        If the tokenizer does not answer each text with one list.
    """
    if tokenizer is None:
        # Only here, because spaCy takes a second to import.
        from joint_ner_re.tokenization import TextTokenizer

        tokenizer = TextTokenizer(granularity="fine")
    rest = iter(records)
    while True:
        batch = list(islice(rest, _BATCH))
        if not batch:
            return
        offsets = list(tokenizer.tokenize([text_of(record) for record in batch]))
        if len(offsets) != len(batch):
            raise ValueError(f"the tokenizer gave {len(offsets)} lists for {len(batch)} texts")
        yield from zip(batch, offsets)


def words(text: str, offsets: Sequence[Span]) -> List[str]:
    """The tokens themselves."""
    return [text[begin:end] for begin, end in offsets]


def covering(offsets: Sequence[Span], begin: int, end: int) -> Optional[Span]:
    """The smallest `(start, end)` of tokens that holds the characters; `None` without a token."""
    inside = [i for i, (b, e) in enumerate(offsets) if b < end and begin < e]
    return (inside[0], inside[-1] + 1) if inside else None
