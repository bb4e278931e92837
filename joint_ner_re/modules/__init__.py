"""Encoders, heads, the CRF and embedders: tensors only, no corpus and no file format."""

from joint_ner_re.configuration import add_given, add_size_check
from joint_ner_re.modules.bounds import check_module_sizes
from joint_ner_re.modules.crf import ConstrainedCrf
from joint_ner_re.modules.embedders import CasingEmbedder, CharacterEmbedder, WordVectors
from joint_ner_re.modules.encoders import BiRnnLayer, BiRnnStack, SharedAndSpecificEncoder
from joint_ner_re.modules.entity_spans import EntitySpans, SpanTagger
from joint_ner_re.modules.heads import RelationScorer, TagScorer
from joint_ner_re.modules.pair_layer import PairLayer
from joint_ner_re.modules.transformer import TransformerEmbedder

__all__ = [
    "BiRnnLayer",
    "BiRnnStack",
    "CasingEmbedder",
    "CharacterEmbedder",
    "ConstrainedCrf",
    "EntitySpans",
    "PairLayer",
    "RelationScorer",
    "SharedAndSpecificEncoder",
    "SpanTagger",
    "TagScorer",
    "TransformerEmbedder",
    "WordVectors",
]

add_given("input_size", "entity_size", "num_tags", "num_relations")
add_size_check(check_module_sizes)
