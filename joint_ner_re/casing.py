"""Casing classes of words, an input feature of the model (Crone 2020)."""

from __future__ import annotations

CASINGS = (
    "numeric",
    "lower",
    "upper",
    "title",
    "mostly_numeric",
    "contains_digit",
    "other",
)


def casing(word: str) -> str:
    """The first class of `CASINGS` that fits the word.

    - `numeric`: all characters are digits.
    - `lower`, `upper`, `title`: all characters are letters, in this case.
    - `mostly_numeric`: at least half of the characters are digits.
    - `contains_digit`: at least one character is a digit.
    """
    digits = sum(character.isdigit() for character in word)
    if word and digits == len(word):
        return "numeric"
    if word.isalpha():
        for name, matches in (
            ("lower", word.islower),
            ("upper", word.isupper),
            ("title", word.istitle),
        ):
            if matches():
                return name
    if digits:
        return "mostly_numeric" if 2 * digits >= len(word) else "contains_digit"
    return "other"
