"""Extraction in one process, in constant memory. An interrupted run resumes.

Each batch is appended to `OUTPUT.part`. `OUTPUT.part.json` records how much of this file is
complete, and the input and model of the run. At the end `OUTPUT.part` becomes `OUTPUT`.
"""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from joint_ner_re.corpora import WRITABLE
from joint_ner_re.documents import DocumentPredictor
from joint_ner_re.extraction.batches import batches_of, predicted_lines
from joint_ner_re.extraction.checks import (
    ExtractionError,
    Summary,
    check_options,
    model_fingerprint,
)
from joint_ner_re.extraction.source import Source
from joint_ner_re.extraction.streaming import convert_output, extract_stream, stream_documents
from joint_ner_re.resumable import claimed, compare_settings, damaged, read_settings
from joint_ner_re.streams import is_stream
from joint_ner_re.writing import PathLike, named, remove, write_json

logger = logging.getLogger(__name__)

_PROGRESS = ("bytes", "documents", "errors", "position")
_START_OVER = "start over with --no-resume"


def extract(
    load: Callable[[], DocumentPredictor],
    archive: PathLike,
    source: PathLike,
    target: PathLike,
    format: str = "jsonl",
    batch_documents: int = 64,
    relation_threshold: float | None = None,
    resume: bool = True,
    progress: bool = True,
    text_column: str | None = None,
    table: Mapping[str, Any] | None = None,
    overwrite: bool = True,
) -> Summary:
    """Predict for each document of `source` and write the same output as `allennlp predict`.

    The output has one line for each line of the input, in the same order. A blank line is an empty
    document. The line of a document that cannot be processed is
    `{"id": ..., "error": {"type": ..., "message": ...}, "line": n}`.

    # Parameters

    load : `Callable[[], DocumentPredictor]`
        Loads the model. It is called after all checks of the input and output.
    archive : `str`
        The file or directory that `load` loads; its fingerprint identifies the model.
    source : `str`
        A file that `joint_ner_re.extraction.inputs` recognises, such as one with a text or a JSON
        object in each line, or a directory with a document in each `.txt` file. Files may be
        compressed with gzip.
    target : `str`
        The file to write, compressed if its name ends in `.gz`. If this or the input is a stream,
        such as `/dev/stdin` or a named pipe, the run cannot be resumed; see `extract_stream`.
    format : `str`, optional (default = `"jsonl"`)
        A name in `joint_ner_re.corpora.WRITABLE`. Other formats than `"jsonl"` are made from the
        complete output at the end; `OUTPUT.errors.jsonl` beside it names the documents that failed.
    batch_documents : `int`, optional (default = `64`)
        How many documents go through the model together.
    relation_threshold : `float`, optional (default = `None`)
        The least probability of a relation. Default: the model's own.
    resume : `bool`, optional (default = `True`)
        Whether to resume an interrupted run.
    table : `Mapping[str, Any]`, optional (default = `None`)
        For CSV: `entities`, the path of a second table, and `mark`, whether the files begin with
        the mark that Excel needs.
    overwrite : `bool`, optional (default = `True`)
        Whether the finished output of another run may be replaced.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for a table. Default: `text`, `sentence` or the only one.
    progress : `bool`, optional (default = `True`)
        Whether to show a progress bar.

    # Raises

    `ExtractionError`
        If an option is out of range, the output exists and may not be replaced, the input is
        missing or empty, or the input changes while it is read.
    `ResumeError`
        If another process is writing the output, or the interrupted run had another input, model
        or option.
    `OSError`
        If the output cannot be written.
    """
    if format not in WRITABLE:
        known = ", ".join(sorted(WRITABLE))
        raise ExtractionError(f"unknown format {format!r}; expected one of {known}")
    check_options(batch_documents, relation_threshold)
    if not is_stream(target):
        _check_replaceable(target, format, overwrite, (table or {}).get("entities"))
    if is_stream(source) or is_stream(target):
        if is_stream(source):
            stream = stream_documents(source, text_column)
        else:
            stream = Source(source, text_column).documents()
        return extract_stream(
            load, stream, target, format, batch_documents, relation_threshold, progress, table
        )
    input = Source(source, text_column)
    run = {
        "input": input.fingerprint,
        "model": model_fingerprint(archive),
        "batch size": batch_documents,
        "relation threshold": relation_threshold,
        # Runs without it resume as before.
        **({"text column": text_column} if text_column is not None else {}),
        "compression": format == "jsonl" and os.fspath(target).endswith(".gz"),
    }
    part = Path(f"{os.fspath(target)}.part")
    lock = part.with_name(f".{Path(target).name}.lock")
    with claimed(lock, target, remove=True), open(part, "a+b") as file:
        state = _State(file, part, run, resume)
        predictor = load()
        if relation_threshold is not None:
            predictor.relation_threshold = relation_threshold
        resumed_from = state.documents
        if resumed_from:
            logger.info("%s: resuming after %d documents", target, resumed_from)
        documents = input.documents(state.documents, state.position)
        with tqdm(
            desc="extracting",
            total=input.total,
            initial=resumed_from,
            unit=" documents",
            disable=not progress,
        ) as bar:
            for batch in batches_of(documents, batch_documents):
                lines, errors = predicted_lines(predictor, batch)
                # Check before recording the batch, so that it comes from the unchanged input.
                input.check_unchanged(batch, state.documents)
                state.add(lines, errors, batch[-1].next)
                bar.update(len(batch))
        input.check_complete(state.documents)
        if format == "jsonl":
            os.replace(part, target)
        else:
            convert_output(part, target, format, table)
            part.unlink()
        remove(state.path)
    return Summary(state.documents, state.errors, resumed_from)


def _check_replaceable(
    target: PathLike, format: str, overwrite: bool, entities: PathLike | None
) -> None:
    """Make sure that no finished output is lost, before the model is loaded."""
    path = Path(target)
    if path.is_dir() and (format != "brat" or any(path.iterdir())):
        raise ExtractionError(
            f"{target} is a directory"
            f"{' that is not empty' if format == 'brat' else ''}; give another name"
        )
    if overwrite or Path(f"{os.fspath(target)}.part.json").exists():
        return
    for file in [target] if entities is None else [target, entities]:
        if os.path.isfile(file):
            raise ExtractionError(
                f"{os.fspath(file)} exists, perhaps with the output of another model; give "
                "--overwrite to replace it, or another name"
            )


class _State:
    """The output so far, and the file that records how much of it is complete."""

    def __init__(self, file: BinaryIO, part: Path, run: dict[str, Any], resume: bool) -> None:
        self.path = part.with_name(f"{part.name}.json")
        self.documents = self.errors = self.position = 0
        self._file = file
        self._part = part
        self._run = run
        size = self._recall(part) if resume and self.path.exists() else 0
        # Remove an incomplete batch after the last recorded one.
        file.truncate(size)
        file.seek(size)

    def _recall(self, part: Path) -> int:
        """Restore the state of an interrupted run; returns how many bytes of its output to keep."""
        state = read_settings(self.path, _START_OVER)
        assert state is not None, "only called if the file exists"
        run: Any = state.get("run")
        done: list[Any] = [state.get(name) for name in _PROGRESS]
        if not isinstance(run, dict) or [type(value) for value in done] != [int] * len(_PROGRESS):
            raise damaged(self.path, f"expected the numbers {', '.join(_PROGRESS)}", _START_OVER)
        compare_settings(part, run, self._run, _START_OVER)
        if part.stat().st_size < done[0]:
            logger.warning("%s is shorter than it was; starting over", part)
            return 0
        size, self.documents, self.errors, self.position = done
        return size

    def add(self, lines: Sequence[str], errors: int, position: int) -> None:
        """Append a batch. `position` is where the next batch begins in the input."""
        content = "".join(lines).encode("utf-8")
        if self._run["compression"]:
            # Several gzip members in a row are a valid gzip file.
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
            # Closing the file tries to write the rest to the full disk, and fails, too.
            with suppress(OSError):
                self._file.close()
            reason = named(error, self._part, len(content)).strerror
            raise ExtractionError(
                f"{self._part} cannot be written: {reason}. Solve this and run the same command to "
                "resume"
            ) from error
