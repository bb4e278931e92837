"""The joint model: wiring, losses and readable output."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Instance, TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from allennlp.nn import InitializerApplicator
from allennlp.nn.util import move_to_device
from overrides import overrides
from torch import Tensor
from torch.nn import functional as F

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.documents import RELATION_PROBABILITIES
from joint_ner_re.labels import (
    ENTITY_NAMESPACE,
    RELATION_NAMESPACE,
    Signature,
    check_signatures,
    check_types,
    known_signatures,
    label_names,
)
from joint_ner_re.metrics.joint_score import JointScore, Totals
from joint_ner_re.models import old_names
from joint_ner_re.models.batch_loss import BatchLoss
from joint_ner_re.models.relation_choice import (
    Arguments,
    Thresholds,
    check_share,
    check_thresholds,
    chosen_relations,
    threshold_list,
)
from joint_ner_re.modules import (
    CrfEntityFinder,
    EntityFinder,
    EntitySpans,
    PairScorer,
    RelationScorer,
    SharedAndSpecificEncoder,
)
from joint_ner_re.modules.bounds import check_probability
from joint_ner_re.sentence import Entity, Relation, Sentence

logger = logging.getLogger(__name__)

# Relation scores in memory at once. Each takes four bytes, and there are a few copies.
MAX_SCORES_AT_ONCE = 4_000_000
RELATION_ARGUMENTS = ("any", "seen")
HEADLINES = ("entity_f1", "relation_f1", "mean_f1", "ner_loss", "relation_loss")


@Model.register("joint_ner_re")
class JointModel(CheckedOptions, Model):
    """Recognises entities and the relations between them (Crone 2020, arXiv 2002.06424).

    Shared BiRNN layers and separate layers for each task encode the tokens. An entity finder (in
    the paper a CRF over tags) finds entities. A relation scorer scores every relation type for
    every ordered pair of entities: gold entities in training, otherwise found ones.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    text_field_embedder : `TextFieldEmbedder`
        Computes the tokens' vectors.
    encoder : `Lazy[SharedAndSpecificEncoder]`
        With the keys `shared`, `ner` and `relation`, each a `Seq2SeqEncoder`.
    entity_finder : `Lazy[EntityFinder]`, optional (default = `{"type": "crf"}`)
        Finds the entities.
    relation_scorer : `Lazy[RelationScorer]`, optional (default = `{"type": "crone"}`)
        Scores the relation types of every pair of entities.
    relation_loss_weight : `float`, optional (default = `1.0`)
        lambda in `loss = ner_loss + lambda * relation_loss`.
    relation_loss_average : `str`, optional (default = `"sentence_mean"`)
        `"sentence_mean"`: sum the binary cross-entropies over a sentence's pairs and types, as the
        CRF's loss sums over tokens, and average over sentences. `"pair_mean"`: average over all
        pairs and types of the batch.
    relation_threshold : `float | dict[str, float]`, optional (default = `0.5`)
        theta: the least probability of a predicted relation. One number, or one for each relation
        type by name; `allennlp tune-threshold` chooses them.
    relation_arguments : `str`, optional (default = `"any"`)
        Between which entity types a relation type is predicted. `"any"`: between all. `"seen"`:
        only from types to types that it connects somewhere in the data that the vocabulary was
        made of, which is the training data with `"datasets_for_vocab_creation": ["train"]`; a
        symmetric type connects both orders. Not in the paper. The loss is the same for both: pairs
        that are never predicted are still negative examples, from which the weights that all types
        share learn. So the value can be changed in a trained model, and losses can be compared.
    relation_probability : `str`, optional (default = `"pair"`)
        What a relation's probability says, which the threshold is compared with. `"pair"`: that the
        two entities are related so, if they are right; the paper's. `"whole"`: that and the
        entities are right, which is the product of the three probabilities. Relations between given
        entities always have the first. Not in the paper. The loss is the same for both, so the
        value can be changed in a trained model; choose the threshold again then.
    most_relations : `int`, optional (default = `20_000`)
        The maximum number of relations in a sentence. If there are more, the most probable are kept
        and a warning counts the others. This bounds memory: a model that has learned little finds
        millions of relations in a long sentence.
    spurious_entities : `float`, optional (default = `0.0`)
        In this share of the training batches, wrong entities that the model finds are added to the
        gold ones, as pairs without relations. Not in the paper.
    token_dropout : `float`, optional (default = `0.0`)
        The probability of setting a token's vector to 0 in training. Not in the paper.
    bfloat16 : `bool`, optional (default = `False`)
        Whether embedders and encoders multiply matrices in 16 bits, which is faster on processors
        with instructions for it. Weights and losses keep 32 bits.
    initializer : `InitializerApplicator`, optional
        AllenNLP's, for parameters by their names. Default: changes nothing.
    **kwargs
        As for every `Model`, such as `regularizer`.

    # Raises

    `ConfigurationError`
        If an option has an impossible value or the data has no entity types.
    """

    default_predictor = "joint_ner_re"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Lazy[SharedAndSpecificEncoder],
        entity_finder: Lazy[EntityFinder] = Lazy(CrfEntityFinder),
        relation_scorer: Lazy[RelationScorer] = Lazy(PairScorer),
        relation_loss_weight: float = 1.0,
        relation_loss_average: str = "sentence_mean",
        relation_threshold: Thresholds = 0.5,
        relation_arguments: str = "any",
        relation_probability: str = "pair",
        most_relations: int = 20_000,
        spurious_entities: float = 0.0,
        token_dropout: float = 0.0,
        bfloat16: bool = False,
        initializer: InitializerApplicator = InitializerApplicator(),
        **kwargs,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self._batch_loss = BatchLoss(relation_loss_weight, relation_loss_average)
        if most_relations < 1:
            raise ConfigurationError(f"most_relations is {most_relations}; expected 1 or more")
        if relation_arguments not in RELATION_ARGUMENTS:
            raise ConfigurationError(
                f"relation_arguments is {relation_arguments!r}; expected one of "
                f"{', '.join(RELATION_ARGUMENTS)}"
            )
        if relation_probability not in RELATION_PROBABILITIES:
            raise ConfigurationError(
                f"relation_probability is {relation_probability!r}; expected one of "
                f"{', '.join(RELATION_PROBABILITIES)}"
            )
        check_share("spurious_entities", spurious_entities)
        check_probability("token_dropout", token_dropout)
        self._entity_types = _entity_types(vocab)
        self._relation_types = label_names(vocab, RELATION_NAMESPACE)
        self._signatures = known_signatures(vocab) if relation_arguments == "seen" else None
        self.text_field_embedder = text_field_embedder
        self.encoder = encoder.construct(input_size=text_field_embedder.get_output_dim())
        self.entity_finder = entity_finder.construct(
            input_size=self.encoder.ner.get_output_dim(), entity_types=self._entity_types
        )
        self.relation_scorer = relation_scorer.construct(
            input_size=self.encoder.relation.get_output_dim(),
            num_labels=self.entity_finder.num_labels,
            num_relations=len(self._relation_types),
        )
        self.relation_threshold = relation_threshold
        self.relation_probability = relation_probability
        self.most_relations = most_relations
        self._spurious_entities = spurious_entities
        self._token_dropout = token_dropout
        self._bfloat16 = bfloat16
        self._score = JointScore(self._entity_types, self._relation_types)
        # ELMo keeps its state from batch to batch. Without a reset, a sentence's prediction would
        # depend on the sentences before it.
        modules = list(text_field_embedder.modules())
        self._stateful = [module for module in modules if hasattr(module, "reset_states")]
        self._remembering = [module for module in modules if hasattr(module, "remember")]
        # Constant tables need not be sent from process to process in distributed training.
        self._ddp_params_and_buffers_to_ignore = [
            name for name, buffer in self.named_buffers() if buffer.dtype == torch.bool
        ]
        self.register_load_state_dict_pre_hook(old_names.rename_weights)
        initializer(self)

    @classmethod
    def current_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        """See `CheckedOptions.current_options`."""
        return old_names.current_options(options)

    @property
    def entity_types(self) -> list[str]:
        """The entity types by name, in the order of their numbers."""
        return list(self._entity_types)

    @property
    def relation_types(self) -> list[str]:
        """The relation types by name, in the order of their numbers."""
        return list(self._relation_types)

    @property
    def signatures(self) -> list[Signature] | None:
        """The relation type and the types of head and tail of all relations that it may predict.

        `None` if each relation type is predicted between all entity types.
        """
        return None if self._signatures is None else list(self._signatures)

    @property
    def last_totals(self) -> dict[str, Totals]:
        """What `JointScore.totals` returns, for the last evaluation."""
        return self._score.totals()

    @property
    def relation_threshold(self) -> Thresholds:
        """The least probability of a predicted relation; see the option of this name.

        Setting an impossible value raises a `ConfigurationError`.
        """
        return self._relation_threshold

    @relation_threshold.setter
    def relation_threshold(self, thresholds: Thresholds) -> None:
        check_thresholds(thresholds, self._relation_types)
        self._relation_threshold = thresholds

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def predicts_in_threads(self) -> bool:
        """Whether several threads may predict at once.

        Not on a GPU, where it gains nothing, and not with ELMo, whose state belongs to one batch.
        """
        return self.device.type == "cpu" and not self._stateful

    @overrides(check_signature=False)
    def forward(
        self,
        tokens: TextFieldTensors,
        metadata: list[dict[str, Any]],
        annotation: dict[str, Tensor] | None = None,
    ) -> dict[str, Any]:
        """
        # Parameters

        tokens : `TextFieldTensors`
            Of shape (batch, length, ...).
        metadata : `list[dict[str, Any]]`
            Per sentence, the `Sentence` under `"sentence"`; see `JointReader`.
        annotation : `dict[str, Tensor]`, optional
            The tensors of an `AnnotationField`; needed for a loss and for metrics.

        # Returns

        `dict[str, Any]`
            `loss`, a scalar, if there is an annotation; `sentences`, a list of predicted
            `Sentence`s, except in training, where nothing is decoded.
        """
        mask = self._mask([len(sentence.tokens) for sentence in _sentences(metadata)])
        if mask.size(1) == 0:
            return self._forward_without_tokens(metadata, annotation)
        encoded = self._encode(tokens, mask, remember=annotation is not None)
        states = encoded["relation"]
        scores = self.entity_finder.score(encoded["ner"], mask)
        output: dict[str, Any] = {}
        if annotation is not None:
            if self.training:
                for sentence in _sentences(metadata):
                    check_types(sentence, self._entity_types, self._relation_types)
                    if self._signatures is not None:
                        check_signatures(sentence, self._signatures)
            output["loss"] = self._loss(scores, states, mask, annotation, metadata)
        if not self.training:
            predicted = self._predict(scores, states, mask, _sentences(metadata))
            predicted = [
                sentence.in_one_order(fields.get("symmetric", ()))
                for sentence, fields in zip(predicted, metadata)
            ]
            output["sentences"] = predicted
            if annotation is not None:
                self._count(metadata, predicted, annotation["relations_known"].tolist())
        return output

    def _encode(
        self, tokens: TextFieldTensors, mask: Tensor, remember: bool = False
    ) -> dict[str, Tensor]:
        """The encoder's output, always in single precision.

        With `remember`, embedders that cache vectors keep those of this batch.
        """
        for module in self._stateful:
            module.reset_states()  # type: ignore[operator]
        for module in self._remembering:
            # Only cache vectors of corpora: raw text is seen once.
            module.remember = remember  # type: ignore[assignment]
        # Not `enabled=False`, which would switch off the trainer's own mixed precision.
        low = torch.autocast(mask.device.type, torch.bfloat16) if self._bfloat16 else nullcontext()
        with low:
            embedded = self.text_field_embedder(tokens)
            if self.training and self._token_dropout:
                kept = torch.rand(mask.shape, device=mask.device) >= self._token_dropout
                embedded = embedded * kept.unsqueeze(2)
            encoded = self.encoder(embedded, mask)
        if not self._bfloat16:
            return encoded
        return {task: states.float() for task, states in encoded.items()}

    def _mask(self, lengths: list[int]) -> Tensor:
        """True at real tokens. Shape: (batch, length).

        It is made from the lengths, because a token may be spelt like the padding token.
        """
        positions = torch.arange(max(lengths, default=0), device=self.device)
        return positions < torch.tensor(lengths, device=positions.device).unsqueeze(1)

    def _forward_without_tokens(
        self, metadata: list[dict[str, Any]], annotation: dict[str, Tensor] | None
    ) -> dict[str, Any]:
        """A batch of empty sentences: nothing to predict and nothing to learn."""
        output: dict[str, Any] = {}
        if annotation is not None:
            # Other processes may have tokens. All weights must take part in the loss, so that the
            # processes can exchange the gradients of all.
            learned = [p.sum() for p in self.parameters() if p.requires_grad]
            nothing = sum(learned, torch.zeros((), device=self.device)) * 0
            # A batch without sentences has no such tensor.
            known = annotation.get("relations_known", nothing.new_zeros(0)).sum()
            pairs = nothing.new_zeros(())
            output["loss"] = self._batch_loss(
                nothing, nothing, _sentences(metadata), known, pairs, self.training
            )
        if not self.training:
            output["sentences"] = [
                replace(sentence, entities=(), relations=()) for sentence in _sentences(metadata)
            ]
        return output

    def _loss(
        self,
        scores: Any,
        states: Tensor,
        mask: Tensor,
        annotation: dict[str, Tensor],
        metadata: list[dict[str, Any]],
    ) -> Tensor:
        spans = gold = self.entity_finder.findable(EntitySpans.gold(annotation))
        ner_loss = self.entity_finder.loss(scores, mask, gold)
        relations = annotation["relations"]
        if self.training and torch.rand(()) < self._spurious_entities:
            spans = self._with_spurious(gold, scores, mask)
            padding = spans.starts.size(1) - gold.starts.size(1)
            relations = F.pad(relations, (0, 0, 0, padding, 0, padding))
        # Shape: (batch, entities, entities, relation types)
        logits = self.relation_scorer(states, self.entity_finder.labels(spans), spans)
        known = annotation["relations_known"]
        # Shape: (batch, entities, entities, 1)
        pairs = (spans.pairs & known.view(-1, 1, 1)).unsqueeze(3).to(logits.dtype)
        entropies = F.binary_cross_entropy_with_logits(
            logits, relations.to(logits.dtype), weight=pairs, reduction="sum"
        )
        count = pairs.sum() * logits.size(3)
        return self._batch_loss(
            ner_loss, entropies, _sentences(metadata), known.sum(), count, self.training
        )

    def _with_spurious(self, gold: EntitySpans, scores: Any, mask: Tensor) -> EntitySpans:
        """The gold entities, then the found ones that are wrong."""
        with torch.no_grad():
            found = self.entity_finder.find(scores, mask)
        wrong = replace(found, mask=found.mask & ~found.among(gold))
        return EntitySpans.together([gold, wrong])

    def _predict(
        self, scores: Any, states: Tensor, mask: Tensor, sentences: list[Sentence]
    ) -> list[Sentence]:
        spans = self.entity_finder.find(scores, mask).sorted(mask.size(1))
        probabilities = self.entity_finder.probabilities(scores, mask, spans)
        relations = self._predict_relations(
            states,
            self.entity_finder.labels(spans),
            spans,
            probabilities if self.relation_probability == "whole" else None,
        )
        return self._to_sentences(sentences, spans, probabilities, *relations)

    def _predict_relations(
        self,
        states: Tensor,
        labels: Tensor,
        spans: EntitySpans,
        entity_probabilities: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What `chosen_relations` returns."""
        blocks = self.relation_scorer.by_head(states, labels, spans, MAX_SCORES_AT_ONCE)
        thresholds = threshold_list(self.relation_threshold, self._relation_types)
        return chosen_relations(
            blocks,
            spans.pairs,
            states.new_tensor(thresholds),
            self.most_relations,
            self._arguments(spans),
            entity_probabilities,
        )

    def _arguments(self, spans: EntitySpans) -> Arguments | None:
        """Which relations are possible between the entities; `None` if all are."""
        if self._signatures is None:
            return None
        relations = {name: number for number, name in enumerate(self._relation_types)}
        entities = {name: number for number, name in enumerate(self._entity_types)}
        rows = [(relations[name], entities[h], entities[t]) for name, h, t in self._signatures]
        signatures = spans.types.new_tensor(rows).view(-1, 3)
        return Arguments(spans.types, signatures, len(entities))

    def _to_sentences(
        self,
        sentences: list[Sentence],
        spans: EntitySpans,
        entity_scores: Tensor,
        triples: Tensor,
        relation_scores: Tensor,
    ) -> list[Sentence]:
        """Turns tensors into annotated sentences."""
        entities: list[list[Entity]] = [[] for _ in sentences]
        real = spans.mask.nonzero(as_tuple=True)
        columns = [real[0], spans.types[real], spans.starts[real], spans.ends[real]]
        rows = torch.stack(columns, dim=1).tolist()
        for (row, number, start, end), score in zip(rows, entity_scores[real].tolist()):
            entities[row].append(Entity(self._entity_types[number], start, end, _round(score)))
        relations = self._to_relations(len(sentences), triples, relation_scores)
        return [
            replace(sentence, entities=entities[row], relations=relations[row])
            for row, sentence in enumerate(sentences)
        ]

    def _to_relations(self, count: int, triples: Tensor, scores: Tensor) -> list[list[Relation]]:
        """What `chosen_relations` returned, as the relations of each of `count` sentences."""
        relations: list[list[Relation]] = [[] for _ in range(count)]
        for (row, head, tail, number), score in zip(triples.tolist(), scores.tolist()):
            name = self._relation_types[number]
            relations[row].append(Relation(name, head, tail, _round(score)))
        return relations

    @overrides(check_signature=False)
    def forward_on_instances(self, instances: list[Instance]) -> list[dict[str, Any]]:
        """AllenNLP's method, in evaluation mode: in training mode nothing would be decoded."""
        training = self.training
        self.eval()
        try:
            return super().forward_on_instances(instances)
        finally:
            self.train(training)

    def predict(self, instances: list[Instance]) -> list[Sentence]:
        """Each instance's sentence with the model's annotations.

        Leaves the model in evaluation mode.
        """
        self.eval()
        batch = Batch(instances)
        batch.index_instances(self.vocab)
        with torch.inference_mode():
            tensors = move_to_device(batch.as_tensor_dict(), self._get_prediction_device())
            return self(**tensors)["sentences"]

    def relate(self, instances: list[Instance]) -> list[Sentence]:
        """Each instance's sentence with its own entities and the model's relations between them.

        Leaves the model in evaluation mode.

        # Raises

        `KeyError`
            If an entity has a type that the model does not know.
        """
        self.eval()
        batch = Batch(instances)
        batch.index_instances(self.vocab)
        with torch.inference_mode():
            tensors = move_to_device(batch.as_tensor_dict(), self._get_prediction_device())
            sentences = _sentences(tensors["metadata"])  # type: ignore[arg-type]
            mask = self._mask([len(sentence.tokens) for sentence in sentences])
            if mask.size(1) == 0:
                return [replace(sentence, relations=()) for sentence in sentences]
            states = self._encode(tensors["tokens"], mask)["relation"]  # type: ignore[arg-type]
            spans = self._given(sentences)
            triples, scores = self._predict_relations(
                states, self.entity_finder.labels(spans), spans
            )
        relations = self._to_relations(len(sentences), triples, scores)
        fields: list[dict[str, Any]] = tensors["metadata"]  # type: ignore[assignment]
        return [
            replace(s, relations=found).in_one_order(one.get("symmetric", ()))
            for s, found, one in zip(sentences, relations, fields)
        ]

    def _given(self, sentences: list[Sentence]) -> EntitySpans:
        """The sentences' own entities, in their order."""
        numbers = {name: number for number, name in enumerate(self._entity_types)}
        rows = [
            (row, entity.start, entity.end, numbers[entity.type])
            for row, sentence in enumerate(sentences)
            for entity in sentence.entities
        ]
        columns = torch.tensor(rows, dtype=torch.long, device=self.device).view(-1, 4)
        places, starts, ends, types = columns.unbind(1)
        return EntitySpans.padded(places, starts, ends, types, len(sentences))

    def _count(
        self, metadata: list[dict[str, Any]], predicted: list[Sentence], known: list[bool]
    ) -> None:
        counted = [without_spans(s, f["dropped"]) for s, f in zip(predicted, metadata)]
        # Where relations are not annotated, predicted ones are neither right nor wrong.
        counted = [s if k else replace(s, relations=()) for s, k in zip(counted, known)]
        self._score(_sentences(metadata), counted)

    @overrides(check_signature=False)
    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """One list per key of `Sentence.to_json`, with an element for each sentence."""
        records = [sentence.to_json() for sentence in output_dict["sentences"]]
        names = list(dict.fromkeys(name for record in records for name in record))
        return {name: [record.get(name) for record in records] for name in names}

    @overrides
    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """The two losses and, in evaluation, the scores of `JointScore`.

        While an epoch is running (`reset` is false), only those that fit into the progress bar.
        """
        metrics = self._batch_loss.get_metrics(reset)
        if not self.training:
            if reset:
                _log_unknown(self._score.unknown())
            metrics.update(self._score.get_metric(reset))
        if reset:
            return metrics
        return {name: metrics[name] for name in HEADLINES if name in metrics}


def _entity_types(vocab: Vocabulary) -> list[str]:
    types = label_names(vocab, ENTITY_NAMESPACE)
    if not types:
        raise ConfigurationError(
            f"the vocabulary has no entity types (its namespace {ENTITY_NAMESPACE!r} is empty); "
            "expected training data with at least one entity"
        )
    return types


def _log_unknown(unknown: dict[str, Counter[str]]) -> None:
    """Says which gold the model cannot find, because it does not know the type."""
    listed = [
        f"{name!r} ({task}): {count}" for task in unknown for name, count in unknown[task].items()
    ]
    if listed:
        logger.warning(
            "gold of types that the model does not know, counted as missed: %s", ", ".join(listed)
        )


def _sentences(metadata: list[dict[str, Any]]) -> list[Sentence]:
    return [fields["sentence"] for fields in metadata]


def without_spans(sentence: Sentence, spans: Sequence[tuple[int, int]]) -> Sentence:
    """The sentence without the entities on these spans."""
    if not spans:
        return sentence
    return sentence.without(
        index for index, e in enumerate(sentence.entities) if (e.start, e.end) in spans
    )


def _round(score: float) -> float:
    # Single precision holds about six digits of a probability; more would be noise.
    return round(score, 6)
