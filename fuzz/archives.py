"""Loads damaged model archives: each must load or end in one error that names the archive.

All are made from the archive of one tiny model. The kinds of `damaged_archives` come first. Then
bytes are damaged at random: in the packed file, in the tar file, or in one of its members.
"""

import collections
import logging
import os
import re
import resource
import time
import traceback
from pathlib import Path
from random import Random

import damaged_archives
from results import Result
from watch import TooLong, watched

from joint_ner_re.archives import ArchiveError, load_archive

ARCHIVES = 2_000
MAX_MESSAGE = 1000
MAX_MEGABYTES = 1000
ROOT = Path(__file__).parents[1]
PACKAGE = f"{os.sep}joint_ner_re{os.sep}"
COLUMNS = [
    "damaged in",
    "archives",
    "loaded",
    "refused",
    "failed",
    "slowest (s)",
    "memory (MB more)",
]


def run(directory: Path, seed: int, seconds: float) -> Result:
    """See `run.py`."""
    end = time.monotonic() + seconds
    logging.disable(logging.WARNING)
    try:
        parts = damaged_archives.read(_tiny_archive(directory / "tiny"))
        kinds = {
            **{kind: damaged_archives.packed(d(parts)) for kind, (d, _) in
               damaged_archives.CONTENT.items()},
            **{kind: d(parts) for kind, (d, _) in damaged_archives.CONTAINER.items()},
        }  # fmt: skip
        path = directory / "damaged.tar.gz"
        outcomes: dict[str, Outcomes] = collections.defaultdict(Outcomes)
        failures = []
        for number in range(-len(kinds), ARCHIVES):
            if time.monotonic() > end:
                failures.append(f"no time for {ARCHIVES - number} archives")
                break
            if number < 0:
                kind = list(kinds)[number]
                place, content = "the kinds of damaged_archives.py", kinds[kind]
            else:
                kind = f"seed {seed}, number {number}"
                place, content = damaged_archives.at_random(parts, Random(f"{seed} {number}"))
            path.write_bytes(content)
            failure = outcomes[place].try_archive(path)
            if failure is not None:
                kept = directory / f"archive-{re.sub(r'[^a-z0-9]+', '-', kind)}.tar.gz"
                path.replace(kept)
                failures.append(f"{place}, {kind}: {failure}; {kept}")
        path.unlink(missing_ok=True)
    finally:
        logging.disable(logging.NOTSET)
    rows = [outcomes[place].row(place) for place in sorted(outcomes)]
    return Result("Damaged archives", COLUMNS, rows, failures)


class Outcomes:
    """Counts the outcomes of archives that are damaged in the same place."""

    def __init__(self) -> None:
        self.archives = self.loaded = self.refused = self.failed = 0
        self.slowest = self.memory = 0.0

    def row(self, place: str) -> list[object]:
        return [place, self.archives, self.loaded, self.refused, self.failed, self.slowest,
                int(self.memory)]  # fmt: skip

    def try_archive(self, path: Path) -> str | None:
        """What is wrong; `None` if the archive loads or ends in the expected error."""
        self.archives += 1
        begin, memory = time.process_time(), _megabytes()
        failure = None
        try:
            with watched("/") as seen:
                load_archive(path)
            self.loaded += 1
        except ArchiveError as error:
            self.refused += 1
            failure = _wrong(error, path)
        except (Exception, TooLong) as error:
            failure = f"{type(error).__name__}: {error!s:.200}"
        self.slowest = max(self.slowest, time.process_time() - begin)
        self.memory = max(self.memory, _megabytes() - memory)
        ran = [event for event in seen if not event.startswith("open ")]
        if failure is None and any(event not in EXPECTED for event in ran):
            failure = f"it did {ran[0]}"
        if failure is None and _megabytes() - memory > MAX_MEGABYTES:
            failure = f"{_megabytes() - memory:.0f} MB"
        self.failed += failure is not None
        return failure


# Reading an intact archive does this, too: it unpacks into a temporary directory, removes that
# directory, and imports modules of libraries.
EXPECTED = {"os.remove", "os.rename", "exec", "marshal.loads", "code.__new__"}


def _wrong(error: ArchiveError, path: Path) -> str | None:
    """What is wrong with the error, if anything. For example, it may hide a bug of this package."""
    message = str(error)
    if not message.startswith(str(path)) or len(message) > MAX_MESSAGE or "\n" in message:
        return f"the message {message!r:.200}"
    cause = error.__cause__
    if isinstance(cause, (AttributeError, NameError, KeyError, IndexError, UnboundLocalError)):
        innermost = traceback.extract_tb(cause.__traceback__)[-1]
        if PACKAGE in innermost.filename:
            return f"{type(cause).__name__} in {innermost.filename}:{innermost.lineno}: {cause}"
    return None


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _tiny_archive(directory: Path) -> bytes:
    from allennlp.commands.train import train_model_from_file

    import joint_ner_re.plugin  # noqa: F401

    before = os.getcwd()
    os.chdir(ROOT)
    try:
        train_model_from_file(str(ROOT / "fixtures" / "tiny.jsonnet"), directory, force=True)
    finally:
        os.chdir(before)
    return (directory / "model.tar.gz").read_bytes()
