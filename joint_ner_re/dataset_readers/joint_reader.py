"""Turns the sentences of any corpus into instances."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.data import DatasetReader, Field, Instance, Token, TokenIndexer
from allennlp.data.fields import MetadataField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from overrides import overrides

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.corpora import (
    CONCEPT_RELATIONS,
    DISCONTINUOUS,
    FORMATS,
    OFFSETS,
    check_labels,
    detect_format,
    format_options,
    read_corpus,
)
from joint_ner_re.corpora.changes import at_sentence_ends, recorded_changes
from joint_ner_re.corpora.errors import PathLike, SkippedErrors
from joint_ner_re.corpora.partitions import (
    ENTITIES_ALONE,
    Partition,
    PartitionError,
    split_part,
)
from joint_ner_re.corpora.units import check_unit
from joint_ner_re.dataset_readers.annotation_field import AnnotationField
from joint_ner_re.sentence import Sentence
from joint_ner_re.tokenization import TextTokenizer

logger = logging.getLogger(__name__)

# The model sees only the beginning of a longer token. Every token of a batch takes as much memory
# as the longest one, so a single token of a megabyte would fill the memory.
MAX_TOKEN_CHARACTERS = 300
ON_ERROR = ("stop", "skip")
UNKNOWN_TYPES = ("missed", "error")
OVERLAP_PROTOCOLS = ("keep", "drop_sentences", "drop_entities")


@DatasetReader.register("joint_ner_re")
class JointReader(CheckedOptions, DatasetReader):
    """Reads any corpus that `joint_ner_re.corpora.read_corpus` reads.

    An instance has the fields `tokens`, `metadata` and, with labels, `annotation`. Its metadata
    holds the `Sentence` under `"sentence"` and, under `"dropped"`, the `(start, end)` of the
    entities that the protocol took out of it.

    A path may end in `#train`, `#dev` or `#test`. The test part is one fold. The remaining
    sentences are divided into the development part and the training part. If a file is already the
    training part of one fold, give no fold: then `#train` and `#dev` divide the file.

    A path may also end in `#entities`, for a corpus in which only some sentences have annotated
    relations. It selects the sentences without relations, each once, except those that occur
    elsewhere in the corpus with relations. Training learns only entities from them, because it is
    not known whether they hold relations.

    A list of paths is read as one corpus, so `train_data_path` can name several files.

    # Parameters

    token_indexers : `dict[str, TokenIndexer]`, optional
        Default: single ids of the words under `"tokens"`.
    format : `str`, optional (default = `None`)
        The corpus format; detected from the file when not given.
    overlap : `str`, optional (default = `"keep"`)
        What to do with entities that overlap. `"keep"`: they stay gold; how many of them a model
        can find depends on its `tag_levels`. `"drop_sentences"`: leave out their sentences.
        `"drop_entities"`: remove them and their relations from gold and predictions. The log says
        once per file how much was dropped.
    tokenizer_pipeline : `str`, optional (default = `"en"`)
        How raw text is split: the `pipeline` of `joint_ner_re.tokenization.TextTokenizer`.
    granularity : `str`, optional (default = `"standard"`)
        How raw text is split: `"standard"` or `"fine"`, as in `TextTokenizer`.
    sentence_rules : `str`, optional (default = `"punctuation"`)
        Where the sentences of raw text end, in training and in prediction: `"punctuation"` or
        `"abbreviations"`, as in `TextTokenizer`. A spaCy pipeline has rules of its own.
    discontinuous : `str`, optional (default = `"drop"`)
        What becomes of mentions in pieces, which no entity here can be. `"drop"`: they are left
        out with their relations. `"cover"`: they cover the words between their pieces, too.
        `"first"`: their first piece stands for them. `"split"`: each piece is an entity with all
        their relations. They are counted and logged once per file.
    concept_relations : `str`, optional (default = `"nearest"`)
        Where a file relates concepts of a document, which of their mentions are related.
        `"nearest"`: the pair that is nearest to one another. `"sentence"`: all pairs in one
        sentence. `"all"`: all pairs; those over two sentences are left out where documents are
        split.
    unit : `str` or `int`, optional (default = `"sentence"`)
        How much of a document the model reads as one sequence, in training and in prediction:
        `"sentence"`, `"document"`, or a number of neighbouring sentences. Relations from one unit
        to another are left out. Corpora whose files have no documents are read sentence by
        sentence.
    labels : `dict[str, str | None]`, optional (default = `None`)
        New types of entities and relations by those of the corpus; `null` leaves a type out, as in
        `{"Medication": "Drug", "No-rel": null}`.
    symmetric : `list[str]`, optional (default = `None`)
        Relation types (new ones) without a direction. Training sees them from the entity that
        stands first to the one that stands last, and so are they predicted, once for each pair.
    on_error : `str`, optional (default = `"stop"`)
        What happens at an error in a corpus. `"stop"`: reading ends with it. `"skip"`: the faulty
        annotation, sentence or document is left out, logged with file and line, and counted.
    offsets : `str`, optional (default = `None`)
        What the offsets of Doccano, Label Studio and INCEpTION count. `"codepoints"`: characters.
        `"utf-16"`: the units of UTF-16, of which an emoji has two. By default the mentions of each
        file show it, and it is an error if they do not where it matters.
    fold : `int`, optional (default = `None`)
        The fold, from 0, that is the test part.
    folds : `str`, optional (default = `None`)
        A JSON file: a list of folds, each a list of sentence ids. Default: folds are made.
    num_folds : `int`, optional (default = `10`)
        How many folds to make. They depend only on `fold_seed` and the sentence ids; a sentence
        without an id counts by its position in the file. Ids that repeat are kept apart, with a
        warning; with `folds` they are an error.
    fold_seed : `int`, optional (default = `0`)
        Seed of the random division into folds.
    dev_fraction : `float`, optional (default = `0.15`)
        Size of the development part, as a share of the sentences outside the fold. It takes the
        first of them in the file's order, as in PFN (Yan et al. 2021). With 0 there is no
        development part.
    divide : `str`, optional (default = `"sentences"`)
        What the parts are drawn from. `"documents"`: all sentences of a document are in one part,
        and the development part is drawn at random, too; without it, scores on a corpus of
        documents are too good, since other sentences of the same documents were trained on.
    unknown_types : `str`, optional (default = `"missed"`)
        What becomes of gold of types that the model does not know, such as types that only the
        development part has. `"missed"`: the scores count it as missed, and the log names it.
        `"error"`: it is an error. In the training part it always is one.
    **kwargs
        As for every `DatasetReader`, such as `max_instances`.

    # Raises

    `ConfigurationError`
        If an option has an impossible value; on reading, if the fold does not exist or the options
        do not define the requested part.
    """

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        format: str | None = None,
        overlap: str = "keep",
        tokenizer_pipeline: str = "en",
        granularity: str = "standard",
        sentence_rules: str = "punctuation",
        discontinuous: str = "drop",
        concept_relations: str = "nearest",
        unit: str | int = "sentence",
        labels: dict[str, str | None] | None = None,
        symmetric: list[str] | None = None,
        on_error: str = "stop",
        offsets: str | None = None,
        fold: int | None = None,
        folds: str | None = None,
        num_folds: int = 10,
        fold_seed: int = 0,
        dev_fraction: float = 0.15,
        divide: str = "sentences",
        unknown_types: str = "missed",
        **kwargs,
    ) -> None:
        super().__init__(
            manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs
        )
        if overlap not in OVERLAP_PROTOCOLS:
            raise ConfigurationError(
                f"unknown overlap protocol {overlap!r}; expected one of "
                f"{', '.join(OVERLAP_PROTOCOLS)}"
            )
        for name, value, choices in (
            ("discontinuous", discontinuous, DISCONTINUOUS),
            ("concept_relations", concept_relations, CONCEPT_RELATIONS),
            ("on_error", on_error, ON_ERROR),
            ("unknown_types", unknown_types, UNKNOWN_TYPES),
            ("offsets", offsets, (None, *OFFSETS)),
        ):
            if value not in choices:
                raise ConfigurationError(
                    f"{name} is {value!r}; expected one of {', '.join(filter(None, choices))}"
                )
        if format is not None and format not in FORMATS:
            raise ConfigurationError(
                f"unknown corpus format {format!r}; expected one of {', '.join(FORMATS)}"
            )
        try:
            check_unit(unit)
            check_labels(labels or {})
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        try:
            self.partition = Partition(fold, folds, num_folds, fold_seed, dev_fraction, divide)
        except PartitionError as error:
            raise ConfigurationError(str(error)) from error
        try:
            self.tokenizer = TextTokenizer(tokenizer_pipeline, granularity, sentence_rules)
        except ValueError as error:
            raise ConfigurationError(
                f"tokenizer_pipeline is {tokenizer_pipeline!r}, granularity {granularity!r}, "
                f"sentence_rules {sentence_rules!r}: {error}"
            ) from error
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._format = format
        self._overlap = overlap
        self.unit = unit
        self._labels = dict(labels or {})
        self._symmetric = list(symmetric or ())
        self._skips_errors = on_error == "skip"
        self._unknown_types = unknown_types
        self._losses: dict[str, str] = {}
        self._reading_options: dict[str, Any] = {
            "tokenizer": self.tokenizer,
            "unit": unit,
            "discontinuous": discontinuous,
            "concept_relations": concept_relations,
            "offsets": offsets,
        }

    @overrides
    def _read(self, file_path: PathLike | Sequence[PathLike]) -> Iterator[Instance]:
        paths = [file_path] if isinstance(file_path, (str, os.PathLike)) else file_path
        # Drop sentences before sharding, so that they do not count for `max_instances`.
        yield from self.shard_iterable(chain.from_iterable(map(self._instances, paths)))

    def _instances(self, file_path: PathLike) -> Iterator[Instance]:
        """The instances of one file that are not dropped.

        # Raises

        `ConfigurationError`
            If no sentence has a token: nothing can be learned or measured from such a file.
        """
        path, part = split_part(os.fspath(file_path))
        if "://" in path:
            path = str(cached_path(path))
        counts: Counter[str] = Counter()
        has_tokens = False
        try:
            for sentence in self.sentences(path, part):
                instance = self._instance(sentence, counts, part != ENTITIES_ALONE)
                if instance is not None:
                    has_tokens = has_tokens or bool(sentence.tokens)
                    yield instance
        finally:
            # In `finally`, because `max_instances` stops reading before the end.
            _log(os.fspath(file_path), self._overlap, counts)
        if not has_tokens:
            dropped = counts["dropped sentences"]
            raise ConfigurationError(
                f"{os.fspath(file_path)}: no sentence with a token ({counts['sentences']} "
                f"sentences, of which the overlap protocol drops {dropped}); expected at least one"
            )

    def sentences(self, path: str, part: str | None) -> Iterable[Sentence]:
        """The sentences of a file or of one of its parts.

        # Raises

        `ConfigurationError`
            If there is no such part.
        """
        if part is None:
            return self._read_corpus(path)
        try:
            return self.partition.part(path, part, self._read_corpus(path))
        except PartitionError as error:
            raise ConfigurationError(str(error)) from error

    def _format_of(self, path: str) -> str:
        return self._format or detect_format(path)

    def _read_corpus(self, path: str, **options) -> Iterator[Sentence]:
        format = self._format_of(path)
        known = format_options(format)
        chosen = {name: value for name, value in self._reading_options.items() if name in known}
        skipped = SkippedErrors(path)
        if self._skips_errors and "on_error" in known:
            chosen["on_error"] = skipped
        sentences = read_corpus(
            path, format, labels=self._labels, symmetric=self._symmetric, **chosen, **options
        )
        return self._recorded(path, skipped.counted(sentences))

    def _recorded(self, path: str, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """The sentences; at their end, what was lost at sentence ends is kept for `losses`."""
        changes: Counter[str] = Counter()
        relations = 0
        for sentence in recorded_changes(sentences, changes):
            relations += len(sentence.relations)
            yield sentence
        self._losses[path] = at_sentence_ends(changes, relations)

    def losses(self) -> list[str]:
        """What was left out or joined because of where sentences end, for each file that was read.

        Files without such losses are left out, as are those that were not read to their end.
        """
        return [f"{path}: {lost}" for path, lost in self._losses.items() if lost]

    def _instance(
        self, sentence: Sentence, counts: "Counter[str]", relations_known: bool = True
    ) -> Instance | None:
        """The sentence's instance, or `None` if the overlap protocol drops the sentence."""
        counts["sentences"] += 1
        overlapping = sentence.overlapping()
        if not overlapping:
            return self.text_to_instance(sentence, relations_known=relations_known)
        if self._overlap == "drop_sentences":
            counts["dropped sentences"] += 1
            return None
        if self._overlap == "drop_entities":
            kept = sentence.without(overlapping)
            counts["dropped entities"] += len(sentence.entities) - len(kept.entities)
            counts["dropped relations"] += len(sentence.relations) - len(kept.relations)
            dropped = [(sentence.entities[i].start, sentence.entities[i].end) for i in overlapping]
            dropped = sorted(set(dropped))
            return self.text_to_instance(kept, True, dropped, relations_known)
        instance = self.text_to_instance(sentence, relations_known=relations_known)
        _count_beyond(instance["annotation"], counts)  # type: ignore[arg-type]
        return instance

    @overrides(check_signature=False)
    def text_to_instance(
        self,
        sentence: Sentence,
        labelled: bool = True,
        dropped: Sequence[tuple[int, int]] = (),
        relations_known: bool = True,
    ) -> Instance:
        """
        # Parameters

        sentence : `Sentence`
        labelled : `bool`, optional (default = `True`)
            Whether to include the sentence's annotations as gold.
        dropped : `Sequence[tuple[int, int]]`, optional (default = `()`)
            Spans that the protocol removed from gold, to be removed from predictions too.
        relations_known : `bool`, optional (default = `True`)
            Whether a labelled sentence has its relations annotated.
        """
        # A list: `allennlp evaluate --predictions-output-file` writes metadata as JSON.
        metadata: dict[str, Any] = {"sentence": sentence, "dropped": list(dropped)}
        if self._symmetric:
            metadata["symmetric"] = self._symmetric
        fields: dict[str, Field] = {
            "tokens": TextField([Token(token[:MAX_TOKEN_CHARACTERS]) for token in sentence.tokens]),
            "metadata": MetadataField(metadata),
        }
        if labelled:
            fields["annotation"] = AnnotationField(
                sentence, relations_known, self._unknown_types, self._symmetric
            )
        return Instance(fields)

    @overrides
    def apply_token_indexers(self, instance: Instance) -> None:
        instance["tokens"].token_indexers = self._token_indexers  # type: ignore[attr-defined]


def _count_beyond(annotation: AnnotationField, counts: "Counter[str]") -> None:
    """Counts what a model cannot find with one level of tags, with two levels, and so on."""
    levels = annotation.levels
    for number in range(1, max(levels) + 1):
        beyond = "beyond one level of tags" if number == 1 else f"beyond {number} levels"
        counts[f"entities {beyond}"] += sum(level >= number for level in levels)
        counts[f"relations {beyond}"] += sum(
            max(levels[head], levels[tail]) >= number for _, head, tail in annotation.relations
        )


def _log(file_path: str, overlap: str, counts: "Counter[str]") -> None:
    details = ", ".join(f"{value} {name}" for name, value in counts.items() if value)
    logger.info("%s (overlap: %s): %s", file_path, overlap, details or "nothing read")
