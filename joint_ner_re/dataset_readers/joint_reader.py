"""Sentences to Instances, written once for every corpus."""

import logging
import os
from collections import Counter
from typing import Dict, FrozenSet, Iterable, Iterator, Optional, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.data import DatasetReader, Field, Instance, Token, TokenIndexer
from allennlp.data.fields import MetadataField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from overrides import overrides

from joint_ner_re.corpora import FORMATS, detect_format, read_corpus
from joint_ner_re.dataset_readers.annotation_field import AnnotationField
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import flatten
from joint_ner_re.tokenization import TextTokenizer

logger = logging.getLogger(__name__)

# Formats of raw text, which the reader's tokenizer splits; the others come with tokens.
TEXT_FORMATS = ("ade_rel", "ade_neg")
OVERLAP_PROTOCOLS = ("keep", "drop_sentences", "drop_entities")


@DatasetReader.register("joint_ner_re")
class JointReader(DatasetReader):
    """Reads any corpus that `joint_ner_re.corpora.read_corpus` reads.

    An instance has the fields `tokens`, `metadata` and, with labels, `annotation`. Its metadata
    holds the `Sentence` under `"sentence"` and, under `"dropped"`, the `(start, end)` of the
    entities that the protocol took out of it.

    # Parameters

    token_indexers : `Dict[str, TokenIndexer]`, optional
        Default: single ids of the words under `"tokens"`.
    format : `str`, optional (default = `None`)
        The corpus format; detected from the file when not given.
    overlap : `str`, optional (default = `"keep"`)
        What becomes of entities that share a token with another one. `"keep"`: they stay gold,
        though the model's flat tags can hold only one of them. `"drop_sentences"`: their
        sentences are left out. `"drop_entities"`: they leave gold and prediction, and their
        relations do. What is dropped is counted and logged once per file.
    tokenizer_pipeline : `str`, optional (default = `"en"`)
        How raw text is split: the `pipeline` of `joint_ner_re.tokenization.TextTokenizer`.
    granularity : `str`, optional (default = `"standard"`)
        How raw text is split: `"standard"` or `"fine"`, as in `TextTokenizer`.
    **kwargs
        As for every `DatasetReader`, such as `max_instances`.

    # Raises

    `ConfigurationError`
        If an option has an unknown value.
    """

    def __init__(
        self,
        token_indexers: Optional[Dict[str, TokenIndexer]] = None,
        format: Optional[str] = None,
        overlap: str = "keep",
        tokenizer_pipeline: str = "en",
        granularity: str = "standard",
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
        if format is not None and format not in FORMATS:
            raise ConfigurationError(
                f"unknown corpus format {format!r}; expected one of {', '.join(FORMATS)}"
            )
        try:
            self.tokenizer = TextTokenizer(tokenizer_pipeline, granularity)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._format = format
        self._overlap = overlap

    @overrides
    def _read(self, file_path: str) -> Iterator[Instance]:
        path, part = split_part(file_path)
        if "://" in path:
            path = str(cached_path(path))
        counts: "Counter[str]" = Counter()
        instances = (self._instance(s, counts) for s in self.sentences(path, part))
        try:
            # What is dropped must not count for `max_instances`, so it goes first.
            yield from self.shard_iterable(i for i in instances if i is not None)
        finally:
            # With `max_instances` nobody reads on to the end.
            _log(file_path, self._overlap, counts)

    def sentences(self, path: str, part: Optional[str]) -> Iterable[Sentence]:
        """The sentences of a file, or of one part of it: what subclasses decide.

        # Raises

        `ConfigurationError`
            If there is no such part.
        """
        if part is not None:
            raise ConfigurationError(
                f"{path}#{part}: the reader {type(self).__name__} does not divide files into "
                "parts; give the path without '#'"
            )
        return self._read_corpus(path)

    def _read_corpus(self, path: str, **options) -> Iterator[Sentence]:
        format = self._format or detect_format(path)
        if format in TEXT_FORMATS:
            options["tokenizer"] = self.tokenizer
        return read_corpus(path, format, **options)

    def _instance(self, sentence: Sentence, counts: "Counter[str]") -> Optional[Instance]:
        """The sentence's instance under the overlap protocol, if it has one."""
        counts["sentences"] += 1
        overlapping = sentence.overlapping()
        if not overlapping:
            return self.text_to_instance(sentence)
        if self._overlap == "drop_sentences":
            counts["dropped sentences"] += 1
            return None
        if self._overlap == "drop_entities":
            kept = sentence.without(overlapping)
            counts["dropped entities"] += len(sentence.entities) - len(kept.entities)
            counts["dropped relations"] += len(sentence.relations) - len(kept.relations)
            dropped = [(sentence.entities[i].start, sentence.entities[i].end) for i in overlapping]
            return self.text_to_instance(kept, dropped=frozenset(dropped))
        encoded = sentence.without(
            set(range(len(sentence.entities))) - set(flatten(sentence.entities))
        )
        counts["entities beyond the tags"] += len(sentence.entities) - len(encoded.entities)
        counts["relations beyond the tags"] += len(sentence.relations) - len(encoded.relations)
        return self.text_to_instance(sentence)

    @overrides(check_signature=False)
    def text_to_instance(
        self,
        sentence: Sentence,
        labelled: bool = True,
        dropped: FrozenSet[Tuple[int, int]] = frozenset(),
    ) -> Instance:
        """
        # Parameters

        sentence : `Sentence`
        labelled : `bool`, optional (default = `True`)
            Whether the sentence's annotations are gold; without, only predictions can be made.
        dropped : `FrozenSet[Tuple[int, int]]`, optional (default = `frozenset()`)
            Spans that the protocol took out of gold, to leave predictions as well.
        """
        metadata = {"sentence": sentence, "dropped": dropped}
        fields: Dict[str, Field] = {
            "tokens": TextField([Token(token) for token in sentence.tokens]),
            "metadata": MetadataField(metadata),
        }
        if labelled:
            fields["annotation"] = AnnotationField(sentence)
        return Instance(fields)

    @overrides
    def apply_token_indexers(self, instance: Instance) -> None:
        instance["tokens"].token_indexers = self._token_indexers  # type: ignore[attr-defined]


def split_part(file_path: str) -> Tuple[str, Optional[str]]:
    """`("a.rel", "dev")` for `"a.rel#dev"`; a file whose name holds a `#` is itself."""
    path, separator, part = file_path.rpartition("#")
    if not separator or os.path.exists(file_path):
        return file_path, None
    return path, part


def _log(file_path: str, overlap: str, counts: "Counter[str]") -> None:
    details = ", ".join(f"{value} {name}" for name, value in counts.items() if value)
    logger.info("%s (overlap: %s): %s", file_path, overlap, details or "nothing read")
