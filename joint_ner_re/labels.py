"""The vocabulary namespaces of entity and relation types."""

from collections.abc import Collection

from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from joint_ner_re.sentence import Sentence

# AllenNLP gives namespaces that end in "labels" no padding and no out-of-vocabulary entry.
ENTITY_NAMESPACE = "entity_labels"
RELATION_NAMESPACE = "relation_labels"


def label_numbers(vocab: Vocabulary, namespace: str) -> dict[str, int]:
    """The labels of a namespace with their indices; empty if the namespace does not exist."""
    # Looking up a missing namespace would create it.
    if namespace not in vocab.get_namespaces():
        return {}
    return vocab.get_token_to_index_vocabulary(namespace)


def label_names(vocab: Vocabulary, namespace: str) -> list[str]:
    """The labels of a namespace, sorted by index."""
    numbers = label_numbers(vocab, namespace)
    return sorted(numbers, key=lambda name: numbers[name])


def check_types(
    sentence: Sentence, entity_types: Collection[str], relation_types: Collection[str]
) -> None:
    """Make sure that a model knows the types of a sentence.

    # Raises

    `ConfigurationError`
        If it does not; the error names the sentence's place and the known types.
    """
    for what, annotations, known in (
        ("entity", sentence.entities, entity_types),
        ("relation", sentence.relations, relation_types),
    ):
        for annotation in annotations:
            if annotation.type not in known:
                raise ConfigurationError(
                    f"{sentence.source or 'sentence ' + repr(sentence.id)}: the {what} type "
                    f"{annotation.type!r} is not in the model's vocabulary; expected one of: "
                    f"{', '.join(sorted(known)) or '(none)'}. A model learns only the types of the "
                    "data that its vocabulary was built from."
                )
