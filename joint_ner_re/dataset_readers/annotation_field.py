"""Turns annotations into tensors; no other module does."""

from collections.abc import Collection
from typing import Any

import torch
from allennlp.common.util import JsonDict
from allennlp.data import Vocabulary
from allennlp.data.fields import Field
from overrides import overrides
from torch import Tensor

from joint_ner_re.labels import (
    ENTITY_NAMESPACE,
    RELATION_NAMESPACE,
    SIGNATURE_NAMESPACE,
    check_types,
    label_numbers,
    signature_label,
)
from joint_ner_re.sentence import Sentence
from joint_ner_re.tag_codec import tag_levels

AnnotationTensors = dict[str, Tensor]

_NUMBERS = ("starts", "ends", "types", "levels")


class AnnotationField(Field[AnnotationTensors]):
    """A sentence's entities and relations.

    Entities that overlap are on different levels (`tag_codec.tag_levels`). Entities are sorted by
    level, then by position. Duplicates (same type and span) are merged.

    The tensors are `starts`, `ends`, `types` and `levels`, of shape (entities,); `mask`, of shape
    (entities,); `relations`, of shape (entities, entities, relation types), 1 where
    [head, tail, type] holds; and `relations_known`, a scalar.

    # Parameters

    sentence : `Sentence`
    relations_known : `bool`, optional (default = `True`)
        Whether relations are annotated. If so, all pairs without an annotation are negative
        examples.
    unknown_types : `str`, optional (default = `"missed"`)
        What becomes of annotations of types that the vocabulary does not have. `"missed"`: no
        tensor has them, and the scores, which are of the sentence, count them as missed.
        `"error"`: they are an error.
    symmetric : `Collection[str]`, optional (default = `()`)
        Relation types without a direction: the vocabulary gets their signatures in both orders.
    """

    __slots__ = [
        "sentence",
        "relations_known",
        "entities",
        "relations",
        "levels",
        "_unknown_types",
        "_symmetric",
        "_gold",
        "_types",
        "_triples",
        "_num_relations",
    ]

    def __init__(
        self,
        sentence: Sentence,
        relations_known: bool = True,
        unknown_types: str = "missed",
        symmetric: Collection[str] = (),
    ) -> None:
        self._unknown_types = unknown_types
        self._symmetric = symmetric
        self.sentence = sentence
        self.relations_known = relations_known
        distinct = list({entity.key: entity for entity in sentence.entities}.values())
        levels = tag_levels(distinct)
        order = sorted(range(len(levels)), key=lambda i: (levels[i], distinct[i].start))
        self.entities = [distinct[index] for index in order]
        self.levels = [levels[index] for index in order]
        places = {entity.key: place for place, entity in enumerate(self.entities)}
        place_of = [places[entity.key] for entity in sentence.entities]
        self.relations = [
            (relation.type, place_of[relation.head], place_of[relation.tail])
            for relation in sentence.relations
            if place_of[relation.head] != place_of[relation.tail]
        ]
        self._gold = (self.entities, self.levels, self.relations)
        self._types: list[int] = []
        self._triples: list[list[int]] = []
        self._num_relations = 0

    @overrides
    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        for entity in self.sentence.entities:
            counter[ENTITY_NAMESPACE][entity.type] += 1
        for relation in self.sentence.relations:
            counter[RELATION_NAMESPACE][relation.type] += 1
            head = self.sentence.entities[relation.head].type
            tail = self.sentence.entities[relation.tail].type
            counter[SIGNATURE_NAMESPACE][signature_label(relation.type, head, tail)] += 1
            if relation.type in self._symmetric:
                counter[SIGNATURE_NAMESPACE][signature_label(relation.type, tail, head)] += 1

    @overrides
    def index(self, vocab: Vocabulary) -> None:
        entity_numbers = label_numbers(vocab, ENTITY_NAMESPACE)
        relation_numbers = label_numbers(vocab, RELATION_NAMESPACE)
        if self._unknown_types == "error":
            check_types(self.sentence, entity_numbers, relation_numbers)
        entities, levels, relations = self._gold
        kept = [place for place, entity in enumerate(entities) if entity.type in entity_numbers]
        place_of = {old: new for new, old in enumerate(kept)}
        self.entities = [entities[place] for place in kept]
        self.levels = [levels[place] for place in kept]
        self.relations = [
            (name, place_of[head], place_of[tail])
            for name, head, tail in relations
            if name in relation_numbers and head in place_of and tail in place_of
        ]
        self._types = [entity_numbers[entity.type] for entity in self.entities]
        self._triples = [[head, tail, relation_numbers[n]] for n, head, tail in self.relations]
        self._num_relations = len(relation_numbers)

    @overrides
    def get_padding_lengths(self) -> dict[str, int]:
        return {"entities": len(self.entities)}

    @overrides
    def as_tensor(self, padding_lengths: dict[str, int]) -> AnnotationTensors:
        padding = padding_lengths["entities"] - len(self.entities)
        relations = torch.zeros(
            padding_lengths["entities"], padding_lengths["entities"], self._num_relations
        )
        for head, tail, number in self._triples:
            relations[head, tail, number] = 1
        return {
            "starts": torch.tensor([e.start for e in self.entities] + [0] * padding),
            "ends": torch.tensor([e.end for e in self.entities] + [1] * padding),
            "types": torch.tensor(self._types + [0] * padding),
            "levels": torch.tensor(self.levels + [0] * padding),
            "mask": torch.tensor([True] * len(self.entities) + [False] * padding, dtype=torch.bool),
            "relations": relations,
            "relations_known": torch.tensor(self.relations_known),
        }

    @overrides
    def batch_tensors(self, tensor_list: list[AnnotationTensors]) -> AnnotationTensors:
        return {
            # An empty list becomes a tensor of floats, so convert the positions to integers.
            name: torch.stack([t[name] for t in tensor_list]).to(
                torch.long if name in _NUMBERS else tensor_list[0][name].dtype
            )
            for name in tensor_list[0]
        }

    @overrides
    def empty_field(self) -> "AnnotationField":
        return AnnotationField(Sentence(tokens=()))

    @overrides
    def human_readable_repr(self) -> JsonDict:
        record: dict[str, Any] = self.sentence.to_json()
        return {"entities": record["entities"], "relations": record["relations"]}

    @overrides
    def __len__(self) -> int:
        return len(self.entities)
