"""Finds the named entities of a text and the relations between them.

    import joint_ner_re

    extractor = joint_ner_re.load("model.tar.gz")
    doc = extractor("Methotrexate was stopped because of pneumonitis.")
    for relation in doc.relations:
        print(relation.head.text, relation.type, relation.tail.text, relation.probability)

Importing the package is cheap: neither AllenNLP nor PyTorch is imported until a model is used.
`joint_ner_re.plugin` registers the package's classes and commands with AllenNLP.
"""

import sys
from typing import TYPE_CHECKING

from joint_ner_re.lazy import lazy_names
from joint_ner_re.version import VERSION

if TYPE_CHECKING:
    from joint_ner_re.corpora import read_corpus as read_corpus
    from joint_ner_re.corpora import write_corpus as write_corpus
    from joint_ner_re.extractor import load as load
    from joint_ner_re.extractor import to_frame as to_frame
    from joint_ner_re.metrics import score as score
    from joint_ner_re.sentence import Sentence as Sentence

__version__ = VERSION

__getattr__, __all__ = lazy_names(
    __name__,
    {
        "Sentence": "joint_ner_re.sentence",
        "load": "joint_ner_re.extractor",
        "read_corpus": "joint_ner_re.corpora",
        "score": "joint_ner_re.metrics",
        "to_frame": "joint_ner_re.extractor",
        "write_corpus": "joint_ner_re.corpora",
    },
)

if "allennlp" in sys.modules:
    # A line `joint_ner_re` in `.allennlp_plugins`, and a program that imports AllenNLP first, want
    # the classes registered; what makes that slow is imported already.
    import joint_ner_re.plugin  # noqa: F401
