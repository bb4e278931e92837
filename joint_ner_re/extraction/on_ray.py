"""Extraction on one machine or many, with Ray Data. An interrupted run resumes.

The input is cut into blocks. Block n becomes `part-n.jsonl` in the output directory. The file
appears when it is complete, and `_run/n.json` records its size. `_run/run.json` records the input
and model of the run. `_SUCCESS` appears when all files are complete.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
from tqdm import tqdm

from joint_ner_re.extraction.batches import batches_of, predicted_lines
from joint_ner_re.extraction.blocks import Block, CutFile, cut_file, documents_in, input_files
from joint_ner_re.extraction.checks import (
    ExtractionError,
    Summary,
    check_options,
    content_fingerprint,
    model_fingerprint,
)
from joint_ner_re.extraction.source import FileState, file_state
from joint_ner_re.extractor import load_any
from joint_ner_re.resumable import ResumeError, claimed, compare_settings, read_settings
from joint_ner_re.runtime.files import is_exported, needs_torch
from joint_ner_re.spacy_import import import_spacy
from joint_ner_re.writing import PathLike, replacing, write_json

logger = logging.getLogger(__name__)

# Ray keeps records of every task, so a task has several blocks if there are more than this.
_MAX_TASKS = 10_000
_OTHER_DIRECTORY = "give another directory"


def extract_on_ray(
    archive: PathLike,
    source: PathLike,
    target: PathLike,
    workers: int = 1,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    batch_documents: int = 64,
    block_documents: int = 2000,
    relation_threshold: float | None = None,
    text_column: str | None = None,
    address: str | None = None,
    progress: bool = True,
) -> Summary:
    """Predict for each document of `source`, in several processes.

    The files `part-*.jsonl`, sorted by name, together hold the output of `extract`: a line for each
    document, in order. If `target` holds some of this run's output, only the rest is predicted.

    # Parameters

    archive : `str`
        The model, an archive or an exported directory, under a path that is valid on every machine.
    source : `str`
        Files of lines or Parquet files, as `input_files` finds them, on every machine.
    target : `str`
        The directory to write, which every machine can access.
    workers : `int`, optional (default = `1`)
        The number of processes with a copy of the model.
    cpus_per_worker, gpus_per_worker : `float`, optional
        CPUs and GPUs for each process, by default 1 CPU and no GPU. Half a GPU is 0.5. An exported
        model uses as many threads as it has CPUs, and no GPU.
    batch_documents : `int`, optional (default = `64`)
        How many documents go through the model together.
    block_documents : `int`, optional (default = `2000`)
        The number of documents in a block. An interruption loses at most this many per worker.
    relation_threshold : `float`, optional (default = `None`)
        The least probability of a relation. Default: the model's own.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for tables.
    address : `str`, optional (default = `None`)
        The cluster. Default: the environment variable RAY_ADDRESS or, without it, this machine. If
        this process is already connected to Ray, that connection is used.
    progress : `bool`, optional (default = `True`)
        Whether to show a progress bar.

    # Raises

    `ExtractionError`
        If Ray is not installed, an option is out of range, an exported model should use a GPU, or
        the input is missing, empty or changes during the run.
    `ResumeError`
        If another process is writing the directory, or it does not belong to this run.
    """
    check_options(batch_documents, relation_threshold)
    _check_numbers(workers, cpus_per_worker, gpus_per_worker, block_documents)
    if gpus_per_worker and is_exported(archive):
        raise ExtractionError(
            f"gpus_per_worker is {gpus_per_worker}, but {archive} is an exported model, which runs "
            "on the CPU; expected 0, or the archive"
        )
    files = input_files(os.fspath(source))
    model = model_fingerprint(archive)
    output = _Output(target)
    with output.locked(), _connected(address) as ray:
        states = {file: file_state(file) for file in files}
        cut_files = dict(zip(files, _cut(ray, files, block_documents, text_column)))
        blocks = _numbered(cut_files)
        if not blocks:
            raise ExtractionError(f"{source}: empty; expected documents")
        output.begin(
            {
                "input": [
                    [os.path.basename(file), cut.fingerprint] for file, cut in cut_files.items()
                ],
                "model": model,
                "batch size": batch_documents,
                "block size": block_documents,
                "relation threshold": relation_threshold,
                # Runs without it resume as before.
                **({"text column": text_column} if text_column is not None else {}),
            }
        )
        left = output.missing(blocks)
        total = sum(block.documents for block in blocks)
        resumed_from = total - sum(block.documents for block in left)
        if resumed_from:
            logger.info("%s: resuming after %d documents", target, resumed_from)
        results = _predict(
            ray,
            left,
            min(workers, len(left)),
            {"num_cpus": cpus_per_worker, "num_gpus": gpus_per_worker},
            {
                "archive": os.path.abspath(archive),
                "target": os.path.abspath(target),
                "cuda_device": 0 if gpus_per_worker else -1,
                "batch_documents": batch_documents,
                "relation_threshold": relation_threshold,
                "text_column": text_column,
                "threads": max(1, int(cpus_per_worker)),
            },
        )
        with tqdm(
            desc="extracting",
            total=total,
            initial=resumed_from,
            unit=" documents",
            disable=not progress,
        ) as bar:
            for documents in results:
                bar.update(documents)
        output.check_input(
            blocks, states, {file: cut.fingerprint for file, cut in cut_files.items()}
        )
        return output.finish(blocks, resumed_from)


def _cut(ray: Any, files: list[str], size: int, text_column: str | None) -> list[CutFile]:
    """Cut each file, on the cluster, because reading a large corpus takes time."""
    if len(files) == 1:
        return [cut_file(files[0], size, text_column)]
    cut = ray.remote(num_cpus=1)(cut_file)
    return ray.get([cut.remote(file, size, text_column) for file in files])


def _numbered(cut_files: dict[str, CutFile]) -> list[Block]:
    """The blocks of all files, by file name, with their numbers."""
    blocks = [
        (file, cut.file_bytes, *block) for file, cut in cut_files.items() for block in cut.cuts
    ]
    return [Block(number, *block) for number, block in enumerate(blocks)]


def _check_numbers(workers: int, cpus: float, gpus: float, block_documents: int) -> None:
    for name, value in (("workers", workers), ("block_documents", block_documents)):
        if value < 1:
            raise ExtractionError(f"{name} is {value}; expected 1 or more")
    if cpus <= 0:
        raise ExtractionError(f"cpus_per_worker is {cpus}; expected more than 0")
    if gpus < 0:
        raise ExtractionError(f"gpus_per_worker is {gpus}; expected 0 or more")


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster. A connection that was opened here is closed after the block."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ExtractionError(
            f"this needs Ray Data ({error}): pip install 'joint_ner_re[ray]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False, **options)
    except ConnectionError as error:
        raise ExtractionError(f"there is no Ray cluster at {address}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _predict(
    ray: Any,
    blocks: list[Block],
    workers: int,
    resources: dict[str, float],
    options: dict[str, Any],
) -> Iterator[int]:
    """Have the workers write the blocks; yields the number of documents of each finished one."""
    if not blocks:
        return
    # Only the places of blocks are sent: workers read the content themselves.
    places = [{"block": json.dumps(block)} for block in blocks]
    with _quiet(ray):
        results = ray.data.from_items(
            places, override_num_blocks=min(len(places), _MAX_TASKS)
        ).map_batches(
            _Worker,
            batch_size=1,
            fn_constructor_kwargs=options,
            compute=ray.data.ActorPoolStrategy(size=workers),
            **resources,
        )
        for row in results.iter_rows():
            yield int(row["documents"])


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Hides Ray Data's own progress bars and messages, which would disturb ours."""
    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, log.level
    context.enable_progress_bars = False
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = before[0]
        log.setLevel(before[1])


class _Worker:
    """A Ray worker with a copy of the model."""

    def __init__(
        self,
        archive: str,
        target: str,
        cuda_device: int,
        batch_documents: int,
        relation_threshold: float | None,
        text_column: str | None = None,
        threads: int = 1,
    ) -> None:
        self._text_column = text_column
        if not needs_torch(archive):
            import_spacy(with_torch=False)
        self._predictor = load_any(archive, cuda_device, threads)
        if relation_threshold is not None:
            self._predictor.relation_threshold = relation_threshold
        self._output = _Output(target)
        self._batch_documents = batch_documents

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        blocks = [Block(*json.loads(str(text))) for text in rows["block"]]
        for block in blocks:
            self._output.write(block, self._lines(block))
        return {"documents": numpy.array([block.documents for block in blocks])}

    def _lines(self, block: Block) -> Iterator[Any]:
        for batch in batches_of(documents_in(block, self._text_column), self._batch_documents):
            yield predicted_lines(self._predictor, batch)


def _changed(file: str, what: str) -> ExtractionError:
    return ExtractionError(
        f"{file} has changed while it was read: {what}. Restore the old input and run the same "
        "command to resume; for the new input, give another directory"
    )


class _Output:
    """The output directory."""

    def __init__(self, directory: PathLike) -> None:
        self._directory = Path(directory)
        self._notes = self._directory / "_run"
        self._success = self._directory / "_SUCCESS"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """In the block, no other process writes the directory."""
        if not self._notes.exists() and self._directory.exists() and any(self._directory.iterdir()):
            raise ResumeError(
                f"{self._directory} is not empty and was not begun by extract-ray; "
                f"{_OTHER_DIRECTORY}"
            )
        with claimed(self._notes / "lock", self._directory):
            yield

    def begin(self, run: dict[str, Any]) -> None:
        """Record the settings of the run, or compare them with those recorded."""
        path = self._notes / "run.json"
        begun = read_settings(path, _OTHER_DIRECTORY)
        if begun is None:
            write_json(path, run)
        else:
            compare_settings(self._directory, begun, run, _OTHER_DIRECTORY)

    def write(self, block: Block, batches: Iterator[Any]) -> None:
        """Write the file of a block from batches, each with its lines and its number of errors."""
        counts = {"documents": 0, "errors": 0}
        with replacing(self._part(block), "wb") as file:
            for lines, errors in batches:
                file.write("".join(lines).encode("utf-8"))
                counts["documents"] += len(lines)
                counts["errors"] += errors
            now = os.path.getsize(block.file)
            if counts["documents"] != block.documents or now != block.file_bytes:
                raise _changed(
                    block.file,
                    f"after document {block.before:,} there are {counts['documents']:,} of "
                    f"{block.documents:,} documents, and the file has {now:,} bytes instead of "
                    f"{block.file_bytes:,}",
                )
            size = file.tell()
        write_json(self._note(block), {**counts, "bytes": size})

    def check_input(
        self,
        blocks: list[Block],
        states: dict[str, FileState | None],
        fingerprints: dict[str, str],
    ) -> None:
        """Make sure at the end that the input has not changed.

        Files with the same size and modification time are not read again. The blocks of a changed
        file count as not done.
        """
        for file, state in states.items():
            if file_state(file) == state:
                continue
            try:
                same = content_fingerprint(file) == fingerprints[file]
            except FileNotFoundError:
                same = False
            if not same:
                for block in blocks:
                    if block.file == file:
                        self._note(block).unlink(missing_ok=True)
                raise _changed(file, "its content differs from that at the start")

    def counts(self, block: Block) -> dict[str, int] | None:
        """The counts that `write` recorded, if it finished and the file still exists."""
        try:
            counts = json.loads(self._note(block).read_text("utf-8"))
            is_complete = self._part(block).stat().st_size == counts["bytes"]
            return counts if is_complete and counts["documents"] == block.documents else None
        except (OSError, ValueError, KeyError, TypeError):
            # Predicting the block again costs little.
            return None

    def missing(self, blocks: list[Block]) -> list[Block]:
        """The blocks that are not done."""
        left = [block for block in blocks if self.counts(block) is None]
        if left and self._success.exists():
            self._success.unlink()
        return left

    def finish(self, blocks: list[Block], resumed_from: int) -> Summary:
        """Check that no block is missing, and write `_SUCCESS`."""
        documents = errors = 0
        for block in blocks:
            counts = self.counts(block)
            if counts is None:
                raise ExtractionError(
                    f"{self._part(block)} is missing or not complete; run the same command again"
                )
            documents += counts["documents"]
            errors += counts["errors"]
        write_json(
            self._success,
            {"files": len(blocks), "documents": documents, "errors": errors},
        )
        return Summary(documents, errors, resumed_from)

    def _part(self, block: Block) -> Path:
        return self._directory / f"part-{block.number:08}.jsonl"

    def _note(self, block: Block) -> Path:
        return self._notes / f"{block.number:08}.json"
