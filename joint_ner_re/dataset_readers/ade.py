"""The ADE corpus (Gurulingappa et al. 2012)."""

from allennlp.data import DatasetReader

from joint_ner_re.dataset_readers.joint_reader import JointReader


@DatasetReader.register("ade")
class AdeReader(JointReader):
    """Reads ADE in any format, whole or in parts: `folds` names the ten published folds.

    # Parameters

    granularity : `str`, optional (default = `"fine"`)
        `"fine"` splits raw text at every punctuation mark, because ADE annotates parts of
        hyphenated words.
    **kwargs
        As for `JointReader`.
    """

    def __init__(self, granularity: str = "fine", **kwargs) -> None:
        super().__init__(granularity=granularity, **kwargs)
