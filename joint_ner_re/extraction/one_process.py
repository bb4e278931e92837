"""In one process: in constant memory, and an interrupted run goes on.

The output grows in `OUTPUT.part`, one batch of lines after the other; `OUTPUT.part.json` says how
much of it is whole, and of which input and model it is. At the end it takes its name.
"""

import gzip
import hashlib
import json
import logging
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence

from tqdm import tqdm

from joint_ner_re.corpora import WRITABLE, read_corpus, write_corpus
from joint_ner_re.extraction.batches import Item, batches_of, lines_of, opened, predicted_lines
from joint_ner_re.extraction.checks import (
    ExtractionError,
    Summary,
    check_begun,
    check_options,
    model_fingerprint,
)
from joint_ner_re.extraction.streaming import extract_stream, stream_items
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.streams import is_stream
from joint_ner_re.writing import PathLike, lock, write_json

logger = logging.getLogger(__name__)

_BLOCK = 2**20


def extract(
    load: Callable[[], JointPredictor],
    archive: PathLike,
    source: PathLike,
    target: PathLike,
    format: str = "jsonl",
    batch_documents: int = 64,
    relation_threshold: Optional[float] = None,
    resume: bool = True,
    progress: bool = True,
) -> Summary:
    """Predict for each document of `source` and write what `allennlp predict` would.

    Each line of the input has one line in the output, in order: a blank one an empty document,
    and one that cannot be processed `{"id": ..., "error": {"type": ..., "message": ...}, "line":
    n}`.

    # Parameters

    load : `Callable[[], JointPredictor]`
        Loads the model; called once it is clear that the run can begin.
    archive : `str`
        The file or directory that `load` loads, to tell models apart.
    source : `str`
        A file with one text or one JSON object in each line, as `JointPredictor` takes them, or
        a directory with a document in each `.txt` file; compressed with gzip or not.
    target : `str`
        What to write; compressed if its name ends in `.gz`. Where this or the input is a stream,
        such as `/dev/stdin` or a named pipe, nothing can be resumed; see `extract_stream`.
    format : `str`, optional (default = `"jsonl"`)
        A name in `joint_ner_re.corpora.WRITABLE`. Others than `"jsonl"` are made from the whole
        output at the end, without the documents that failed.
    batch_documents : `int`, optional (default = `64`)
        How many documents go through the model together.
    relation_threshold : `float`, optional (default = `None`)
        The least probability of a relation; `None` leaves the model's own.
    resume : `bool`, optional (default = `True`)
        Whether to go on with what an interrupted run has left.
    progress : `bool`, optional (default = `True`)
        Whether to show a progress bar.

    # Raises

    `ExtractionError`
        If an option is impossible, the input is missing or empty, another run is writing, or
        the interrupted run had another input, model or option.
    """
    if format not in WRITABLE:
        known = ", ".join(sorted(WRITABLE))
        raise ExtractionError(f"unknown format {format!r}; expected one of {known}")
    check_options(batch_documents, relation_threshold)
    if is_stream(source) or is_stream(target):
        items = stream_items(source) if is_stream(source) else _Source(source).items(0, 0)
        return extract_stream(
            load, items, target, format, batch_documents, relation_threshold, progress
        )
    documents = _Source(source)
    run = {
        "input": documents.fingerprint,
        "model": model_fingerprint(archive),
        "batch size": batch_documents,
        "relation threshold": relation_threshold,
        "compression": format == "jsonl" and os.fspath(target).endswith(".gz"),
    }
    part = Path(f"{os.fspath(target)}.part")
    with _locked(part) as file:
        state = _State(file, part, run, resume)
        predictor = load()
        if relation_threshold is not None:
            predictor._model.relation_threshold = relation_threshold
        resumed_from = state.documents
        if resumed_from:
            logger.info("%s: going on after %d documents", target, resumed_from)
        items = documents.items(state.documents, state.position)
        with tqdm(
            desc="extracting",
            total=documents.total,
            initial=resumed_from,
            unit=" documents",
            disable=not progress,
        ) as bar:
            for batch in batches_of(items, batch_documents):
                lines, errors = predicted_lines(predictor, batch)
                state.add(lines, errors, batch[-1].next)
                bar.update(len(batch))
    if format == "jsonl":
        os.replace(part, target)
    else:
        options = {"split_sentences": True} if format == "csv" else {}
        write_corpus(read_corpus(part, "jsonl", **options), target, format)
        part.unlink()
    state.path.unlink()
    return Summary(state.documents, state.errors, resumed_from)


class _Source:
    """The documents of the input, counted and fingerprinted in one pass."""

    def __init__(self, path: PathLike) -> None:
        self._path = os.fspath(path)
        self._files: Optional[List[str]] = None
        digest = hashlib.sha256()
        if os.path.isdir(self._path):
            found = sorted(Path(self._path).rglob("*"))
            files = [p for p in found if p.name.endswith((".txt", ".txt.gz")) and p.is_file()]
            for file in files:
                status = file.stat()
                digest.update(f"{file}\n{status.st_size} {status.st_mtime_ns}\n".encode())
            self._files = [str(file) for file in files]
            self.total = len(files)
        else:
            self.total = 0
            last = b"\n"
            with opened(self._path) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    self.total += block.count(b"\n")
                    last = block[-1:]
            self.total += last != b"\n"
        if not self.total:
            what = "no .txt file in this directory" if self._files is not None else "empty"
            raise ExtractionError(f"{self._path}: {what}; expected documents")
        self.fingerprint = digest.hexdigest()

    def items(self, done: int, position: int) -> Iterator[Item]:
        """The documents after the first `done`, which begin at `position`."""
        if self._files is not None:
            for index in range(position, len(self._files)):
                file = self._files[index]
                yield Item(index + 1, b"", index + 1, file, self._name(file))
            return
        with opened(self._path) as stream:
            stream.seek(position)
            yield from lines_of(stream, done)

    def _name(self, file: str) -> str:
        """A file's id: its path in the directory, without `.txt`."""
        name = Path(file).relative_to(self._path).as_posix()
        return name[: name.rindex(".txt")]


class _State:
    """The output so far, and the file beside it that says how far it is whole."""

    def __init__(self, file: BinaryIO, part: Path, run: Dict[str, Any], resume: bool) -> None:
        self.path = part.with_name(f"{part.name}.json")
        self.documents = self.errors = self.position = 0
        self._file = file
        self._part = part
        self._run = run
        size = self._recall(part) if resume and self.path.exists() else 0
        # What comes after the last whole batch is the beginning of the next one.
        file.truncate(size)
        file.seek(size)

    def _recall(self, part: Path) -> int:
        """Take over what the interrupted run says; returns how many bytes are whole."""
        try:
            state = json.loads(self.path.read_text("utf-8"))
            run, done = state["run"], [state[name] for name in _PROGRESS]
            if [type(value) for value in done] != [int] * len(_PROGRESS):
                raise ValueError("expected whole numbers")
        except (ValueError, KeyError, TypeError) as error:
            raise ExtractionError(
                f"{self.path} is damaged ({error}); start over with --no-resume"
            ) from error
        check_begun(part, run, self._run, "--no-resume to start over")
        if part.stat().st_size < done[0]:
            logger.warning("%s is shorter than it was; starting over", part)
            return 0
        size, self.documents, self.errors, self.position = done
        return size

    def add(self, lines: Sequence[str], errors: int, position: int) -> None:
        """Append a batch; the next one begins at this position of the input."""
        content = "".join(lines).encode("utf-8")
        if self._run["compression"]:
            # Members one after the other are a gzip file, too.
            content = gzip.compress(content, mtime=0)
        self.documents += len(lines)
        self.errors += errors
        self.position = position
        try:
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
            done = [self._file.tell(), self.documents, self.errors, self.position]
            write_json(self.path, {"run": self._run, **dict(zip(_PROGRESS, done))})
        except OSError as error:
            # Closing the file writes what the full disk has not taken, and would fail, too.
            with suppress(OSError):
                self._file.close()
            raise ExtractionError(
                f"{self._part} cannot be written: {error.strerror}. When it can be, the same "
                "command goes on"
            ) from error


_PROGRESS = ("bytes", "documents", "errors", "position")


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """The file, which no other run has."""
    with open(part, "a+b") as file:
        try:
            lock(file)
        except BlockingIOError as error:
            raise ExtractionError(f"another run is writing {part}; wait for its end") from error
        yield file
