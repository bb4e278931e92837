"""Predictions for many documents: in constant memory, and an interrupted run goes on.

The output grows in `OUTPUT.part`, one batch of lines after the other; `OUTPUT.part.json` says how
much of it is whole, and of which input and model it is. At the end it takes its name.
"""

import gzip
import hashlib
import json
import logging
import os
import zlib
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    cast,
)

import torch
from allennlp.common.util import JsonDict
from tqdm import tqdm

from joint_ner_re.corpora import WRITABLE, read_corpus, write_corpus
from joint_ner_re.corpora.files import read_document
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.writing import PathLike, lock, write_json

logger = logging.getLogger(__name__)

_GZIP = b"\x1f\x8b"
_BLOCK = 2**20
# Nobody's document; whatever it is, it shall not fill the memory.
_MAX_LINE_BYTES = 2**26


class ExtractionError(ValueError):
    """A run that cannot begin or go on: the message says why, and what to do."""


class Summary(NamedTuple):
    """What a run has done: all documents, those of them that failed, those done by runs before."""

    documents: int
    errors: int
    resumed_from: int


class _Item(NamedTuple):
    """One document of the input, as bytes of a line or as the file that holds it."""

    number: int
    content: bytes
    file: str
    # Where the next one begins: a byte of the file, or an index of the directory's files.
    next: int


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
        What to write; compressed if its name ends in `.gz`.
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
    if batch_documents < 1:
        raise ExtractionError(f"batch_documents is {batch_documents}; expected 1 or more")
    if relation_threshold is not None and not 0 <= relation_threshold <= 1:
        raise ExtractionError(f"relation_threshold is {relation_threshold}; expected 0 to 1")
    documents = _Source(source)
    run = {
        "input": documents.fingerprint,
        "model": _fingerprint(archive),
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
            for batch in _batches(items, batch_documents):
                outputs = _outputs(predictor, documents, batch)
                lines = [predictor.dump_line(output) for output in outputs]
                state.add(lines, sum("error" in output for output in outputs), batch[-1].next)
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
            with self._opened() as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    self.total += block.count(b"\n")
                    last = block[-1:]
            self.total += last != b"\n"
        if not self.total:
            what = "no .txt file in this directory" if self._files is not None else "empty"
            raise ExtractionError(f"{self._path}: {what}; expected documents")
        self.fingerprint = digest.hexdigest()

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with open(self._path, "rb") as file:
                packed = file.peek(2)[:2] == _GZIP
                yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ExtractionError(f"{self._path}: the gzip file is damaged ({error})") from error
        except OSError as error:
            raise ExtractionError(f"{self._path}: cannot be read ({error})") from error

    def items(self, done: int, position: int) -> Iterator[_Item]:
        """The documents after the first `done`, which begin at `position`."""
        if self._files is not None:
            for index in range(position, len(self._files)):
                yield _Item(index + 1, b"", self._files[index], index + 1)
            return
        with self._opened() as stream:
            stream.seek(position)
            number = done
            while True:
                line = stream.readline(_MAX_LINE_BYTES)
                if not line:
                    return
                number += 1
                whole = line
                while len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
                    line = stream.readline(_MAX_LINE_BYTES)
                yield _Item(number, whole, "", stream.tell())

    def name(self, file: str) -> str:
        """A file's id: its path in the directory, without `.txt`."""
        name = Path(file).relative_to(self._path).as_posix()
        return name[: name.rindex(".txt")]

    def record(self, predictor: JointPredictor, item: _Item) -> JsonDict:
        """The document as the predictor takes it.

        # Raises

        `ValueError`
            If it is not UTF-8, too long, or begins like a JSON object but is none.
        """
        if item.file:
            return {"id": self.name(item.file), "text": read_document(item.file)}
        if len(item.content) == _MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {_MAX_LINE_BYTES} bytes")
        try:
            return predictor.load_line(item.content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"byte {error.start + 1} of the line is not UTF-8; convert the file, for example "
                "with iconv -f LATIN1 -t UTF-8"
            ) from error


class _State:
    """The output so far, and the file beside it that says how far it is whole."""

    def __init__(self, file: BinaryIO, part: Path, run: Dict[str, Any], resume: bool) -> None:
        self.path = part.with_name(f"{part.name}.json")
        self.documents = self.errors = self.position = 0
        self._file = file
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
        other = [name for name in self._run if run.get(name) != self._run[name]]
        if other:
            raise ExtractionError(
                f"{part} was begun with another {' and another '.join(other)}; give the same as "
                "then to go on, or --no-resume to start over"
            )
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
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.documents += len(lines)
        self.errors += errors
        self.position = position
        done = [self._file.tell(), self.documents, self.errors, self.position]
        write_json(self.path, {"run": self._run, **dict(zip(_PROGRESS, done))})


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


def _batches(items: Iterator[_Item], size: int) -> Iterator[List[_Item]]:
    return iter(lambda: list(islice(items, size)), [])


def _outputs(predictor: JointPredictor, source: _Source, batch: List[_Item]) -> List[JsonDict]:
    """One output for each document, in order."""
    outputs: Dict[int, JsonDict] = {}
    records: Dict[int, JsonDict] = {}
    for item in batch:
        try:
            records[item.number] = source.record(predictor, item)
        except (ValueError, RecursionError) as error:
            name = source.name(item.file) if item.file else ""
            outputs[item.number] = _failure(item.number, name, error)
    outputs.update(_predicted(predictor, records))
    return [outputs[item.number] for item in batch]


def _predicted(predictor: JointPredictor, records: Dict[int, JsonDict]) -> Dict[int, JsonDict]:
    """The outputs by number. Where some cannot be had, the batch is halved to get the others."""
    if not records:
        return {}
    try:
        return dict(zip(records, predictor.predict_batch_json(list(records.values()))))
    except Exception as error:
        if not _is_of_the_documents(error):
            raise
        # Without the traceback, which holds on to the tensors.
        failure = error.with_traceback(None)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    numbers = list(records)
    if len(numbers) == 1:
        name = records[numbers[0]].get("id")
        return {numbers[0]: _failure(numbers[0], "" if name is None else str(name), failure)}
    middle = len(numbers) // 2
    return {
        number: output
        for half in (numbers[:middle], numbers[middle:])
        for number, output in _predicted(predictor, {n: records[n] for n in half}).items()
    }


def _is_of_the_documents(error: Exception) -> bool:
    """Whether other documents may fare better: too little memory, or a malformed document."""
    if isinstance(error, (ValueError, MemoryError, RecursionError)):
        return True
    # Neither PyTorch's class nor its words are the same in all versions.
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "allocate memory" in message
    )


def _failure(number: int, name: str, error: Exception) -> JsonDict:
    details = {"type": type(error).__name__, "message": str(error)}
    return {"id": name, "error": details, "line": number}


def _fingerprint(archive: PathLike) -> str:
    """Of the content of a file, or of all files in a directory."""
    path = Path(archive)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        try:
            with open(file, "rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise ExtractionError(f"the model {archive} cannot be read: {error}") from error
    return digest.hexdigest()
