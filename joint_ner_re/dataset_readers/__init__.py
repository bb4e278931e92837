"""Readers that turn corpora into AllenNLP instances."""

from joint_ner_re.configuration import add_ranges
from joint_ner_re.dataset_readers.ade import AdeReader
from joint_ner_re.dataset_readers.annotation_field import AnnotationField
from joint_ner_re.dataset_readers.casing_indexer import CasingIndexer
from joint_ner_re.dataset_readers.conll04 import Conll04Reader
from joint_ner_re.dataset_readers.gazetteer_indexer import GazetteerIndexer, GazetteerVocabulary
from joint_ner_re.dataset_readers.joint_reader import JointReader

__all__ = [
    "AdeReader",
    "AnnotationField",
    "CasingIndexer",
    "Conll04Reader",
    "GazetteerIndexer",
    "GazetteerVocabulary",
    "JointReader",
]

# AllenNLP does not check these options.
add_ranges(
    {
        "dataset_reader.max_instances": (1, 10**12),
        "dataset_reader.token_indexers.token_characters.min_padding_length": (0, 10**3),
    }
)
