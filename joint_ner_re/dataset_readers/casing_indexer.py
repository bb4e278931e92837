"""The token indexer for casing classes."""

from allennlp.data import Token, TokenIndexer, Vocabulary
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from overrides import overrides

from joint_ner_re.casing import CASINGS, casing

# 0 is padding.
_NUMBERS = {name: number for number, name in enumerate(CASINGS, start=1)}


@TokenIndexer.register("casing")
class CasingIndexer(TokenIndexer):
    """Gives each token the number of its casing class, from 1; 0 is padding.

    Use it with the token embedder `casing`.
    """

    @overrides
    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        """The classes are fixed: nothing is counted."""

    @overrides
    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        return {"tokens": [_NUMBERS[casing(token.text or "")] for token in tokens]}

    @overrides
    def get_empty_token_list(self) -> IndexedTokenList:
        return {"tokens": []}
