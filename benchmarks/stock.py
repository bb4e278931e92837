"""The joint model assembled from AllenNLP's own parts, as one would without this package.

Packed bidirectional networks of PyTorch's (AllenNLP's `lstm` and `gru`), AllenNLP's CRF and its
Viterbi, a character encoder that runs for every token, and the scorer of pairs as a loop over
them. `StockModel` has the weights of a `JointModel`, and the same scores, likelihood and logits
(tests/benchmarks/test_stock.py): what differs is the time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple

import torch
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import (
    ConditionalRandomField,
    FeedForward,
    InputVariationalDropout,
    Seq2SeqEncoder,
    Seq2VecEncoder,
)
from allennlp.modules.conditional_random_field.conditional_random_field import allowed_transitions
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding, TokenCharactersEncoder
from allennlp.nn.util import get_text_field_mask
from allennlp.training.metrics import CategoricalAccuracy, SpanBasedF1Measure
from torch import Tensor, nn
from torch.nn import functional as F

from joint_ner_re.models import JointModel
from joint_ner_re.modules import BiRnnStack, CrfEntityFinder, EntitySpans, PairScorer, TagScorer
from joint_ner_re.modules.embedders import CharacterEmbedder
from joint_ner_re.modules.encoders import BiRnnLayer
from joint_ner_re.sentence import Entity, Relation

TAG_NAMESPACE = "labels"


class Encoded(NamedTuple):
    """A batch's mask, of shape (batch, length), and what the layers make of it.

    `tag_scores` has shape (batch, length, tags), `states` (batch, length, size).
    """

    mask: Tensor
    tag_scores: Tensor
    states: Tensor


class StockModel(Model):
    """The joint model of AllenNLP's parts. In training it decodes and counts in every step, as
    AllenNLP's taggers do.

    # Parameters

    model : `JointModel`
        Whose sizes and weights it takes; that model stays as it is.
    """

    def __init__(self, model: JointModel) -> None:
        finder = crf_finder(model)
        super().__init__(with_tags(model.vocab, finder.codec.tags))
        self.codec = finder.codec
        self.relation_types = model.relation_types
        self.relation_threshold = model.relation_threshold
        self.text_field_embedder = stock_embedder(model.text_field_embedder)
        encoder = model.encoder
        self.shared = stock_layers([encoder.shared])
        self.ner = stock_layers([encoder.ner])
        self.relation = stock_layers([encoder.relation])
        # nn.LSTM drops between its layers, not before the first.
        self.dropout = stock_dropout(encoder.shared.dropout)
        self.tag_layers = stock_tag_layers(finder.levels[0].scorer)
        self.crf = stock_crf(finder)
        if not isinstance(model.relation_scorer, PairScorer):
            found = type(model.relation_scorer).__name__
            raise ValueError(f"the relation scorer is a {found}; expected a PairScorer")
        self.pairs = PairLoop(model.relation_scorer)
        self._accuracies = [CategoricalAccuracy(), CategoricalAccuracy(top_k=3)]
        self._f1 = SpanBasedF1Measure(self.vocab, TAG_NAMESPACE, label_encoding=self.codec.scheme)

    def encode(self, tokens: TextFieldTensors) -> Encoded:
        """Everything below the CRF and the pairs."""
        embedded = self.text_field_embedder(tokens)
        mask = get_text_field_mask(tokens)
        shared = self.dropout(self.shared(self.dropout(embedded), mask))
        tag_scores = self.tag_layers(self.ner(shared, mask))
        return Encoded(mask, tag_scores, self.relation(shared, mask))

    def forward(
        self,
        tokens: TextFieldTensors,
        metadata: list[dict[str, Any]],
        annotation: dict[str, Tensor] | None = None,
        tags: Tensor | None = None,
    ) -> dict[str, Any]:
        """As `JointModel.forward`, with the gold tags beside the annotation."""
        mask, tag_scores, states = self.encode(tokens)
        paths = [path for path, _ in self.crf.viterbi_tags(tag_scores, mask)]
        output: dict[str, Any] = {"tags": paths}
        if annotation is not None and tags is not None:
            ner_loss = -self.crf(tag_scores, tags, mask)
            relation_loss = self._relation_loss(states, tags, annotation)
            output["loss"] = (ner_loss + relation_loss) / mask.size(0)
            self._count(paths, tags, mask, tag_scores)
        if not self.training:
            output["sentences"] = self._sentences(metadata, paths, states)
        return output

    def _relation_loss(self, states: Tensor, tags: Tensor, annotation: dict[str, Tensor]) -> Tensor:
        loss = states.new_zeros(())
        for row, real in enumerate(EntitySpans.gold(annotation).mask.sum(dim=1).tolist()):
            lasts = annotation["ends"][row, :real] - 1
            logits = self.pairs(states[row], tags[row], lasts)
            for (head, tail), scores in logits.items():
                gold = annotation["relations"][row, head, tail]
                loss = loss + F.binary_cross_entropy_with_logits(scores, gold, reduction="sum")
        return loss

    def _count(
        self, paths: Sequence[Sequence[int]], tags: Tensor, mask: Tensor, scores: Tensor
    ) -> None:
        # As in allennlp-models' CrfTagger: the decoded tags as class probabilities.
        decoded = torch.zeros_like(scores)
        for row, path in enumerate(paths):
            for position, tag in enumerate(path):
                decoded[row, position, tag] = 1
        for metric in (*self._accuracies, self._f1):
            metric(decoded, tags, mask)

    def _sentences(
        self, metadata: list[dict[str, Any]], paths: list[list[int]], states: Tensor
    ) -> list[Any]:
        """The predictions as sentences. An entity has no probability: this CRF gives none."""
        sentences = []
        for row, path in enumerate(paths):
            names = [self.codec.tags[tag] for tag in path]
            entities: list[Entity] = self.codec.decode(names)
            relations: list[Relation] = []
            if len(entities) > 1:
                lasts = torch.tensor([e.end - 1 for e in entities], device=states.device)
                tags = torch.tensor(path, device=states.device)
                for (head, tail), scores in self.pairs(states[row], tags, lasts).items():
                    for number, probability in enumerate(scores.sigmoid().tolist()):
                        if probability >= self.relation_threshold:
                            name = self.relation_types[number]
                            relations.append(Relation(name, head, tail, probability))
            sentence = metadata[row]["sentence"]
            sentences.append(replace(sentence, entities=entities, relations=relations))
        return sentences


class PairLoop(nn.Module):
    """W2 [ f_i ; f_j ; cos(f_i, f_j) ; distmult ] + b, one pair after the other.

    # Parameters

    scorer : `PairScorer`
        Whose weights it copies.
    """

    def __init__(self, scorer: PairScorer) -> None:
        super().__init__()
        if scorer.pair_layer is not None:
            raise ValueError("the relation scorer has a pair layer; expected the paper's scorer")
        for name in ("tag_embedding", "hidden", "activation", "output"):
            setattr(self, name, copy.deepcopy(getattr(scorer, name)))
        self.dropout = stock_dropout(scorer.dropout)
        self.distmult = nn.Parameter(scorer.distmult.detach().clone())

    def forward(self, states: Tensor, tags: Tensor, lasts: Tensor) -> dict[Any, Tensor]:
        """The logits, of shape (relation types,), of each ordered pair of one sentence's entities.

        # Parameters

        states : `Tensor`
            Shape: (length, size).
        tags : `Tensor`
            Shape: (length,).
        lasts : `Tensor`
            The entities' last tokens. Shape: (entities,).
        """
        entities = states[lasts]
        if self.tag_embedding is not None:
            entities = torch.cat([entities, self.tag_embedding(tags[lasts])], dim=1)
        entities = self.dropout(entities)
        hidden = self.activation(self.hidden(entities))
        logits = {}
        for head, tail in permutations(range(len(lasts)), 2):
            cosine = F.cosine_similarity(hidden[head], hidden[tail], dim=0)
            distmult = (entities[head] * self.distmult * entities[tail]).sum(dim=1)
            features = torch.cat([hidden[head], hidden[tail], cosine.view(1), distmult])
            logits[head, tail] = self.output(features)
        return logits


def with_tags(vocab: Vocabulary, tags: Sequence[str]) -> Vocabulary:
    """A copy of the vocabulary with the tags in their order, where AllenNLP looks for them."""
    copied = copy.deepcopy(vocab)
    copied.add_tokens_to_namespace(list(tags), TAG_NAMESPACE)
    return copied


def stock_layers(stacks: Sequence[BiRnnStack]) -> Seq2SeqEncoder:
    """The layers of all stacks as one packed bidirectional network, with their weights."""
    layers: list[BiRnnLayer] = [layer for stack in stacks for layer in stack.layers]
    if not layers:
        raise ValueError("a stack has no layer; the stock encoders have at least one")
    first = layers[0].forwards
    wrapper = Seq2SeqEncoder.by_name(type(first).__name__.lower())(
        input_size=first.input_size,
        hidden_size=first.hidden_size,
        num_layers=len(layers),
        dropout=stacks[0].dropout.p if len(layers) > 1 else 0.0,
        bidirectional=True,
    )
    _copy_layers(layers, wrapper._module)
    return wrapper


def stock_dropout(dropout: nn.Dropout) -> nn.Dropout:
    """AllenNLP's or PyTorch's own dropout of the same kind."""
    kind = InputVariationalDropout if isinstance(dropout, InputVariationalDropout) else nn.Dropout
    return kind(dropout.p)


def stock_embedder(embedder: BasicTextFieldEmbedder) -> BasicTextFieldEmbedder:
    """A copy whose character encoder is AllenNLP's; all else is the same for all systems."""
    copied = {}
    for name, part in embedder._token_embedders.items():
        copied[name] = (
            _stock_characters(part) if isinstance(part, CharacterEmbedder) else copy.deepcopy(part)
        )
    return BasicTextFieldEmbedder(copied)


def _stock_characters(embedder: CharacterEmbedder) -> TokenCharactersEncoder:
    layer = embedder.rnn
    numbers, size = embedder.embedding.weight.shape
    encoder = Seq2VecEncoder.by_name(type(layer.forwards).__name__.lower())(
        input_size=size, hidden_size=layer.hidden_size, bidirectional=True
    )
    _copy_layers([layer], encoder._module)
    embedding = Embedding(
        embedding_dim=size,
        num_embeddings=numbers,
        weight=embedder.embedding.weight.detach().clone(),
    )
    return TokenCharactersEncoder(embedding, encoder)


def _copy_layers(layers: Sequence[BiRnnLayer], target: nn.Module) -> None:
    with torch.no_grad():
        for number, layer in enumerate(layers):
            for suffix, source in (("", layer.forwards), ("_reverse", layer.backwards)):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    weight = getattr(target, f"{name}_l{number}{suffix}")
                    weight.copy_(getattr(source, f"{name}_l0"))


def stock_tag_layers(scorer: TagScorer) -> nn.Module:
    """The tag scorer of AllenNLP's feed-forward network and a linear layer."""
    output = copy.deepcopy(scorer.output)
    hidden = stock_feed_forward(scorer)
    return output if hidden is None else nn.Sequential(hidden, output)


def stock_feed_forward(scorer: TagScorer) -> FeedForward | None:
    """The tag scorer's hidden layer, if it has one."""
    if scorer.hidden is None:
        return None
    width, size = scorer.hidden.weight.shape
    network = FeedForward(size, 1, width, scorer.activation, scorer.dropout.p)
    network._linear_layers[0].load_state_dict(scorer.hidden.state_dict())
    return network


def crf_finder(model: JointModel) -> CrfEntityFinder:
    """The model's entity finder, which must be the paper's, with one level of tags."""
    finder = model.entity_finder
    if not isinstance(finder, CrfEntityFinder) or len(finder.levels) > 1:
        raise ValueError("expected the entity finder 'crf' with one level of tags")
    return finder


def stock_crf(finder: CrfEntityFinder) -> ConditionalRandomField:
    """AllenNLP's CRF with the finder's weights.

    It constrains its decoding alone. With impossible transitions at -10,000 its likelihood is over
    the well-formed sequences, too.
    """
    names = dict(enumerate(finder.codec.tags))
    crf = ConditionalRandomField(len(names), allowed_transitions(finder.codec.scheme, names))
    targets = (crf.transitions, crf.start_transitions, crf.end_transitions)
    with torch.no_grad():
        for target, source in zip(targets, finder.levels[0].crf._constrained()):
            target.copy_(source.clamp(min=-1e4))
    return crf
