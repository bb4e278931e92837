"""The ADE corpus (Gurulingappa et al. 2012) and its ten folds."""

import os
from typing import Iterable, List, Optional, Set

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from overrides import overrides

from joint_ner_re.corpora.folds import k_folds, read_folds, split_dev
from joint_ner_re.dataset_readers.joint_reader import JointReader
from joint_ner_re.sentence import Sentence

PARTS = ("train", "dev", "test")


@DatasetReader.register("ade")
class AdeReader(JointReader):
    """Reads ADE in any format, whole or in parts.

    A path may end in `#train`, `#dev` or `#test`. The test part is one fold; the development
    part is cut from what is left, and the training part is the rest. In a file that is
    already one fold's training part, give no fold: then `#train` and `#dev` divide it.

    # Parameters

    fold : `int`, optional (default = `None`)
        The fold, from 0, that is the test part.
    folds : `str`, optional (default = `None`)
        A JSON file: a list of folds, each a list of sentence ids. Without it folds are made.
    num_folds : `int`, optional (default = `10`)
        How many folds to make. They depend on the ids and `fold_seed` alone.
    fold_seed : `int`, optional (default = `0`)
    dev_fraction : `float`, optional (default = `0.15`)
        The development part: this share, the first in the file's order, of the sentences
        outside the fold, as in PFN (Yan et al. 2021).
    granularity : `str`, optional (default = `"fine"`)
        ADE annotates parts of hyphenated words, so raw text is split at every punctuation mark.
    **kwargs
        As for `JointReader`.

    # Raises

    `ConfigurationError`
        If the fold does not exist or a part is asked for that the options do not define.
    """

    def __init__(
        self,
        fold: Optional[int] = None,
        folds: Optional[str] = None,
        num_folds: int = 10,
        fold_seed: int = 0,
        dev_fraction: float = 0.15,
        granularity: str = "fine",
        **kwargs,
    ) -> None:
        super().__init__(granularity=granularity, **kwargs)
        if not 0 < dev_fraction < 1:
            raise ConfigurationError(
                f"dev_fraction is {dev_fraction}; expected more than 0 and less than 1"
            )
        self._fold = fold
        self._folds = folds
        self._num_folds = num_folds
        self._fold_seed = fold_seed
        self._dev_fraction = dev_fraction

    @overrides
    def sentences(self, path: str, part: Optional[str]) -> Iterable[Sentence]:
        if part is None:
            return self._read_corpus(path)
        if part not in PARTS:
            raise ConfigurationError(
                f"{path}#{part}: unknown part {part!r}; expected one of {', '.join(PARTS)}"
            )
        if part == "test" and self._fold is None:
            raise ConfigurationError(f"{path}#test: set the reader's option 'fold'")
        sentences = list(self._read_corpus(path))
        test = self._test_ids(path, [sentence.id for sentence in sentences])
        if part == "test":
            return [sentence for sentence in sentences if sentence.id in test]
        training = [sentence for sentence in sentences if sentence.id not in test]
        try:
            train, dev = split_dev(training, self._dev_fraction)
        except ValueError as error:
            raise ConfigurationError(f"{path}#{part}: dev_fraction: {error}") from error
        return train if part == "train" else dev

    def _test_ids(self, path: str, ids: List[str]) -> Set[str]:
        if self._fold is None:
            return set()
        if self._folds is None:
            source = f"num_folds: {self._num_folds}"
            try:
                folds = k_folds(ids, self._num_folds, self._fold_seed)
            except ValueError as error:
                raise ConfigurationError(f"{path}: num_folds: {error}") from error
        else:
            source = os.path.basename(self._folds)
            folds = read_folds(self._folds)
        if not 0 <= self._fold < len(folds):
            raise ConfigurationError(
                f"fold is {self._fold}; expected 0 to {len(folds) - 1} ({source})"
            )
        test = set(folds[self._fold])
        missing = test.difference(ids)
        if missing:
            raise ConfigurationError(
                f"{path}: fold {self._fold} of {source} names {len(missing)} sentences that are "
                f"not in the file, such as id {min(missing)!r}; expected the file that the folds "
                "were made for"
            )
        return test
