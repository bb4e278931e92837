"""Predicts entities and relations, with offsets and scores, from raw text or tokens."""

from collections.abc import Iterable, Sequence

from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor
from overrides import overrides

from joint_ner_re.corpora.units import Unit
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.documents import INPUTS, DocumentPredictor
from joint_ner_re.halving import in_halves
from joint_ner_re.models import JointModel, Thresholds
from joint_ner_re.predictors.threads import map_in_threads
from joint_ner_re.sentence import Sentence, SentenceError
from joint_ner_re.tokenization import TextTokenizer

__all__ = ["INPUTS", "JointPredictor"]

# A batch has sentences of similar length, so that padding costs little. Its size bounds the memory.
MAX_BATCH_TOKENS = 2048
MAX_BATCH_TOKENS_ON_GPU = 4096


@Predictor.register("joint_ner_re")
class JointPredictor(DocumentPredictor, Predictor):
    """Serves `allennlp predict`; `DocumentPredictor` describes inputs and outputs."""

    _model: JointModel
    _dataset_reader: JointReader

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a predicted relation; see `JointModel`."""
        return self._model.relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        self._model.relation_threshold = thresholds

    @property
    def unit(self) -> Unit:
        """See `DocumentPredictor`."""
        return self._dataset_reader.unit

    @property
    def text_tokenizer(self) -> TextTokenizer:
        """See `DocumentPredictor`."""
        return self._dataset_reader.tokenizer

    @property
    def entity_types(self) -> Sequence[str]:
        """See `DocumentPredictor`."""
        return self._model.entity_types

    @property
    def relation_types(self) -> Sequence[str]:
        """See `DocumentPredictor`."""
        return self._model.relation_types

    @property
    def max_batch_tokens(self) -> int:
        """See `DocumentPredictor`."""
        on_gpu = self._model.device.type == "cuda"
        return MAX_BATCH_TOKENS_ON_GPU if on_gpu else MAX_BATCH_TOKENS

    def predict_batches(
        self, batches: Sequence[list[Sentence]], given: bool
    ) -> Iterable[list[Sentence]]:
        """See `DocumentPredictor`. On CPUs several batches run side by side."""
        run = self._model.relate if given else self._model.predict

        def predict(batch: list[Sentence]) -> list[Sentence]:
            return in_halves(run, [self._instance(sentence) for sentence in batch])

        in_threads = self._model.predicts_in_threads
        return map_in_threads(predict, batches) if in_threads else map(predict, batches)

    @overrides
    def predict_json(self, inputs: JsonDict) -> JsonDict:
        """Predict for one input.

        # Raises

        `SentenceError`
            If it cannot be processed.
        """
        output = self.predict_batch_json([inputs])[0]
        if "error" in output:
            raise SentenceError(output["error"]["message"])
        return output

    @overrides
    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._instance(self._as_sentence(json_dict))

    @overrides
    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    @overrides
    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        for instance in instances:
            self._dataset_reader.apply_token_indexers(instance)
        return [sentence.to_json() for sentence in in_halves(self._model.predict, instances)]

    def _instance(self, sentence: Sentence) -> Instance:
        instance = self._dataset_reader.text_to_instance(sentence, labelled=False)
        self._dataset_reader.apply_token_indexers(instance)
        return instance
