"""Tokenizes the texts of a corpus in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from joint_ner_re.corpora.errors import CorpusFormatError, PathLike

Span = tuple[int, int]
Record = TypeVar("Record")

# Tokens take a hundred times the memory of the text, so this bounds it. No book is longer.
MAX_CHARACTERS = 2**22
_BATCH = 1000
_BATCH_CHARACTERS = 2**20


class Tokenizer(Protocol):
    """The interface of a tokenizer; `TextTokenizer` has it."""

    def tokenize(self, texts: Iterable[str]) -> Iterable[Sequence[Span]]:
        """The `(begin, end)` offsets of each text's tokens."""


def tokenized(
    records: Iterable[Record], text_of: Callable[[Record], str], tokenizer: Tokenizer | None
) -> Iterator[tuple[Record, Sequence[Span]]]:
    """Each record with the offsets of its text's tokens.

    # Parameters

    records : `Iterable[Record]`
        The records.
    text_of : `Callable[[Record], str]`
        Gives the text of a record.
    tokenizer : `Tokenizer`, optional
        `None` means `TextTokenizer(granularity="fine")`.

    # Raises

    `ValueError`
        If the tokenizer does not return one list per text.
    """
    if tokenizer is None:
        # Imported late, because spaCy takes a second.
        from joint_ner_re.tokenization import TextTokenizer

        tokenizer = TextTokenizer(granularity="fine")
    for batch in in_batches(records, text_of, _BATCH):
        offsets = list(tokenizer.tokenize([text_of(record) for record in batch]))
        if len(offsets) != len(batch):
            raise ValueError(f"the tokenizer gave {len(offsets)} lists for {len(batch)} texts")
        yield from zip(batch, offsets)


def in_batches(
    records: Iterable[Record], text_of: Callable[[Record], str], max_records: int
) -> Iterator[list[Record]]:
    """Batches of `max_records` records, or fewer if their texts are long."""
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(text_of(record))
        if len(batch) == max_records or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def check_length(path: PathLike, line: int, text: str) -> None:
    """Raise a `CorpusFormatError` if the text is too long to be tokenized."""
    if len(text) > MAX_CHARACTERS:
        raise CorpusFormatError(
            path,
            line,
            f"a text of {len(text)} characters; expected at most {MAX_CHARACTERS}: divide it",
        )


def words(text: str, offsets: Sequence[Span]) -> list[str]:
    """The tokens as strings."""
    return [text[begin:end] for begin, end in offsets]


def covering(offsets: Sequence[Span], begin: int, end: int) -> Span | None:
    """The `(start, end)` of the tokens that overlap these characters; `None` if none does."""
    inside = [i for i, (b, e) in enumerate(offsets) if b < end and begin < e]
    return (inside[0], inside[-1] + 1) if inside else None
