"""Reads the parts of a corpus twice and reports on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from joint_ner_re.checking.counts import Counts, Part
from joint_ner_re.checking.report import Report
from joint_ner_re.checking.suspicions import Knowledge, Suspicions
from joint_ner_re.corpora import CorpusFormatError, detect_format, format_options, read_corpus
from joint_ner_re.sentence import Sentence

Show = Callable[[Iterable[Sentence]], Iterable[Sentence]]


def check_corpus(
    parts: Sequence[Part],
    options: Callable[[str], dict[str, Any]] = lambda format: {},
    show: Show = iter,
) -> Report:
    """Look through a corpus, sentence by sentence.

    Memory holds the different mentions and 32 bytes and an id for each sentence, not the corpus.
    The files are read twice: what is rare or far from the rest takes the figures of the whole.

    # Parameters

    parts : `Sequence[Part]`
        The parts, which are compared with one another.
    options : `Callable[[str], dict[str, Any]]`, optional
        What to give `read_corpus` for a format, such as a tokenizer.
    show : `Callable`, optional
        What the sentences pass through, such as `tqdm`.

    # Raises

    `ValueError`
        If two parts have the same name, or there is no such format.
    """
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise ValueError(f"the parts are named {', '.join(names)}; expected different names")
    errors: list[CorpusFormatError] = []
    counts = {part.name: Counts() for part in parts}
    total = Counts()
    knowledge, suspicions = Knowledge(), Suspicions()
    for part in parts:
        for sentence in show(_read(part, options, errors.append)):
            counts[part.name].add(sentence)
            total.add(sentence)
            knowledge.look(part, sentence, suspicions)
    for part in parts:
        for sentence in show(_read(part, options, lambda error: None)):
            knowledge.look_again(part, sentence, total, suspicions)
    for what, example in knowledge.of_words():
        suspicions.add(what, example)
    for what, example in _missing_types(counts):
        suspicions.add(what, example)
    return Report(counts, errors, suspicions.found())


def _read(
    part: Part,
    options: Callable[[str], dict[str, Any]],
    on_error: Callable[[CorpusFormatError], None],
) -> Iterator[Sentence]:
    """The sentences that can be read; behind some errors there is no reading on."""
    try:
        format = part.format or detect_format(part.path)
        chosen = options(format)
        if "on_error" in format_options(format):
            chosen = {**chosen, "on_error": on_error}
        yield from read_corpus(part.path, format, **chosen)
    except CorpusFormatError as error:
        on_error(error)


def _missing_types(counts: dict[str, Counts]) -> Iterator[Any]:
    """Types that not all parts have."""
    for kind in ("entities", "relations"):
        have = {name: getattr(part, kind) for name, part in counts.items() if part.totals}
        for type_ in sorted({type_ for types in have.values() for type_ in types}):
            lacking = [name for name, types in have.items() if type_ not in types]
            if lacking:
                found = ", ".join(
                    f"{types[type_]} in {name}" for name, types in have.items() if type_ in types
                )
                what = "entity" if kind == "entities" else "relation"
                yield (
                    f"{what} types that a part lacks",
                    f"{type_}: {found}, none in {' and '.join(lacking)}",
                )
