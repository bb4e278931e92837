"""The gazetteer: the vocabulary that collects it, and the token indexer that looks words up."""

from collections.abc import Iterable, Iterator

from allennlp.data import Instance, Token, TokenIndexer, Vocabulary
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from overrides import overrides

from joint_ner_re.corpora.partitions import document_of
from joint_ner_re.gazetteer import Example, Gazetteer, make_entries
from joint_ner_re.labels import GAZETTEER_NAMESPACE, known_gazetteer
from joint_ner_re.sentence import Sentence


@Vocabulary.register("gazetteer", constructor="from_annotated_instances")
class GazetteerVocabulary(Vocabulary):
    """A vocabulary that also holds what the training data annotates.

    The token indexer `gazetteer` needs it. The file `gazetteer_labels.txt` of a trained model then
    has the words of all entities of the training data, and keys of the sentences and documents with
    these words, but not the sentences.

    # Parameters

    instances : `Iterable[Instance]`
        Given by AllenNLP: of the data in `datasets_for_vocab_creation`.
    min_count : `dict[str, int]`, optional (default = `None`)
        By namespace, how often a word must occur.
    """

    @classmethod
    def from_annotated_instances(
        cls, instances: Iterable[Instance], min_count: dict[str, int] | None = None
    ) -> "GazetteerVocabulary":
        """The vocabulary of training data; see the class."""
        examples: list[Example] = []
        vocabulary = cls.from_instances(_collected(instances, examples), min_count=min_count)
        labels = [entry.to_label() for entry in make_entries(examples)]
        vocabulary.add_tokens_to_namespace(labels, GAZETTEER_NAMESPACE)
        return vocabulary  # type: ignore[return-value]


def _collected(instances: Iterable[Instance], examples: list[Example]) -> Iterator[Instance]:
    """The instances; meanwhile `examples` gets what the gazetteer needs of them."""
    for instance in instances:
        if "annotation" in instance.fields:
            sentence: Sentence = instance["annotation"].sentence  # type: ignore[attr-defined]
            tokens = [token.text or "" for token in instance["tokens"].tokens]  # type: ignore[attr-defined]
            # An id that names no document may come again in another file.
            document = document_of(sentence)
            known = document if document != sentence.id else ""
            examples.append(Example(tokens, sentence.entities, known))
        yield instance


@TokenIndexer.register("gazetteer")
class GazetteerIndexer(TokenIndexer):
    """Gives each token the number of `joint_ner_re.gazetteer.Gazetteer`, from 1; 0 is padding.

    Use it with the token embedder `gazetteer` and the vocabulary of the same name.

    # Parameters

    **kwargs
        As for every `TokenIndexer`, such as `token_min_padding_length`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._known: tuple[Vocabulary, Gazetteer] | None = None

    @overrides
    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        """The vocabulary collects the entries itself, because a token does not tell its entity."""

    @overrides
    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        if self._known is None or self._known[0] is not vocabulary:
            self._known = vocabulary, known_gazetteer(vocabulary)
        return {"tokens": self._known[1].numbers([token.text or "" for token in tokens])}

    @overrides
    def get_empty_token_list(self) -> IndexedTokenList:
        return {"tokens": []}
