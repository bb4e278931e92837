"""Encoders, entity finders, relation scorers and embedders: tensors only, no corpus and no file."""

from joint_ner_re.configuration import add_given, add_size_check
from joint_ner_re.modules.bounds import check_module_sizes
from joint_ner_re.modules.crf import ConstrainedCrf
from joint_ner_re.modules.crf_entity_finder import CrfEntityFinder
from joint_ner_re.modules.embedders import (
    CasingEmbedder,
    CharacterEmbedder,
    GazetteerEmbedder,
    WordVectors,
)
from joint_ner_re.modules.encoders import BiRnnLayer, BiRnnStack, SharedAndSpecificEncoder
from joint_ner_re.modules.entity_finder import EntityFinder
from joint_ner_re.modules.entity_spans import EntitySpans
from joint_ner_re.modules.pair_layer import PairLayer
from joint_ner_re.modules.pair_scorer import PairScorer
from joint_ner_re.modules.relation_scorer import RelationScorer
from joint_ner_re.modules.span_tagger import SpanTagger
from joint_ner_re.modules.tag_scorer import TagScorer

__all__ = [
    "BiRnnLayer",
    "BiRnnStack",
    "CasingEmbedder",
    "CharacterEmbedder",
    "ConstrainedCrf",
    "CrfEntityFinder",
    "EntityFinder",
    "EntitySpans",
    "GazetteerEmbedder",
    "PairLayer",
    "PairScorer",
    "RelationScorer",
    "SharedAndSpecificEncoder",
    "SpanTagger",
    "TagScorer",
    "WordVectors",
]

add_given("input_size", "entity_size", "entity_types", "num_tags", "num_labels", "num_relations")
add_size_check(check_module_sizes)
