"""From a corpus that has text to one that has tokens, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike

Span = tuple[int, int]
Record = TypeVar("Record")

# A text becomes a hundred times as much in memory, as tokens: longer than any book is an error.
MOST_CHARACTERS = 2**22
_BATCH = 1000
_BATCH_CHARACTERS = 2**20


class Tokenizer(Protocol):
    """What a tokenizer must offer; `TextTokenizer` does."""

    def tokenize(self, texts: Iterable[str]) -> Iterable[Sequence[Span]]:
        """The `(begin, end)` offsets of each text's tokens."""


def tokenized(
    records: Iterable[Record], text_of: Callable[[Record], str], tokenizer: Tokenizer | None
) -> Iterator[tuple[Record, Sequence[Span]]]:
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
    for batch in in_batches(records, text_of, _BATCH):
        offsets = list(tokenizer.tokenize([text_of(record) for record in batch]))
        if len(offsets) != len(batch):
            raise ValueError(f"the tokenizer gave {len(offsets)} lists for {len(batch)} texts")
        yield from zip(batch, offsets)


def in_batches(
    records: Iterable[Record], text_of: Callable[[Record], str], most: int
) -> Iterator[list[Record]]:
    """The records, `most` at once, or fewer where their texts are long."""
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(text_of(record))
        if len(batch) == most or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def check_length(path: PathLike, line: int, text: str) -> None:
    """
    # Raises

    `CorpusFormatError`
        If the text is too long to be split into tokens.
    """
    if len(text) > MOST_CHARACTERS:
        raise CorpusFormatError(
            path,
            line,
            f"a text of {len(text)} characters; expected at most {MOST_CHARACTERS}: divide it",
        )


def words(text: str, offsets: Sequence[Span]) -> list[str]:
    """The tokens themselves."""
    return [text[begin:end] for begin, end in offsets]


def covering(offsets: Sequence[Span], begin: int, end: int) -> Span | None:
    """The smallest `(start, end)` of tokens that holds the characters; `None` without a token."""
    inside = [i for i, (b, e) in enumerate(offsets) if b < end and begin < e]
    return (inside[0], inside[-1] + 1) if inside else None
