"""The joint model: wiring, losses and readable output."""

import logging
import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import is_distributed
from allennlp.data import Batch, Instance, TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from allennlp.nn import InitializerApplicator
from allennlp.nn.util import dist_reduce_sum, move_to_device
from overrides import overrides
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.configuration import CheckedOptions
from joint_ner_re.labels import ENTITY_NAMESPACE, RELATION_NAMESPACE, label_names
from joint_ner_re.metrics import JointScore, WeightedMean
from joint_ner_re.modules import (
    ConstrainedCrf,
    EntitySpans,
    RelationScorer,
    SharedAndSpecificEncoder,
    SpanTagger,
    TagScorer,
)
from joint_ner_re.modules.bounds import check_probability
from joint_ner_re.sentence import Entity, Relation, Sentence
from joint_ner_re.tag_codec import TagCodec

logger = logging.getLogger(__name__)

# A larger one leaves nothing of the other loss in single precision.
MOST_WEIGHT = 1e6
MOST_TAG_LEVELS = 10
RELATION_LOSSES = ("pair_mean", "sentence_mean")
# So many scores of relations are held in memory at once (times four bytes, a few times over).
SCORES_AT_ONCE = 4_000_000
HEADLINES = ("entity_f1", "relation_f1", "mean_f1", "ner_loss", "relation_loss")


@Model.register("joint_ner_re")
class JointModel(CheckedOptions, Model):
    """Recognises entities and the relations between them (Crone 2020, arXiv 2002.06424).

    Shared BiRNN layers, then layers of each task's own; a CRF over tags for entities; a score
    for every relation type of every ordered pair of entities. In training the pairs are those
    of the gold entities, otherwise those of the decoded ones.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    text_field_embedder : `TextFieldEmbedder`
        Makes the tokens' vectors.
    encoder : `Lazy[SharedAndSpecificEncoder]`
        With the keys `shared`, `ner` and `relation`, each a `Seq2SeqEncoder`.
    tag_scorer : `Lazy[TagScorer]`, optional
        Scores the tags of every token, which the CRF decodes.
    relation_scorer : `Lazy[RelationScorer]`, optional
        Scores the relation types of every pair of entities.
    tag_scheme : `str`, optional (default = `"BIOUL"`)
        `"BIO"` or `"BIOUL"`.
    tag_levels : `int`, optional (default = `1`)
        Entities that overlap need more than one: a scorer and a CRF of its own finds the
        entities of each level (`tag_codec.tag_levels`). Unlike those of Ju et al. 2018 no level
        reads another: all have the same states. Not in the paper.
    relation_loss_weight : `float`, optional (default = `1.0`)
        lambda in `loss = ner_loss + lambda * relation_loss`.
    relation_loss_average : `str`, optional (default = `"sentence_mean"`)
        `"sentence_mean"`: the binary cross-entropies of a sentence's pairs and types are summed,
        as the CRF's loss sums over tokens, and averaged over sentences. `"pair_mean"`: their
        mean over all pairs and types of the batch.
    relation_threshold : `Union[float, Dict[str, float]]`, optional (default = `0.5`)
        theta: a relation is predicted when its probability is at least this. One number, or one
        for each relation type by its name; `allennlp tune-threshold` chooses them.
    most_relations : `int`, optional (default = `20_000`)
        Of more relations in a sentence the most probable are kept, and the others counted in a
        warning. For memory: a model that has learned little finds millions in a long sentence.
    spurious_entities : `float`, optional (default = `0.0`)
        In this share of the training batches the wrongly decoded entities stand among the gold
        ones, without relations, as they will at prediction. Not in the paper.
    token_dropout : `float`, optional (default = `0.0`)
        The probability that a whole token's vector is 0 in training. Not in the paper.
    bfloat16 : `bool`, optional (default = `False`)
        Whether the embedders' and encoders' matrix products have factors of 16 bits: faster where
        the processor has instructions for it. Weights, losses and the rest stay as they are.
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
        tag_scorer: Lazy[TagScorer] = Lazy(TagScorer),
        relation_scorer: Lazy[RelationScorer] = Lazy(RelationScorer),
        tag_scheme: str = "BIOUL",
        tag_levels: int = 1,
        relation_loss_weight: float = 1.0,
        relation_loss_average: str = "sentence_mean",
        relation_threshold: Union[float, Dict[str, float]] = 0.5,
        most_relations: int = 20_000,
        spurious_entities: float = 0.0,
        token_dropout: float = 0.0,
        bfloat16: bool = False,
        initializer: InitializerApplicator = InitializerApplicator(),
        **kwargs,
    ) -> None:
        super().__init__(vocab, **kwargs)
        _check_options(relation_loss_weight, relation_loss_average)
        _check_share("spurious_entities", spurious_entities)
        if not 1 <= tag_levels <= MOST_TAG_LEVELS:
            raise ConfigurationError(f"tag_levels is {tag_levels}; expected 1 to {MOST_TAG_LEVELS}")
        if most_relations < 1:
            raise ConfigurationError(f"most_relations is {most_relations}; expected 1 or more")
        check_probability("token_dropout", token_dropout)
        entity_types = label_names(vocab, ENTITY_NAMESPACE)
        self._relation_types = label_names(vocab, RELATION_NAMESPACE)
        _check_threshold(relation_threshold, self._relation_types)
        if not entity_types:
            raise ConfigurationError(
                f"the vocabulary has no entity types (its namespace {ENTITY_NAMESPACE!r} is "
                "empty); expected training data with at least one entity"
            )
        try:
            self.codec = TagCodec(entity_types, tag_scheme)
        except ValueError as error:
            raise ConfigurationError(f"tag_scheme: {error}") from error

        self.text_field_embedder = text_field_embedder
        self.encoder = encoder.construct(input_size=text_field_embedder.get_output_dim())
        size = self.encoder.ner.get_output_dim()
        self.tag_scorer = tag_scorer.construct(input_size=size, num_tags=len(self.codec))
        self.crf = ConstrainedCrf(self.codec)
        self.further_tag_scorers = nn.ModuleList(
            tag_scorer.construct(input_size=size, num_tags=len(self.codec))
            for _ in range(1, tag_levels)
        )
        for scorer in self.further_tag_scorers:
            scorer.expect_outside()  # type: ignore[operator]
        self.further_crfs = nn.ModuleList(ConstrainedCrf(self.codec) for _ in range(1, tag_levels))
        self.span_tagger = SpanTagger(self.codec)
        self.relation_scorer = relation_scorer.construct(
            input_size=self.encoder.relation.get_output_dim(),
            num_tags=len(self.codec),
            num_relations=len(self._relation_types),
        )
        self.relation_threshold = relation_threshold
        self.most_relations = most_relations
        self._relation_loss_weight = relation_loss_weight
        self._relation_loss_average = relation_loss_average
        self._spurious_entities = spurious_entities
        self._token_dropout = token_dropout
        self._bfloat16 = bfloat16
        self._score = JointScore(entity_types, self._relation_types)
        self._losses = {"ner_loss": WeightedMean(), "relation_loss": WeightedMean()}
        # ELMo carries its state from batch to batch: a sentence's prediction would depend on what
        # was predicted before it.
        parts = list(text_field_embedder.modules())
        self._stateful = [module for module in parts if hasattr(module, "reset_states")]
        self._remembering = [module for module in parts if hasattr(module, "remember")]
        # Constant tables need not be sent from process to process in distributed training, and
        # torch 1.12 cannot send booleans between CPUs.
        self._ddp_params_and_buffers_to_ignore = [
            name for name, buffer in self.named_buffers() if buffer.dtype == torch.bool
        ]
        initializer(self)

    @property
    def relation_types(self) -> List[str]:
        """The relation types by name, in the order of their numbers."""
        return list(self._relation_types)

    @property
    def predicts_in_threads(self) -> bool:
        """Whether several threads may predict at once: not on a GPU, which does one thing after
        the other, and not with ELMo, whose state is that of one batch."""
        return self.crf.start.device.type == "cpu" and not self._stateful

    @overrides(check_signature=False)
    def forward(
        self,
        tokens: TextFieldTensors,
        metadata: List[Dict[str, Any]],
        annotation: Optional[Dict[str, Tensor]] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        tokens : `TextFieldTensors`
            Of shape (batch, length, ...).
        metadata : `List[Dict[str, Any]]`
            Per sentence, the `Sentence` under `"sentence"`; see `JointReader`.
        annotation : `Dict[str, Tensor]`, optional
            The tensors of an `AnnotationField`; needed for a loss and for metrics.

        # Returns

        `Dict[str, Any]`
            `loss`, a scalar, with an annotation; `sentences`, a list of predicted `Sentence`s,
            except in training, where nothing is decoded.
        """
        mask = self._mask([len(fields["sentence"].tokens) for fields in metadata])
        if mask.size(1) == 0:
            return self._forward_without_tokens(metadata, annotation)
        for module in self._stateful:
            module.reset_states()  # type: ignore[operator]
        for module in self._remembering:
            # A corpus comes again, raw text does not.
            module.remember = annotation is not None  # type: ignore[assignment]
        encoded = self._encode(tokens, mask)
        # For each level, of shape (batch, length, tags)
        tag_scores = [
            scorer(encoded["ner"]) for scorer in (self.tag_scorer, *self.further_tag_scorers)
        ]
        output: Dict[str, Any] = {}
        if annotation is not None:
            states = encoded["relation"]
            output["loss"] = self._loss(tag_scores, states, mask, annotation, metadata)
        if not self.training:
            sentences = [fields["sentence"] for fields in metadata]
            predicted = self._predict(tag_scores, encoded["relation"], mask, sentences)
            output["sentences"] = predicted
            if annotation is not None:
                self._count(metadata, predicted, annotation["relations_known"].tolist())
        return output

    def _encode(self, tokens: TextFieldTensors, mask: Tensor) -> Dict[str, Tensor]:
        """The encoder's output; with `bfloat16` in single precision again."""
        # Not `enabled=False` where it is off, which would end the trainer's own mixed precision.
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

    def _mask(self, lengths: List[int]) -> Tensor:
        """True at real tokens. Shape: (batch, length).

        Made from the lengths, not from the tokens' numbers: a token may be spelt like padding.
        """
        positions = torch.arange(max(lengths, default=0), device=self.crf.start.device)
        return positions < torch.tensor(lengths, device=positions.device).unsqueeze(1)

    def _forward_without_tokens(
        self, metadata: List[Dict[str, Any]], annotation: Optional[Dict[str, Tensor]]
    ) -> Dict[str, Any]:
        """A batch of empty sentences: nothing to predict and nothing to learn."""
        output: Dict[str, Any] = {}
        if annotation is not None:
            # Another process may have the rest of the batch: all weights must be in the loss, for
            # the processes to agree on the gradients of each.
            learned = [p.sum() for p in self.parameters() if p.requires_grad]
            nothing = sum(learned, self.crf.start.new_zeros(())) * 0
            # Without a sentence there is not even the tensor.
            known = annotation.get("relations_known", nothing.new_zeros(0)).sum()
            output["loss"] = self._mean(nothing, nothing, metadata, known, nothing.new_zeros(()))
        if not self.training:
            output["sentences"] = [
                replace(f["sentence"], entities=(), relations=()) for f in metadata
            ]
        return output

    def _loss(
        self,
        tag_scores: List[Tensor],
        states: Tensor,
        mask: Tensor,
        annotation: Dict[str, Tensor],
        metadata: List[Dict[str, Any]],
    ) -> Tensor:
        gold = EntitySpans.gold(annotation, len(tag_scores))
        ner_loss = tag_scores[0].new_zeros(())
        entity_tags = torch.zeros_like(gold.starts)
        for level, (crf, scores) in enumerate(zip(self._crfs, tag_scores)):
            here = gold.on_level(level)
            tags = self.span_tagger.encode(here, mask.size(1))
            ner_loss = ner_loss - crf.log_likelihood(scores, mask, tags).sum()
            entity_tags = torch.where(here.mask, tags.gather(1, here.lasts), entity_tags)
        spans, relations = gold, annotation["relations"]
        if self.training and torch.rand(()) < self._spurious_entities:
            spans, entity_tags = self._with_spurious(gold, entity_tags, tag_scores, mask)
            padding = spans.starts.size(1) - gold.starts.size(1)
            relations = F.pad(relations, (0, 0, 0, padding, 0, padding))
        # Shape: (batch, entities, entities, relation types)
        logits = self.relation_scorer(states, entity_tags, spans)
        known = annotation["relations_known"]
        # Shape: (batch, entities, entities, 1)
        pairs = (spans.pairs & known.view(-1, 1, 1)).unsqueeze(3).to(logits.dtype)
        entropies = F.binary_cross_entropy_with_logits(
            logits, relations.to(logits.dtype), weight=pairs, reduction="sum"
        )
        return self._mean(ner_loss, entropies, metadata, known.sum(), pairs.sum() * logits.size(3))

    def _mean(
        self,
        ner_loss: Tensor,
        relation_loss: Tensor,
        metadata: List[Dict[str, Any]],
        known: Tensor,
        pairs: Tensor,
    ) -> Tensor:
        """The loss of a batch from the sums over its sentences, and over the pairs and types of
        the sentences whose relations are known.

        Where several processes have a part of the batch each, the mean of what they return is
        the loss of the whole: of that mean they take the gradient.
        """
        sentences = len(metadata)
        weighted = ner_loss.detach() + self._relation_loss_weight * relation_loss.detach()
        broken = ~torch.isfinite(weighted)
        by_pairs = self._relation_loss_average == "pair_mean"
        related = pairs if by_pairs else known.to(pairs.dtype)
        # Shape: (over how many sentences, and over how many of what, means are; broken losses)
        counts = torch.stack([pairs.new_tensor(float(sentences)), related, broken.to(pairs.dtype)])
        self._losses["ner_loss"](ner_loss.detach(), sentences)
        self._losses["relation_loss"](relation_loss.detach(), related)
        processes = torch.distributed.get_world_size() if is_distributed() else 1
        counts = dist_reduce_sum(counts)
        # This waits for a GPU, as AllenNLP's trainer does next, to show the loss. All processes
        # stop in the same batch: none waits for one that has ended.
        if self.training and counts[2]:
            _stop(weighted.item(), [fields["sentence"] for fields in metadata])
        sentences_in_all, related_in_all = counts[:2].clamp(min=1) / processes
        relation_loss = self._relation_loss_weight * relation_loss / related_in_all
        return ner_loss / sentences_in_all + relation_loss

    def _with_spurious(
        self, gold: EntitySpans, gold_tags: Tensor, tag_scores: List[Tensor], mask: Tensor
    ) -> Tuple[EntitySpans, Tensor]:
        """The gold entities and, after them, those that are decoded but wrong."""
        paths, levels = self._decode([scores.detach() for scores in tag_scores], mask)
        found = EntitySpans.together(levels)
        wrong = replace(found, mask=found.mask & ~found.among(gold))
        tags = torch.cat([gold_tags, *_last_tags(paths, levels)], dim=1)
        return EntitySpans.together([gold, wrong]), tags

    def _predict(
        self, tag_scores: List[Tensor], states: Tensor, mask: Tensor, sentences: List[Sentence]
    ) -> List[Sentence]:
        paths, levels = self._decode(tag_scores, mask)
        spans = EntitySpans.together(levels)
        found = [
            crf.span_probabilities(scores, mask, path, entities.starts, entities.ends)
            for crf, scores, path, entities in zip(self._crfs, tag_scores, paths, levels)
        ]
        # Shape of each: (batch, entities)
        entity_scores, entity_tags = torch.cat(found, 1), torch.cat(_last_tags(paths, levels), 1)
        if len(levels) > 1:
            order = spans.order(mask.size(1))
            spans = spans.take(order)
            entity_scores, entity_tags = (t.gather(1, order) for t in (entity_scores, entity_tags))
        relations = self._predict_relations(states, entity_tags, spans)
        return self._to_sentences(sentences, spans, entity_scores, *relations)

    def _decode(
        self, tag_scores: List[Tensor], mask: Tensor
    ) -> Tuple[List[Tensor], List[EntitySpans]]:
        """Each level's best tags, of shape (batch, length), and its entities without those of the
        levels before it.
        """
        paths = [crf.viterbi(scores, mask) for crf, scores in zip(self._crfs, tag_scores)]
        levels: List[EntitySpans] = []
        for level, path in enumerate(paths):
            spans = self.span_tagger.decode(path, mask, level)
            for before in levels:
                spans = replace(spans, mask=spans.mask & ~spans.among(before))
            levels.append(spans)
        return paths, levels

    @property
    def _crfs(self) -> List[ConstrainedCrf]:
        """One for each level."""
        return [self.crf, *self.further_crfs]  # type: ignore[list-item]

    def _predict_relations(
        self, states: Tensor, entity_tags: Tensor, spans: EntitySpans
    ) -> Tuple[Tensor, Tensor]:
        """The relations from the threshold upwards, `most_relations` of a sentence at most.

        Their (sentence, head, tail, type), of shape (relations, 4), and their probabilities.
        """
        pairs = spans.pairs
        indices, scores = [pairs.new_empty(0, 4, dtype=torch.long)], [states.new_empty(0)]
        dropped = 0
        thresholds = self._thresholds(states)
        for heads, logits in self.relation_scorer.by_head(
            states, entity_tags, spans, SCORES_AT_ONCE
        ):
            # Shape: (batch, heads, entities, relation types)
            probabilities = logits.sigmoid()
            chosen = (probabilities >= thresholds) & pairs[:, heads].unsqueeze(3)
            found = chosen.nonzero()
            scores.append(probabilities[found.unbind(dim=1)])
            found[:, 1] += heads.start
            indices.append(found)
            if sum(map(len, scores)) > self.most_relations:
                kept = self._most_probable(torch.cat(indices), torch.cat(scores))
                dropped += sum(map(len, scores)) - len(kept[1])
                indices, scores = [kept[0]], [kept[1]]
        if dropped:
            logger.warning(
                "%d relations, the least probable, were left out: in a sentence there may be %d "
                "(most_relations). Was the model trained?",
                dropped,
                self.most_relations,
            )
        return torch.cat(indices), torch.cat(scores)

    def _most_probable(self, indices: Tensor, scores: Tensor) -> Tuple[Tensor, Tensor]:
        """Of each sentence the `most_relations` with the highest scores, in the order given."""
        counts = torch.bincount(indices[:, 0])
        if int(counts.max()) <= self.most_relations:
            return indices, scores
        chosen = torch.ones_like(scores, dtype=torch.bool)
        for row in (counts > self.most_relations).nonzero().flatten():
            places = (indices[:, 0] == row).nonzero().flatten()
            order = scores[places].sort(descending=True, stable=True).indices
            chosen[places[order[self.most_relations :]]] = False
        return indices[chosen], scores[chosen]

    def _thresholds(self, states: Tensor) -> Tensor:
        """The threshold of each relation type. Shape: (relation types,)"""
        chosen = self.relation_threshold
        if not isinstance(chosen, dict):
            return states.new_tensor([chosen] * len(self._relation_types))
        return states.new_tensor([chosen[name] for name in self._relation_types])

    def _to_sentences(
        self,
        sentences: List[Sentence],
        spans: EntitySpans,
        entity_scores: Tensor,
        triples: Tensor,
        relation_scores: Tensor,
    ) -> List[Sentence]:
        """Predictions as sentences: the one place where tensors become annotations again."""
        entities: List[List[Entity]] = [[] for _ in sentences]
        real = spans.mask.nonzero(as_tuple=True)
        columns = [real[0], spans.types[real], spans.starts[real], spans.ends[real]]
        rows = torch.stack(columns, dim=1).tolist()
        for (row, number, start, end), score in zip(rows, entity_scores[real].tolist()):
            entities[row].append(Entity(self.codec.types[number], start, end, _round(score)))
        relations: List[List[Relation]] = [[] for _ in sentences]
        for (row, head, tail, number), score in zip(triples.tolist(), relation_scores.tolist()):
            name = self._relation_types[number]
            relations[row].append(Relation(name, head, tail, _round(score)))
        return [
            replace(sentence, entities=entities[row], relations=relations[row])
            for row, sentence in enumerate(sentences)
        ]

    @overrides(check_signature=False)
    def forward_on_instances(self, instances: List[Instance]) -> List[Dict[str, Any]]:
        """AllenNLP's, in evaluation whatever mode the model is in: training decodes nothing."""
        training = self.training
        self.eval()
        try:
            return super().forward_on_instances(instances)
        finally:
            self.train(training)

    def predict(self, instances: List[Instance]) -> List[Sentence]:
        """Each instance's sentence with the model's annotations. Leaves the model in evaluation."""
        self.eval()
        batch = Batch(instances)
        batch.index_instances(self.vocab)
        with torch.inference_mode():
            tensors = move_to_device(batch.as_tensor_dict(), self._get_prediction_device())
            return self(**tensors)["sentences"]

    def _count(
        self, metadata: List[Dict[str, Any]], predicted: List[Sentence], known: List[bool]
    ) -> None:
        gold = [fields["sentence"] for fields in metadata]
        counted = [without_spans(s, f["dropped"]) for s, f in zip(predicted, metadata)]
        # What is predicted where relations are not annotated is neither right nor wrong.
        counted = [s if k else replace(s, relations=()) for s, k in zip(counted, known)]
        self._score(gold, counted)

    @overrides(check_signature=False)
    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """One list per key of `Sentence.to_json`, with an element for each sentence."""
        records = [sentence.to_json() for sentence in output_dict["sentences"]]
        names = list(dict.fromkeys(name for record in records for name in record))
        return {name: [record.get(name) for record in records] for name in names}

    @overrides
    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        """In training the two losses; in evaluation also the figures of `JointScore`.

        While an epoch is running (`reset` is false) only the headline figures, which the
        progress bar has room for.
        """
        metrics = {name: loss.get_metric(reset) for name, loss in self._losses.items()}
        if not self.training:
            metrics.update(self._score.get_metric(reset))
        if reset:
            return metrics
        return {name: metrics[name] for name in HEADLINES if name in metrics}


def _check_options(weight: float, average: str) -> None:
    if not 0 <= weight <= MOST_WEIGHT:
        raise ConfigurationError(
            f"relation_loss_weight is {weight}; expected 0 or more, at most {MOST_WEIGHT:g}"
        )
    if average not in RELATION_LOSSES:
        raise ConfigurationError(
            f"relation_loss_average is {average!r}; expected {' or '.join(RELATION_LOSSES)}"
        )


def _check_threshold(threshold: Union[float, Dict[str, float]], types: Sequence[str]) -> None:
    if not isinstance(threshold, dict):
        _check_share("relation_threshold", threshold)
        return
    for problem, names in (
        ("lacks", [name for name in types if name not in threshold]),
        ("has the unknown", [name for name in threshold if name not in types]),
    ):
        if names:
            raise ConfigurationError(
                f"relation_threshold {problem} {', '.join(map(repr, names))}; expected one number, "
                f"or one for each of the relation types {', '.join(map(repr, types))}"
            )
    for name, value in threshold.items():
        _check_share(f"relation_threshold of {name!r}", value)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{name} is {value}; expected 0 to 1")


def without_spans(sentence: Sentence, spans: Sequence[Tuple[int, int]]) -> Sentence:
    """The sentence without the entities on these spans."""
    if not spans:
        return sentence
    return sentence.without(
        index for index, e in enumerate(sentence.entities) if (e.start, e.end) in spans
    )


def _last_tags(paths: List[Tensor], levels: List[EntitySpans]) -> List[Tensor]:
    """The tags of the entities' last tokens. Shape of each level's: (batch, entities)."""
    return [path.gather(1, spans.lasts) for path, spans in zip(paths, levels)]


def _stop(loss: float, sentences: Sequence[Sentence]) -> None:
    """End a training that would go on with weights that are no numbers."""
    if math.isfinite(loss):
        raise ValueError("another process has a batch whose loss is not finite: see its log")
    names = ", ".join(repr(s.id or " ".join(s.tokens[:5])) for s in sentences)
    raise ValueError(
        f"the loss of a training batch is {loss}; expected a finite number. The batch's sentences: "
        f"{names}. Look at what is special in them, or try a lower trainer.optimizer.lr, a lower "
        "trainer.grad_norm or model.bfloat16 false"
    )


def _round(score: float) -> float:
    # Six digits are what single precision holds of a probability; more would be noise to read.
    return round(score, 6)
