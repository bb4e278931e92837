"""The casing classes of words, the last part of the model's input (Crone 2020)."""

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
    """The first class of `CASINGS` that the word belongs to.

    Numeric: all characters are digits. Lower, upper, title: all are letters, cased so. Mostly
    numeric: at least half are digits. Contains digit: at least one is.
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
