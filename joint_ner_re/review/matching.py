"""Finds the gold sentence of each predicted sentence."""

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
    if predicted and gold and all(sentence.id for sentence in [*predicted, *gold]):
        partners: dict[Any, Sentence] = dict(zip(_numbered(gold), gold))
        pairs = ((s, partners.pop(key, None)) for key, s in zip(_numbered(predicted), predicted))
        where = "an id of the gold file"
    else:
        partners = dict(enumerate(gold))
        pairs = ((s, partners.pop(place, None)) for place, s in enumerate(predicted))
        where = f"at most the {len(gold)} sentences of the gold file"
    for sentence, partner in pairs:
        if partner is None:
            raise MatchingError(
                f"the predicted sentence {_name(sentence)} has no gold sentence; expected {where}. "
                f"Give the gold file of these predictions, or {_FIX}"
            )
        _check_tokens(sentence, partner)
        yield sentence, partner
    for left in partners.values():
        raise MatchingError(
            f"the gold sentence {_name(left)} has no prediction ({len(partners)} of {len(gold)} "
            f"have none); expected one for each. Give the part that was predicted, or {_FIX}"
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


def _check_tokens(predicted: Sentence, gold: Sentence) -> None:
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
