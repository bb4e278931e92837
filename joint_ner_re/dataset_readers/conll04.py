"""The CoNLL04 corpus (Roth and Yih 2004) and its splits."""

from collections.abc import Iterable

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from overrides import overrides

from joint_ner_re.corpora.partitions import ENTITIES_ALONE
from joint_ner_re.dataset_readers.joint_reader import JointReader
from joint_ner_re.sentence import Sentence


@DatasetReader.register("conll04")
class Conll04Reader(JointReader):
    """Reads CoNLL04 in any format: SpERT's JSON, multi-head's text, or the original corpus.

    The original corpus is one file for all splits. With `id_lists`, `conll04.corp#train` selects
    the sentences in the list named `train`. Without them, the parts are those of `JointReader`.

    # Parameters

    id_lists : `dict[str, str]`, optional (default = `None`)
        For each name of a part, a file with one sentence id per line.
    **kwargs
        As for `JointReader`.
    """

    def __init__(self, id_lists: dict[str, str] | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self._id_lists = id_lists or {}

    @overrides
    def sentences(self, path: str, part: str | None) -> Iterable[Sentence]:
        if part is None or part == ENTITIES_ALONE or not self._id_lists:
            return super().sentences(path, part)
        if part not in self._id_lists:
            raise ConfigurationError(
                f"{path}#{part}: unknown part {part!r}; the reader's option 'id_lists' names "
                f"{', '.join(sorted(self._id_lists))}"
            )
        try:
            return self._read_corpus(path, ids=self._id_lists[part])
        except TypeError as error:
            raise ConfigurationError(
                f"{path}#{part}: only a file in the format 'conll04_corp' has parts: {error}"
            ) from error
