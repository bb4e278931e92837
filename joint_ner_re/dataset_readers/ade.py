"""The ADE corpus (Gurulingappa et al. 2012)."""

import logging
from collections.abc import Iterable

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from overrides import overrides

from joint_ner_re.corpora.folds import shuffled
from joint_ner_re.corpora.negatives import abstracts_of, divide
from joint_ner_re.dataset_readers.joint_reader import JointReader
from joint_ner_re.sentence import Sentence

logger = logging.getLogger(__name__)


@DatasetReader.register("ade")
class AdeReader(JointReader):
    """Reads ADE in any format, whole or in parts: `folds` names the ten published folds.

    With `positives`, ADE-NEG.txt has parts, too, and no abstract is in two of them.
    `ADE-NEG.txt#test` and `#dev` hold the sentences of the abstracts that the same part of
    `positives` has sentences of, and `#train` holds some of the others. Abstracts without any
    sentence in `positives` are drawn for the parts in the same proportions.

    # Parameters

    granularity : `str`, optional (default = `"fine"`)
        `"fine"` splits raw text at every punctuation mark, because ADE annotates parts of
        hyphenated words.
    positives : `str`, optional (default = `None`)
        The path of DRUG-AE.rel, for parts of ADE-NEG.txt.
    negative_share : `float`, optional (default = `1.0`)
        How many sentences `ADE-NEG.txt#train` has for each one of the training part of
        `positives`. They are drawn by `fold_seed`; where there are fewer, all are taken.
    **kwargs
        As for `JointReader`.

    # Raises

    `ConfigurationError`
        As `JointReader`; if `negative_share` is not more than 0; and if a part of ADE-NEG.txt is
        asked for with `folds` but without `positives`.
    """

    def __init__(
        self,
        granularity: str = "fine",
        positives: str | None = None,
        negative_share: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(granularity=granularity, **kwargs)
        if not negative_share > 0:
            raise ConfigurationError(f"negative_share is {negative_share}; expected more than 0")
        self._positives = positives
        self._negative_share = negative_share

    @overrides
    def sentences(self, path: str, part: str | None) -> Iterable[Sentence]:
        if part in ("train", "dev", "test") and self._format_of(path) == "ade_neg":
            if self._positives is not None:
                kept = self._negatives(path, part)
                return [s for s in self._read_corpus(path) if s.id in kept]
            if self.partition.folds is not None:
                raise ConfigurationError(
                    f"{path}#{part}: the folds of {self.partition.folds} are of the sentences with "
                    "relations; set the reader's option 'positives' to the path of DRUG-AE.rel"
                )
        return super().sentences(path, part)

    def _negatives(self, path: str, part: str) -> set[str]:
        """The ids of a part of ADE-NEG.txt."""
        assert self._positives is not None
        abstracts = abstracts_of(self._positives)
        held_out = {
            "test": self._ids("test") if part == "test" or self.partition.fold is not None else [],
            "dev": self._ids("dev") if part == "dev" or self.partition.dev_fraction else [],
        }
        parts = divide(
            abstracts_of(path),
            {name: {abstracts[i] for i in ids} for name, ids in held_out.items()},
            set(abstracts.values()),
            self.partition.fold_seed,
        )
        if part != "train":
            return set(parts[part])
        training = len(abstracts) - sum(map(len, held_out.values()))
        wanted = round(self._negative_share * training)
        drawn = shuffled(parts["train"], self.partition.fold_seed)[:wanted]
        logger.info(
            "%s#train: %d of %d sentences, for %d of %s; wanted are %d",
            path,
            len(drawn),
            len(parts["train"]),
            training,
            self._positives,
            wanted,
        )
        return set(drawn)

    def _ids(self, part: str) -> list[str]:
        """The ids of a part's sentences with relations."""
        assert self._positives is not None
        return [sentence.id for sentence in super().sentences(self._positives, part)]
