"""The vocabulary namespaces of entity and relation types."""

from allennlp.data import Vocabulary

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
