"""Damaged files through every reader of corpora.

Each file either gives valid sentences or raises `CorpusFormatError` with the file, and the line
where there is one. Nothing else may come out, take more than 5 seconds, be run, or be dropped
without a word in the log. Hypothesis makes all random choices, so that a file that fails is made as
plain as it can be and still fail.
"""

import json
import logging
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import hypothesis
from conservation import missing
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky
from hypothesis.strategies import randoms
from mutators import large, mutate
from results import Result
from watch import MAX_SECONDS, LogCounter, TooLong, watched

from joint_ner_re.corpora import (
    FORMATS,
    CorpusFormatError,
    detect_format,
    format_options,
    read_corpus,
)
from joint_ner_re.corpora.folds import read_folds
from joint_ner_re.sentence import Sentence
from joint_ner_re.tokenization import TextTokenizer

FILES = 10_000
# Beside what the process had before: a line of 50 MB is held as bytes, as text and as tokens.
MAX_MEGABYTES = 3000

FIXTURES = Path(__file__).parents[1] / "fixtures"
SOURCES = {
    "ade_neg": "ade_neg.txt",
    "ade_rel": "ade.rel",
    "bioc": "tools/bioc.xml",
    "brat": "own/brat",
    "casrel": "casrel.json",
    "conll": "conll.tsv",
    "conll04_corp": "conll04.corp",
    "ddi": "tools/ddi.xml",
    "doccano": "own/doccano.jsonl",
    "docred": "docred.json",
    "dygie": "dygie.jsonl",
    "gliner": "gliner.json",
    "jsonl": "sentences.jsonl",
    "multihead": "conll04_multihead.txt",
    "prodigy": "own/prodigy.jsonl",
    "pubtator": "tools/pubtator.txt",
    "spert": "conll04_spert.json",
    "tac_adr": "tools/tac_adr.xml",
    # What names the sentences of a split.
    "folds": "ade_folds.json",
    "ids": "conll04_train.ids",
}
assert set(FORMATS) < set(SOURCES)


# Formats whose files are one JSON list.
_JSON_LISTS = ("casrel", "docred", "gliner", "spert")

# Reasons that are not of one line.
_OF_A_WHOLE_FILE = (
    "the file is empty",
    "the gzip file is damaged",
    "the file cannot be read",
    "no .ann file in this directory",
)


class _Figures(NamedTuple):
    """Of one format."""

    files: int
    read: int
    refused: int
    slowest: float
    large: int
    slowest_large: float
    peak_megabytes: int
    seconds: float
    failures: list[str]


def run(directory: Path, seed: int, seconds: float) -> Result:
    """See the top of `run.py`."""
    rows, failures = [], []
    _tokenizers()
    end = time.monotonic() + seconds
    for number, format in enumerate(SOURCES):
        # Some take several times as long as others.
        share = (end - time.monotonic()) / min(len(SOURCES) - number, 3)
        # A process of its own, whose memory is this format's.
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
            campaign = pool.submit(_campaign, format, directory / "parsers", seed, share).result()
        rows.append([format, *campaign[:-1]])
        print(f"  {format}: {campaign.files} files, {campaign.seconds:.0f} s", flush=True)
        failures += campaign.failures
        if campaign.files < FILES and not campaign.failures:
            failures.append(f"{format}: time for {campaign.files} of {FILES} files only")
    columns = ["format", "files", "read", "refused", "slowest (s)", "files with 50 MB lines",
               "slowest of them (s)", "peak memory (MB more)", "seconds"]  # fmt: skip
    return Result("Damaged corpora", columns, rows, failures)


def _campaign(format: str, directory: Path, seed: int, seconds: float) -> _Figures:
    shutil.rmtree(directory / format, ignore_errors=True)
    begin = time.monotonic()
    trial = _Trial(format, directory / format)
    trial.warm_up()
    before = _peak()
    failures: list[str] = []
    outcomes = {"read": 0, "refused": 0}
    slowest = slowest_large = 0.0
    # Twice as many as a good machine has time for would still end in time.
    last = begin + 0.7 * seconds
    failed = False

    @hypothesis.seed(f"{seed}:{format}")
    @hypothesis.settings(
        max_examples=FILES, phases=[Phase.generate, Phase.shrink], database=None, deadline=None,
        suppress_health_check=list(HealthCheck), verbosity=hypothesis.Verbosity.quiet,
        report_multiple_bugs=False,
    )  # fmt: skip
    @hypothesis.given(randoms(use_true_random=False))
    def read_damaged(random: Random) -> None:
        nonlocal slowest, failed
        # A failure is made plainer all the same; Hypothesis takes five minutes for that at most.
        if time.monotonic() > last and not failed:
            return
        damage, content = mutate(trial.original(random), random)
        trial.put(content)
        took, outcome = trial.attempt(random)
        slowest = max(slowest, took)
        failed = failed or outcome not in outcomes
        assert outcome in outcomes, f"{damage}: {outcome}"
        outcomes[outcome] += 1

    try:
        read_damaged()
    except (AssertionError, Flaky) as error:
        # The plainest such file is the last one that was tried.
        failures.append(f"{format} (seed {seed}), {error}: {trial.keep()}")
    files = sum(outcomes.values()) + len(failures)
    count = 0
    for name, content in large(trial.original(Random(0))):
        trial.put(content)
        took, outcome = trial.attempt(Random(count))
        slowest_large = max(slowest_large, took)
        count += 1
        if outcome not in outcomes:
            failures.append(f"{format}, a line of 50 MB ({name}): {outcome}")
    peak = _peak() - before
    if peak > MAX_MEGABYTES:
        failures.append(f"{format}: {peak} MB of memory; expected at most {MAX_MEGABYTES}")
    trial.remove()
    return _Figures(
        files, outcomes["read"], outcomes["refused"], slowest, count, slowest_large, peak,
        time.monotonic() - begin, failures,
    )  # fmt: skip


@cache
def _tokenizers() -> tuple[TextTokenizer, TextTokenizer]:
    """The two that readers use; making them takes longer than a hundred files."""
    return TextTokenizer(granularity="fine"), TextTokenizer()


def _peak() -> int:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class _Trial:
    """One format's damaged files, one after the other, at the same path."""

    def __init__(self, format: str, kept: Path) -> None:
        self._format = format
        self._kept = kept
        # In memory where there is such a place: writing takes longer than reading otherwise.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._directory = Path(tempfile.mkdtemp(dir=memory))
        self._path = self._directory / "file"
        self._log = LogCounter()
        logger = logging.getLogger("joint_ner_re")
        logger.handlers, logger.propagate = [self._log], False
        source = FIXTURES / SOURCES[format]
        if format == "brat":
            names = sorted(source.glob("*.ann"))
            self._documents = [(n.read_bytes(), n.with_suffix(".txt").read_bytes()) for n in names]
            self._path.mkdir()
        else:
            self._content = source.read_bytes()
        self._fine, self._standard = _tokenizers()

    def warm_up(self) -> None:
        """What is imported or compiled at the first use."""
        for random in map(Random, range(3)):
            self.put(self.original(random))
            self.attempt(random)

    def original(self, random: Random) -> bytes:
        """A whole file, of few records, so that many fit into the time."""
        if self._format == "brat":
            self._pair = random.choice(self._documents)
            self._which = random.choice([0, 0, 1])
            return self._pair[self._which]
        if self._format in _JSON_LISTS:
            records = json.loads(self._content)
            chosen = records[: random.randint(1, 3)]
            return json.dumps(chosen, indent=random.choice([None, 1])).encode()
        if self._format in ("folds", "ids", "bioc", "ddi", "tac_adr"):
            return self._content
        blank = b"\n\n"
        separators = {
            "conll": blank, "conll04_corp": blank, "multihead": b"#doc", "pubtator": blank,
        }  # fmt: skip
        separator = separators.get(self._format, b"\n")
        parts = self._content.split(separator)
        if self._format == "conll04_corp":
            # A sentence and its relations.
            return separator.join(parts[: 2 * random.randint(1, 2)]) + separator
        if self._format == "multihead":
            return separator.join(parts[: 1 + random.randint(1, 3)])
        begin = random.randrange(len(parts))
        return separator.join(parts[begin : begin + random.randint(1, 4)]) or parts[0]

    def put(self, content: bytes) -> None:
        """Write the file."""
        self._size = len(content)
        # Of a compressed file nobody knows.
        packed = b"\x1f\x8b" in content[:2]
        self._lines = 10**9 if packed else max(content.count(b"\n") + 1, 50)
        if self._format != "brat":
            self._path.write_bytes(content)
            return
        for number, name in enumerate(("a.ann", "a.txt")):
            (self._path / name).write_bytes(
                content if number == self._which else self._pair[number]
            )

    def attempt(self, random: Random) -> tuple[float, str]:
        """How long it took, and `"read"`, `"refused"` or what went wrong."""
        self._log.counts = []
        # Hypothesis may open files of its own for it.
        other = random.choice([self._by_on_error, self._by_detection, self._by_splitting])
        begin = time.process_time()
        try:
            with watched(str(self._path), str(FIXTURES)) as seen:
                outcome = self._read(other)
        except TooLong:
            outcome = f"not done after {MAX_SECONDS} s"
        except Exception as error:
            outcome = f"{type(error).__name__}: {str(error)[:300]!r}"
        took = time.process_time() - begin
        if seen:
            outcome = f"it did {', '.join(seen[:3])}"
        return took, outcome

    def _read(self, other: Callable[[str], str]) -> str:
        if self._format == "folds":
            return self._outcome(lambda: _check_folds(read_folds(self._path)))
        if self._format == "ids":
            corpus = FIXTURES / SOURCES["conll04_corp"]
            return self._outcome(lambda: list(read_corpus(corpus, "conll04_corp", ids=self._path)))
        sentences: list[Sentence] = []
        options = self._options(self._format)
        outcome = self._outcome(
            lambda: sentences.extend(read_corpus(self._path, self._format, **options))
        )
        if outcome == "read":
            problems = missing(self._format, self._path, sentences, self._log)
            problems += filter(None, map(_invalid, sentences))
            outcome = "; ".join(problems[:3]) or outcome
        if outcome in ("read", "refused") and self._size < 10**6:
            outcome = other(outcome)
        return outcome

    def _options(self, format: str) -> dict[str, Any]:
        if "tokenizer" not in format_options(format):
            return {}
        return {"tokenizer": self._fine if format.startswith("ade") else self._standard}

    def _by_on_error(self, outcome: str) -> str:
        """Where errors are passed over, there must be one exactly where there was one before."""
        if "on_error" not in format_options(self._format):
            return outcome
        errors: list[CorpusFormatError] = []
        options = self._options(self._format)
        again = self._outcome(
            lambda: list(read_corpus(self._path, self._format, on_error=errors.append, **options))
        )
        wrong = [problem for error in errors if (problem := self._wrong(error))]
        if again not in ("read", "refused") or wrong:
            return "; ".join([again, *wrong])
        if (again == "refused" or bool(errors)) != (outcome == "refused"):
            return f"{outcome} without on_error, {len(errors)} errors with it"
        return outcome

    def _by_detection(self, outcome: str) -> str:
        """What the damage has made of the file may look like another format."""
        found = ""

        def read() -> None:
            nonlocal found
            found = detect_format(self._path)
            if found != self._format:
                for _ in read_corpus(self._path, found, **self._options(found)):
                    pass

        again = self._outcome(read)
        return outcome if again in ("read", "refused") else f"as {found}: {again}"

    def _by_splitting(self, outcome: str) -> str:
        """The other way of reading documents: as their sentences or whole."""
        if "unit" not in format_options(self._format):
            return outcome
        options = {
            **self._options(self._format),
            "unit": "sentence" if self._format == "jsonl" else "document",
        }
        again = self._outcome(lambda: list(read_corpus(self._path, self._format, **options)))
        return outcome if again in ("read", "refused") else again

    def _outcome(self, read: Callable[[], Any]) -> str:
        try:
            read()
        except CorpusFormatError as error:
            return self._wrong(error) or "refused"
        return "read"

    def _wrong(self, error: CorpusFormatError) -> str:
        """What an error lacks, if anything."""
        if not error.path.startswith(str(self._path)):
            return f"the error names another file: {error}"
        if not error.reason or len(error.reason) > 2000:
            return f"the error's reason has {len(error.reason)} characters"
        if error.line is None and not error.reason.startswith(_OF_A_WHOLE_FILE):
            return f"the error names no line: {error}"
        if error.line is not None and not 1 <= error.line <= self._lines:
            return f"the error names line {error.line} of {self._lines}"
        return ""

    def keep(self) -> Path:
        """A copy of the file that stays."""
        self._kept.mkdir(parents=True, exist_ok=True)
        target = self._kept / "failed"
        copy = shutil.copytree if self._path.is_dir() else shutil.copyfile
        return Path(copy(self._path, target))

    def remove(self) -> None:
        shutil.rmtree(self._directory)


def _check_folds(folds: Sequence[Sequence[str]]) -> None:
    names = [name for fold in folds for name in fold]
    assert len(set(names)) == len(names) and all(isinstance(name, str) for name in names)


def _invalid(sentence: Sentence) -> str:
    """What is wrong with a sentence: it must be the same again when it was written and read."""
    text = json.dumps(sentence.to_json(), ensure_ascii=False, allow_nan=False)
    if Sentence.from_json(json.loads(text.encode("utf-8"))) != sentence:
        return f"not the same after writing and reading: {sentence!r:.300}"
    return "" if sentence.source else f"no source: {sentence!r:.300}"
