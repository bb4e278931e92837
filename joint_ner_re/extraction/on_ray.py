"""On one machine or many, by Ray Data; what is done when a run is interrupted stays done.

The input is cut into blocks. Block n becomes `part-n.jsonl` of the output directory, which is there
only when it is whole; `_run/n.json` then tells how large it is. `_run/run.json` says of which input
and model the directory is, `_SUCCESS` that nothing is missing.
"""

import json
import logging
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import numpy
from tqdm import tqdm

from joint_ner_re.extraction.batches import batches_of, predicted_lines
from joint_ner_re.extraction.blocks import Block, CutFile, cut_file, input_files, items_of
from joint_ner_re.extraction.checks import (
    ExtractionError,
    Summary,
    check_begun,
    check_options,
    model_fingerprint,
)
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.writing import PathLike, lock, replacing, write_json

logger = logging.getLogger(__name__)

# Ray keeps account of each of its tasks; with more blocks a task has several.
_MOST_TASKS = 10_000


def extract_on_ray(
    archive: PathLike,
    source: PathLike,
    target: PathLike,
    workers: int = 1,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0,
    batch_documents: int = 64,
    block_documents: int = 2000,
    relation_threshold: Optional[float] = None,
    address: Optional[str] = None,
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
        If Ray is not installed, an option is impossible, the input is missing or empty, another
        run is writing, or the directory holds something else.
    """
    check_options(batch_documents, relation_threshold)
    _check_numbers(workers, cpus_per_worker, gpus_per_worker, block_documents)
    files = input_files(os.fspath(source))
    model = model_fingerprint(archive)
    output = _Output(target)
    with output.locked(), _connected(address) as ray:
        found = _cut(ray, files, block_documents)
        blocks = [
            Block(number, *rest)
            for number, rest in enumerate(
                (file, *one) for file, (_, cuts) in zip(files, found) for one in cuts
            )
        ]
        if not blocks:
            raise ExtractionError(f"{source}: empty; expected documents")
        output.begin(
            {
                "input": [
                    [os.path.basename(file), fingerprint]
                    for file, (fingerprint, _) in zip(files, found)
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
            logger.info("%s: going on after %d documents", target, resumed_from)
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
        return output.finish(blocks, resumed_from)


def _cut(ray: Any, files: List[str], size: int) -> List[CutFile]:
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
def _connected(address: Optional[str]) -> Iterator[Any]:
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
    options: Dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
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
    blocks: List[Block],
    workers: int,
    resources: Dict[str, float],
    options: Dict[str, Any],
) -> Iterator[int]:
    """Have the blocks done; the number of documents of each that is."""
    if not blocks:
        return
    # Where a block is, not what is in it: workers read for themselves.
    places = [{"block": json.dumps(block)} for block in blocks]
    with _quiet(ray):
        results = ray.data.from_items(
            places, override_num_blocks=min(len(places), _MOST_TASKS)
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
        relation_threshold: Optional[float],
    ) -> None:
        self._predictor = load_predictor(archive, cuda_device)
        if relation_threshold is not None:
            self._predictor._model.relation_threshold = relation_threshold
        self._output = _Output(target)
        self._batch_documents = batch_documents

    def __call__(self, rows: Dict[str, Any]) -> Dict[str, Any]:
        blocks = [Block(*json.loads(str(text))) for text in rows["block"]]
        for block in blocks:
            self._output.write(block, self._lines(block))
        return {"documents": numpy.array([block.documents for block in blocks])}

    def _lines(self, block: Block) -> Iterator[Any]:
        for batch in batches_of(items_of(block), self._batch_documents):
            yield predicted_lines(self._predictor, batch)


class _Output:
    """The directory that is written."""

    def __init__(self, directory: PathLike) -> None:
        self._directory = Path(directory)
        self._notes = self._directory / "_run"
        self._success = self._directory / "_SUCCESS"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away."""
        if not self._notes.exists() and self._directory.exists() and any(self._directory.iterdir()):
            raise ExtractionError(
                f"{self._directory} holds other files; expected a new directory or that of an "
                "interrupted run"
            )
        self._notes.mkdir(parents=True, exist_ok=True)
        with open(self._notes / "lock", "w") as file:
            try:
                lock(file)
            except BlockingIOError as error:
                raise ExtractionError(
                    f"another run is writing {self._directory}; wait for its end"
                ) from error
            except OSError as error:
                # Not every file system that machines share has locks.
                logger.warning("%s cannot be locked: %s", self._directory, error)
            yield

    def begin(self, run: Dict[str, Any]) -> None:
        """Note what is done here, or compare it with what was begun."""
        path = self._notes / "run.json"
        if not path.exists():
            write_json(path, run)
            return
        try:
            begun = dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise ExtractionError(
                f"{path} is damaged ({error}); start over in another directory"
            ) from error
        check_begun(self._directory, begun, run, "another directory")

    def write(self, block: Block, batches: Iterator[Any]) -> None:
        """Write the file of a block from its lines, batch by batch, and the errors in each."""
        counts = {"documents": 0, "errors": 0}
        with replacing(self._part(block), "wb") as file:
            for lines, errors in batches:
                file.write("".join(lines).encode("utf-8"))
                counts["documents"] += len(lines)
                counts["errors"] += errors
            size = file.tell()
        if counts["documents"] != block.documents:
            raise ExtractionError(
                f"{block.file} has changed: {counts['documents']} documents are left of the "
                f"{block.documents} after number {block.before}"
            )
        write_json(self._note(block), {**counts, "bytes": size})

    def counts(self, block: Block) -> Optional[Dict[str, int]]:
        """What `write` counted, if it came to its end and the file is still there."""
        try:
            counts = json.loads(self._note(block).read_text("utf-8"))
            whole = self._part(block).stat().st_size == counts["bytes"]
            return counts if whole and counts["documents"] == block.documents else None
        except (OSError, ValueError, KeyError, TypeError):
            # Then it is done again, which costs little.
            return None

    def missing(self, blocks: List[Block]) -> List[Block]:
        """The blocks that are not done."""
        left = [block for block in blocks if self.counts(block) is None]
        if left and self._success.exists():
            self._success.unlink()
        return left

    def finish(self, blocks: List[Block], resumed_from: int) -> Summary:
        """Check that nothing is missing, and say so in `_SUCCESS`."""
        documents = errors = 0
        for block in blocks:
            counts = self.counts(block)
            if counts is None:
                raise ExtractionError(
                    f"{self._part(block)} is missing or not whole; the same command makes it again"
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
