"""How much a request may hold, and how many may be in progress."""

from __future__ import annotations

from dataclasses import dataclass

from joint_ner_re.corpora.text import MAX_CHARACTERS

# JSON may escape a character outside the basic plane with 12 bytes.
_BYTES_A_CHARACTER = 12
# Quotes, commas, white space, and the other keys.
_BYTES_A_TEXT, _BYTES_BESIDE = 16, 4096


@dataclass(frozen=True)
class Limits:
    """The limits of the service. Each answer about a limit names its value.

    # Parameters

    max_characters : `int`, optional (default = `200000`)
        The most characters of a request, all its texts together. More get the status 413.
    max_texts : `int`, optional (default = `1000`)
        The most texts of a request. More get the status 413.
    max_waiting : `int`, optional (default = `64`)
        How many requests may be in progress: arriving, waiting or being answered. One more gets
        the status 429.
    timeout : `float`, optional (default = `60`)
        How many seconds a request may take to arrive (status 408), and how many its answer or,
        where lines are streamed, each next line may take (status 503, or lines with an error).

    # Raises

    `ValueError`
        If a limit is impossible.
    """

    max_characters: int = 200_000
    max_texts: int = 1_000
    max_waiting: int = 64
    timeout: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_characters <= MAX_CHARACTERS:
            raise ValueError(
                f"max_characters is {self.max_characters}; expected 1 to {MAX_CHARACTERS}, the "
                "most that a document may have"
            )
        for name in ("max_texts", "max_waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if not 0 < self.timeout < float("inf"):
            raise ValueError(f"timeout is {self.timeout}; expected a number of seconds above 0")

    @property
    def max_bytes(self) -> int:
        """The most bytes of a body: enough for every body within the other limits."""
        texts = _BYTES_A_CHARACTER * self.max_characters + _BYTES_A_TEXT * self.max_texts
        return texts + _BYTES_BESIDE
