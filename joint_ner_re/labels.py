"""The vocabulary namespaces of types, their signatures, and what training data annotates."""

import json
from collections.abc import Collection

from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from joint_ner_re.gazetteer import Gazetteer
from joint_ner_re.messages import quote
from joint_ner_re.sentence import Sentence

# AllenNLP gives namespaces that end in "labels" no padding and no out-of-vocabulary entry.
ENTITY_NAMESPACE = "entity_labels"
RELATION_NAMESPACE = "relation_labels"
SIGNATURE_NAMESPACE = "signature_labels"
GAZETTEER_NAMESPACE = "gazetteer_labels"

# A relation type, and the entity types of its head and its tail.
Signature = tuple[str, str, str]


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


def signature_label(relation: str, head: str, tail: str) -> str:
    """The entry of a signature in the vocabulary: JSON, because types may hold any characters."""
    return json.dumps([relation, head, tail])


def known_signatures(vocab: Vocabulary) -> list[Signature]:
    """Which entity types each relation type of the vocabulary connects, in that direction.

    # Raises

    `ConfigurationError`
        If a relation type has no signature, as in vocabularies of versions that did not count
        them, or if an entry is no signature of the vocabulary's types.
    """
    entity_types = label_numbers(vocab, ENTITY_NAMESPACE)
    relation_types = label_numbers(vocab, RELATION_NAMESPACE)
    found = []
    for entry in label_names(vocab, SIGNATURE_NAMESPACE):
        try:
            relation, head, tail = json.loads(entry)
            known = relation in relation_types and head in entity_types and tail in entity_types
        # JSON that is nested too deeply ends in a RecursionError; a list is no key (TypeError).
        except (ValueError, TypeError, RecursionError):
            known = False
        if not known:
            raise ConfigurationError(
                f"the vocabulary has the entry {quote(entry)} in {SIGNATURE_NAMESPACE!r}; expected "
                "a JSON list of one of its relation types and two of its entity types"
            )
        found.append((relation, head, tail))
    without = set(relation_types) - {relation for relation, _, _ in found}
    if without:
        raise ConfigurationError(
            "the vocabulary does not say which entity types these relation types connect: "
            f"{', '.join(sorted(without))}; expected entries in its namespace "
            f"{SIGNATURE_NAMESPACE!r}, which trainings write since version 0.2.0. Train the model "
            'again, or set relation_arguments to "any"'
        )
    return found


def known_gazetteer(vocab: Vocabulary) -> Gazetteer:
    """The vocabulary's gazetteer.

    # Raises

    `ConfigurationError`
        If it has none, or one of its entries is damaged.
    """
    labels = label_names(vocab, GAZETTEER_NAMESPACE)
    if not labels:
        raise ConfigurationError(
            f"the vocabulary has no entry in {GAZETTEER_NAMESPACE!r}, in which the gazetteer looks "
            'words up; expected a training configuration with "vocabulary": {"type": "gazetteer"}'
        )
    try:
        return Gazetteer(labels)
    except ValueError as error:
        raise ConfigurationError(f"the vocabulary's {GAZETTEER_NAMESPACE!r}: {error}") from error


def check_signatures(sentence: Sentence, known: Collection[Signature]) -> None:
    """Make sure that a model can predict a training sentence's relations.

    # Raises

    `ConfigurationError`
        If the types of a relation's head and tail are not among the known signatures.
    """
    for relation in sentence.relations:
        head, tail = (sentence.entities[place].type for place in (relation.head, relation.tail))
        if (relation.type, head, tail) not in known:
            raise ConfigurationError(
                f"{sentence.source or 'sentence ' + repr(sentence.id)}: {relation.type!r} from "
                f"{head!r} to {tail!r} is not in the model's vocabulary; expected a vocabulary of "
                'all training data, or relation_arguments "any"'
            )


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
