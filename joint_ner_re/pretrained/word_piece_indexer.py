"""The token indexer for the word pieces of a pretrained encoder."""

from allennlp.data import Token, TokenIndexer, Vocabulary
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from overrides import overrides

from joint_ner_re.pretrained.tokenizer import piece_tokenizer


@TokenIndexer.register("word_pieces")
class WordPieceIndexer(TokenIndexer):
    """Gives a sentence's word pieces and the position of each piece's word.

    Use it with the token embedder `transformer` and the same `model_name`.

    # Parameters

    model_name : `str`
        See `joint_ner_re.pretrained`.
    **kwargs
        As for every `TokenIndexer`, such as `token_min_padding_length`.

    # Raises

    `ConfigurationError`
        If there is no such encoder, or it has no fast tokenizer.
    """

    def __init__(self, model_name: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self._tokenizer = piece_tokenizer(model_name)

    @overrides
    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        """The pieces are fixed: nothing is counted."""

    @overrides
    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        pieces = self._tokenizer.pieces([token.text or "" for token in tokens])
        # 0 is padding in both: pieces and words are counted from 1.
        return {
            "pieces": [number + 1 for number in pieces.ids],
            "words": [word + 1 for word in pieces.words],
        }

    @overrides
    def get_empty_token_list(self) -> IndexedTokenList:
        return {"pieces": [], "words": []}
