"""Finds the gold sentence of each predicted sentence: for all that compares the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from joint_ner_re.sentence import Sentence

_FIX = "predict on the gold file itself: allennlp predict MODEL GOLD --use-dataset-reader"


class MatchingError(ValueError):
    """Predictions and gold have different sentences; the message names the first of them."""


def match(
    predicted: Iterable[Sentence], gold: Iterable[Sentence]
) -> Iterator[tuple[Sentence, Sentence]]:
    """Pairs of predicted and gold sentences, in the order of the predictions.

    If all sentences have ids, they are matched by id, and sentences with the same id by their
    order. Otherwise they are matched by position.

    # Raises

    `MatchingError`
        If a sentence has no partner, or the two have different tokens.
    """
    predicted, gold = list(predicted), list(gold)
    for place, sentence in zip(_places(predicted, gold), predicted):
        yield sentence, gold[place]


def _places(predicted: Sequence[Sentence], gold: Sequence[Sentence]) -> Iterator[int]:
    """The index of each predicted sentence's gold sentence."""
    if predicted and gold and all(sentence.id for sentence in [*predicted, *gold]):
        partners: dict[Any, int] = {key: place for place, key in enumerate(_numbered(gold))}
        pairs = ((s, partners.pop(key, None)) for key, s in zip(_numbered(predicted), predicted))
        where = "an id of the gold file"
    else:
        partners = {place: place for place in range(len(gold))}
        pairs = ((s, partners.pop(place, None)) for place, s in enumerate(predicted))
        where = f"at most the {len(gold)} sentences of the gold file"
    for sentence, place in pairs:
        if place is None:
            raise MatchingError(
                f"the predicted sentence {_name(sentence)} has no gold sentence; expected {where}. "
                f"Give the gold file of these predictions, or {_FIX}"
            )
        check_tokens(sentence, gold[place])
        yield place
    for left in partners.values():
        raise MatchingError(
            f"the gold sentence {_name(gold[left])} has no prediction ({len(partners)} of "
            f"{len(gold)} have none); expected one for each. Give the part that was "
            f"predicted, or {_FIX}"
        )


def in_order_of_gold(
    gold: Iterable[Sentence], predicted: Iterable[Sentence]
) -> list[tuple[Sentence, Sentence]]:
    """Pairs of gold and predicted sentences as of `match`, in the order of the gold sentences.

    # Raises

    `MatchingError`
        As for `match`.
    """
    predicted, gold = list(predicted), list(gold)
    guesses = dict(zip(_places(predicted, gold), predicted))
    return [(right, guesses[place]) for place, right in enumerate(gold)]


def check_tokens(predicted: Sentence, gold: Sentence) -> None:
    """Make sure that two sentences have the same tokens.

    # Raises

    `MatchingError`
        If they do not; it names the first difference.
    """
    if predicted.tokens == gold.tokens:
        return
    place = next(
        (
            place
            for place, (guess, right) in enumerate(zip(predicted.tokens, gold.tokens))
            if guess != right
        ),
        min(len(predicted.tokens), len(gold.tokens)),
    )
    found, expected = (
        repr(tokens[place]) if place < len(tokens) else "its end"
        for tokens in (predicted.tokens, gold.tokens)
    )
    raise MatchingError(
        f"the predicted sentence {_name(predicted)} has other tokens than the gold sentence "
        f"{_name(gold)}: at position {place} found {found}, expected {expected}. To have the same "
        f"tokens, {_FIX}"
    )


def _numbered(sentences: Sequence[Sentence]) -> list[tuple[str, int]]:
    """Each sentence's id, and the number of earlier sentences with this id."""
    seen: Counter[str] = Counter()
    keys = []
    for sentence in sentences:
        keys.append((sentence.id, seen[sentence.id]))
        seen[sentence.id] += 1
    return keys


def _name(sentence: Sentence) -> str:
    return " ".join(
        part
        for part in (
            repr(sentence.id) if sentence.id else "",
            f"({sentence.source})" if sentence.source else "",
        )
        if part
    ) or repr(" ".join(sentence.tokens[:12]))
