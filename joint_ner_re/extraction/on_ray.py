"""Extraction on one machine or many, by Ray Data; an interrupted run resumes.

The input is cut into blocks. Block n becomes `part-n.jsonl` of the output directory, which appears
when it is complete; `_run/n.json` then notes its size. `_run/run.json` says from which input and
model the directory is made, and `_SUCCESS` that nothing is missing.
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
from joint_ner_re.extraction.blocks import Block, CutFile, cut_file, input_files, items_of
from joint_ner_re.extraction.checks import (
    ExtractionError,
    Summary,
    check_options,
    content_fingerprint,
    model_fingerprint,
)
from joint_ner_re.extraction.source import FileState, file_state
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.resumable import ResumeError, claimed, compare_settings, read_settings
from joint_ner_re.writing import PathLike, replacing, write_json

logger = logging.getLogger(__name__)

# Ray keeps records of every task; where there are more blocks, a task has several.
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
    address: str | None = None,
    progress: bool = True,
) -> Summary:
    """Predict for each document of `source`, in as many processes as asked for.

    Put together in the order of their names, the files `part-*.jsonl` hold what `extract` writes:
    a line for each document, in order. With a `target` that holds a part of this run's output,
    only what is missing is done.

    # Parameters

    archive : `str`
        The model, under a path that leads to it on every machine.
    source : `str`
        Files of lines or Parquet files, as `input_files` finds them; on every machine, too.
    target : `str`
        The directory to write, which every machine sees.
    workers : `int`, optional (default = `1`)
        How many processes hold the model.
    cpus_per_worker, gpus_per_worker : `float`, optional
        What each of them has, 1 CPU and no GPU by default. Half a GPU is 0.5.
    batch_documents : `int`, optional (default = `64`)
        How many documents go through the model together.
    block_documents : `int`, optional (default = `2000`)
        How many documents are a block: so many are lost, for each worker, by an interruption.
    relation_threshold : `float`, optional (default = `None`)
        The least probability of a relation; `None` leaves the model's own.
    address : `str`, optional (default = `None`)
        The cluster: `None` is what the environment variable RAY_ADDRESS says and, without it,
        this machine. A connection to Ray that this process already has is used as it is.
    progress : `bool`, optional (default = `True`)
        Whether to show a progress bar.

    # Raises

    `ExtractionError`
        If Ray is not installed, an option is out of range, the input is missing or empty, or it
        changes during the run.
    `ResumeError`
        If another process is writing the directory, or it holds something else.
    """
    check_options(batch_documents, relation_threshold)
    _check_numbers(workers, cpus_per_worker, gpus_per_worker, block_documents)
    files = input_files(os.fspath(source))
    model = model_fingerprint(archive)
    output = _Output(target)
    with output.locked(), _connected(address) as ray:
        states = {file: file_state(file) for file in files}
        found = _cut(ray, files, block_documents)
        blocks = [
            Block(number, *rest)
            for number, rest in enumerate(
                (file, one_file.file_bytes, *one)
                for file, one_file in zip(files, found)
                for one in one_file.cuts
            )
        ]
        if not blocks:
            raise ExtractionError(f"{source}: empty; expected documents")
        output.begin(
            {
                "input": [
                    [os.path.basename(file), one_file.fingerprint]
                    for file, one_file in zip(files, found)
                ],
                "model": model,
                "batch size": batch_documents,
                "block size": block_documents,
                "relation threshold": relation_threshold,
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
        fingerprints = {file: one_file.fingerprint for file, one_file in zip(files, found)}
        output.check_input(blocks, states, fingerprints)
        return output.finish(blocks, resumed_from)


def _cut(ray: Any, files: list[str], size: int) -> list[CutFile]:
    """What is in each file. Reading a large corpus once takes time, too: the cluster does it."""
    if len(files) == 1:
        return [cut_file(files[0], size)]
    cut = ray.remote(num_cpus=1)(cut_file)
    return ray.get([cut.remote(file, size) for file in files])


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
    """Ray, connected to a cluster; one that was begun here ends with the block."""
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
    """Have the blocks done; the number of documents of each that is."""
    if not blocks:
        return
    # Where a block is, not what is in it: workers read for themselves.
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
    """Without Ray Data's own bars and notes, which would stand between ours."""
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
    """A process of Ray's that holds the model."""

    def __init__(
        self,
        archive: str,
        target: str,
        cuda_device: int,
        batch_documents: int,
        relation_threshold: float | None,
    ) -> None:
        self._predictor = load_predictor(archive, cuda_device)
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
        for batch in batches_of(items_of(block), self._batch_documents):
            yield predicted_lines(self._predictor, batch)


def _changed(file: str, what: str) -> ExtractionError:
    return ExtractionError(
        f"{file} has changed while it was read: {what}. With the input of then the same command "
        "resumes; with the new one, give another directory"
    )


class _Output:
    """The directory that is written."""

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
        """Note the settings of the run, or compare them with those it was begun with."""
        path = self._notes / "run.json"
        begun = read_settings(path, _OTHER_DIRECTORY)
        if begun is None:
            write_json(path, run)
        else:
            compare_settings(self._directory, begun, run, _OTHER_DIRECTORY)

    def write(self, block: Block, batches: Iterator[Any]) -> None:
        """Write the file of a block from its lines, batch by batch, and the errors in each."""
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
        """Make sure at the end that the input is as it was; blocks of other files count as undone.

        Files whose size and time are the same are not read again.
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
                raise _changed(file, "its content is another one than at the start")

    def counts(self, block: Block) -> dict[str, int] | None:
        """What `write` counted, if it finished and the file is still there."""
        try:
            counts = json.loads(self._note(block).read_text("utf-8"))
            whole = self._part(block).stat().st_size == counts["bytes"]
            return counts if whole and counts["documents"] == block.documents else None
        except (OSError, ValueError, KeyError, TypeError):
            # The block is done again, which costs little.
            return None

    def missing(self, blocks: list[Block]) -> list[Block]:
        """The blocks that are not done."""
        left = [block for block in blocks if self.counts(block) is None]
        if left and self._success.exists():
            self._success.unlink()
        return left

    def finish(self, blocks: list[Block], resumed_from: int) -> Summary:
        """Check that nothing is missing, and say so in `_SUCCESS`."""
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
