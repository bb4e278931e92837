"""Reads the parts of a corpus and reports on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from joint_ner_re.checking.report import Report
from joint_ner_re.checking.statistics import Part, PartStatistics
from joint_ner_re.checking.suspicions import Detector, Suspicions, alike
from joint_ner_re.corpora import CorpusFormatError, detect_format, format_options, read_corpus
from joint_ner_re.corpora.changes import LOST_RELATIONS, WIDENED, collected_changes
from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.sentence import Sentence
from joint_ner_re.token_agreement import SAMPLE, SpanTokenizer, agreement

# A few mentions end inside a token in every corpus.
_MIN_WIDENED, _MAX_WIDENED_PERCENT = 2, 3
# The share of relations from which a longer unit is worth its time.
_MIN_LOST, _MAX_LOST_PERCENT = 2, 2

Progress = Callable[[Iterable[Sentence], PathLike], Iterable[Sentence]]


def without_progress(sentences: Iterable[Sentence], path: PathLike) -> Iterable[Sentence]:
    """Passes the sentences on."""
    return sentences


def check_corpus(
    parts: Sequence[Part],
    options: Callable[[str], dict[str, Any]] = lambda format: {},
    progress: Progress = without_progress,
    tokenizer: Callable[[], SpanTokenizer | None] = lambda: None,
) -> Report:
    """Check a corpus, sentence by sentence.

    The files are read twice, since finding rare and outlying annotations needs the statistics of
    the whole corpus. Memory holds the distinct mentions, and per sentence an id and 32 bytes.

    # Parameters

    parts : `Sequence[Part]`
        The parts, which are compared with one another.
    options : `Callable[[str], dict[str, Any]]`, optional
        Gives the options of `read_corpus` for a format, such as a tokenizer.
    progress : `Callable`, optional
        Wraps the sentences of each pass; it also gets the part's path.
    tokenizer : `Callable[[], SpanTokenizer | None]`, optional
        Makes the tokenizer that the model will have, to compare the tokens of formats that give
        them. Default: they are not compared.

    # Raises

    `ValueError`
        If two parts have the same name, or there is no such format.
    """
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise ValueError(f"the parts are named {', '.join(names)}; expected different names")
    errors: list[CorpusFormatError] = []
    statistics = {part.name: PartStatistics() for part in parts}
    total = PartStatistics()
    suspicions = Suspicions()
    detector = Detector(suspicions)
    for part in parts:
        sample: list[Sentence] = []
        with collected_changes() as changes:
            for sentence in progress(_read(part, options, errors.append), part.path):
                statistics[part.name].add(sentence)
                total.add(sentence)
                detector.first_pass(part, sentence)
                if len(sample) < SAMPLE and sentence.tokens:
                    sample.append(sentence)
        statistics[part.name].changes = changes
        if sample and (made := tokenizer()) is not None:
            found = agreement(sample, made)
            statistics[part.name].agreement = found.to_json()
            if found.is_low:
                suspicions.add(
                    "parts whose tokens are not those that the model makes of raw text",
                    f"{part.name}: {found.describe()}",
                )
        if example := _widened(part, statistics[part.name]):
            suspicions.add("parts with many mentions that are not whole tokens", example)
        if example := _lost(part, statistics[part.name]):
            suspicions.add("parts with many relations from one sentence to another", example)
    for part in parts:
        with collected_changes():
            for sentence in progress(_read(part, options, lambda error: None), part.path):
                detector.second_pass(part, sentence, total)
    detector.finish()
    for what, example in chain(_missing_types(statistics), _alike_types(total)):
        suspicions.add(what, example)
    return Report(statistics, errors, suspicions.found())


def _read(
    part: Part,
    options: Callable[[str], dict[str, Any]],
    on_error: Callable[[CorpusFormatError], None],
) -> Iterator[Sentence]:
    """The sentences that can be read. After some errors the rest of the file is lost."""
    try:
        format = part.format or detect_format(part.path)
        # As the reader of the training does.
        known = format_options(format)
        chosen: dict[str, Any] = {"unit": "sentence"} if "unit" in known else {}
        chosen.update(options(format))
        if "on_error" in known:
            chosen = {**chosen, "on_error": on_error}
        yield from read_corpus(part.path, format, **chosen)
    except CorpusFormatError as error:
        on_error(error)


def _widened(part: Part, statistics: PartStatistics) -> str | None:
    """What to say of mentions that became whole tokens, if they are more than a few."""
    count, mentions = statistics.changes[WIDENED], statistics.totals["entities"]
    if count < _MIN_WIDENED or count * 100 <= mentions * _MAX_WIDENED_PERCENT:
        return None
    return (
        f"{part.name}: {count:,} mentions were widened to whole tokens, of {mentions:,} entities "
        f"({100 * count / mentions:.0f} %). Are the offsets shifted? Otherwise a finer tokenizer "
        "may fit: --granularity fine"
    )


def _lost(part: Part, statistics: PartStatistics) -> str | None:
    """What to say of relations that cross the ends of sentences, if they are more than a few."""
    count = sum(statistics.changes[what] for what in LOST_RELATIONS)
    relations = count + statistics.totals["relations"]
    if count < _MIN_LOST or count * 100 <= relations * _MAX_LOST_PERCENT:
        return None
    return (
        f"{part.name}: {count:,} of {relations:,} relations ({100 * count / relations:.0f} %) "
        "cross the end of a sentence and were left out. The reader's unit takes several sentences "
        "at once; if sentences end too early, see --sentence-rules"
    )


def _alike_types(total: PartStatistics) -> Iterator[tuple[str, str]]:
    """Types that differ only in case, white space or punctuation."""
    for types in (total.entities, total.relations):
        groups: dict[str, list[str]] = {}
        for name in sorted(types):
            groups.setdefault(alike(name), []).append(name)
        for names in groups.values():
            if len(names) > 1:
                yield (
                    "types that differ only in case, white space or punctuation",
                    " and ".join(f"{name!r} ({types[name]})" for name in names),
                )


def _missing_types(statistics: dict[str, PartStatistics]) -> Iterator[tuple[str, str]]:
    """Types that some parts have and others lack, as suspicions with examples."""
    for kind in ("entities", "relations"):
        counts = {name: getattr(part, kind) for name, part in statistics.items() if part.totals}
        for type_ in sorted({type_ for types in counts.values() for type_ in types}):
            lacking = [name for name, types in counts.items() if type_ not in types]
            if lacking:
                found = ", ".join(
                    f"{types[type_]} in {name}" for name, types in counts.items() if type_ in types
                )
                what = "entity" if kind == "entities" else "relation"
                yield (
                    f"{what} types that a part lacks",
                    f"{type_}: {found}, none in {' and '.join(lacking)}",
                )
