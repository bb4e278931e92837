"""The predictor of an exported model, with the interface of `JointPredictor`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from joint_ner_re.corpora.units import Unit
from joint_ner_re.documents import DocumentPredictor, Thresholds
from joint_ner_re.halving import in_halves
from joint_ner_re.runtime.model import ExportedModel
from joint_ner_re.sentence import Sentence
from joint_ner_re.tokenization import TextTokenizer

# It bounds the memory. Larger batches are not faster, and give fewer of them to run side by side.
MAX_BATCH_TOKENS = 1024
# More threads would wait for one another, because Python itself runs in one thread at a time.
MAX_THREADS = 4


class ExportedPredictor(DocumentPredictor):
    """Predicts with an exported model.

    # Parameters

    model : `ExportedModel`
    threads : `int`, optional (default = `1`)
        How many batches run side by side.
    """

    # The threads of ONNX Runtime stay behind in the process that forks.
    survives_fork = False

    def __init__(self, model: ExportedModel, threads: int = 1) -> None:
        self.model = model
        self.threads = threads
        self._tokenizer: TextTokenizer | None = None

    @property
    def unit(self) -> Unit:
        """See `DocumentPredictor`."""
        return self.model.manifest.unit

    @property
    def text_tokenizer(self) -> TextTokenizer:
        """See `DocumentPredictor`. Made at its first use: tokens need none."""
        if self._tokenizer is None:
            manifest = self.model.manifest
            self._tokenizer = TextTokenizer(
                manifest.pipeline, manifest.granularity, manifest.sentence_rules
            )
        return self._tokenizer

    @property
    def entity_types(self) -> Sequence[str]:
        """See `DocumentPredictor`."""
        return self.model.manifest.entity_types

    @property
    def relation_types(self) -> Sequence[str]:
        """See `DocumentPredictor`."""
        return self.model.manifest.relation_types

    @property
    def relation_threshold(self) -> Thresholds:
        """See `DocumentPredictor`. Setting an impossible value raises a `ValueError`."""
        return self.model.relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        self.model.relation_threshold = thresholds

    @property
    def max_batch_tokens(self) -> int:
        """See `DocumentPredictor`."""
        return MAX_BATCH_TOKENS

    def predict_batches(
        self, batches: Sequence[list[Sentence]], given: bool
    ) -> Iterable[list[Sentence]]:
        """See `DocumentPredictor`. Several batches run side by side."""
        run = partial(in_halves, self.model.relate if given else self.model.predict)
        at_once = min(self.threads, len(batches))
        if at_once <= 1:
            return [run(batch) for batch in batches]
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(run, batches))


def load_exported(
    directory: str | os.PathLike[str], threads: int | None = None
) -> ExportedPredictor:
    """The predictor of a directory that `allennlp export` wrote.

    # Parameters

    directory : `str`
        The directory. Nothing in it is run as code.
    threads : `int`, optional (default = `None`)
        How many cores to use. Default: `OMP_NUM_THREADS`, or the cores of this process.

    # Raises

    `ExportedModelError`
        If a file is missing or damaged.
    `ValueError`
        If `threads` is less than 1.
    """
    if threads is None:
        threads = default_threads()
    if threads < 1:
        raise ValueError(f"threads is {threads}; expected 1 or more")
    # Batches side by side use the cores better than one batch on all of them.
    side_by_side = min(threads, MAX_THREADS)
    return ExportedPredictor(ExportedModel(directory, threads // side_by_side), side_by_side)


def default_threads() -> int:
    """`OMP_NUM_THREADS` if it is a number, otherwise the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
