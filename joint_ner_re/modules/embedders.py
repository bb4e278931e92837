"""Token embedders: characters by a BiRNN, casing, and word vectors that check their file."""

import logging
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.modules.token_embedders import Embedding, TokenEmbedder
from allennlp.modules.token_embedders.embedding import EmbeddingsTextFile
from overrides import overrides
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from joint_ner_re.casing import CASINGS
from joint_ner_re.modules.bounds import check_probability, check_size, check_weights
from joint_ner_re.modules.encoders import BiRnnLayer
from joint_ner_re.modules.unchanged import Unchanged

logger = logging.getLogger(__name__)

# Words up to this length, up to twice, four times and so on are encoded together.
SHORT_WORD = 8
# Fewer go with the next longer ones.
WORTH_A_PASS = 64
WORDS_MULTIPLE = 32
# How many words' vectors are kept: of 64 numbers each, 13 MB.
MOST_WORDS = 50_000
# Predictions may run in several threads: none encodes words that another is about to know.
_KNOWN = Lock()
# The numbers of trained word vectors deviate about as much. AllenNLP's default, Xavier over the
# whole vocabulary, is ten times smaller: words then look alike until late in training.
RANDOM_DEVIATION = 0.3


@TokenEmbedder.register("bi_rnn_characters")
class CharacterEmbedder(TokenEmbedder):
    """The last states of one BiRNN over a word's characters (Lample et al. 2016).

    Each distinct word of a batch is encoded once, however often it occurs; outside training, where
    the weights stay, once for all batches.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    embedding_size : `int`, optional (default = `32`)
        Size of a character's vector.
    hidden_size : `int`, optional (default = `32`)
        Per direction; a word's vector has twice this size.
    cell : `str`, optional (default = `"lstm"`)
        `"lstm"` or `"gru"`.
    dropout : `float`, optional (default = `0.0`)
        On the characters' vectors, in training.
    namespace : `str`, optional (default = `"token_characters"`)
        The characters' namespace in the vocabulary.

    # Raises

    `ConfigurationError`
        If a size or probability is impossible.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        embedding_size: int = 32,
        hidden_size: int = 32,
        cell: str = "lstm",
        dropout: float = 0.0,
        namespace: str = "token_characters",
    ) -> None:
        super().__init__()
        check_size("embedding_size", embedding_size)
        check_probability("dropout", dropout)
        self.embedding = nn.Embedding(vocab.get_vocab_size(namespace), embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.rnn = BiRnnLayer(embedding_size, hidden_size, cell)
        self._known = KnownWords(list(self.parameters()), self.get_output_dim())

    @overrides
    def get_output_dim(self) -> int:
        return 2 * self.rnn.hidden_size

    @overrides(check_signature=False)
    def forward(self, token_characters: Tensor) -> Tensor:
        """From characters of shape (batch, length, characters) to (batch, length, output size)."""
        keys = _words(token_characters)
        # Where each distinct word stands first. It is the last one that stays in the dictionary.
        firsts = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1)))
        characters = token_characters.flatten(0, 1)
        if torch.is_grad_enabled() or self.training:
            words = sorted(firsts, key=len)
            vectors = self._encode(characters, [firsts[word] for word in words])
            places = {word: place for place, word in enumerate(words)}
            rows = [places[key] for key in keys]
        else:
            with _KNOWN:
                self._known.be_of(_precision(token_characters.device))
                new = sorted(self._known.unknown(firsts), key=len)
                if new:
                    self._known.add(new, self._encode(characters, [firsts[word] for word in new]))
                vectors, rows = self._known.vectors, self._known.rows(keys)
        index = torch.tensor(rows, device=token_characters.device)
        # Not `vectors[index]`, whose gradient several threads add up in any order.
        return F.embedding(index, vectors).unflatten(0, token_characters.shape[:2])

    @overrides
    def train(self, mode: bool = True) -> "CharacterEmbedder":
        if mode:
            self.forget()
        return super().train(mode)

    def forget(self) -> None:
        """Encode each word anew when it comes next."""
        self._known.forget()

    def _encode(self, characters: Tensor, places: list[int]) -> Tensor:
        """The vectors of the words at these places, the shorter ones first.

        Shape: (places, output size)
        """
        words = characters[torch.tensor(places, device=characters.device)]
        lengths = (words > 0).sum(dim=1).tolist()
        vectors = []
        # The network takes as many steps as the longest of its words has characters: one address
        # among the words must not have all of them wait for it.
        begin, width = 0, SHORT_WORD
        while begin < len(words):
            end = bisect_right(lengths, width, begin)
            if end == len(words) or end - begin >= WORTH_A_PASS:
                vectors.append(self._last_states(words[begin:end], lengths[end - 1]))
                begin = end
            width *= 2
        return torch.cat(vectors)

    def _last_states(self, words: Tensor, longest: int) -> Tensor:
        """The vectors of words of at most so many characters. Shape: (words, output size)"""
        count, width = words.shape
        # A kernel for a new shape takes its time to be made: there shall be few shapes.
        steps = max(SHORT_WORD, longest + -longest % SHORT_WORD)
        words = F.pad(words, (0, steps - width, 0, -count % WORDS_MULTIPLE))
        # So few steps gain little in training from what rounding costs.
        with torch.autocast(words.device.type, enabled=False) if self.training else nullcontext():
            # A padding "word" has no character: 0.
            vectors = self.rnn.last_states(self.dropout(self.embedding(words)), words > 0)
        return vectors[:count].to(self.embedding.weight.dtype)


class KnownWords:
    """The vectors of words that have been encoded, as long as the weights stay the same.

    # Parameters

    weights : `Sequence[Tensor]`
        What the vectors depend on, besides the words.
    size : `int`
        Of a vector.
    """

    def __init__(self, weights: Sequence[Tensor], size: int) -> None:
        self._numbers: dict[bytes, int] = {}
        self.vectors = torch.empty(0, size)
        self._weight = weights[0]
        self._unchanged = Unchanged(weights)
        self._precision: torch.dtype | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy of a model learns its words anew.
        return {**self.__dict__, "_numbers": {}, "vectors": self.vectors[:0]}

    def forget(self) -> None:
        """Know no word."""
        self._numbers.clear()
        self._unchanged.forget()

    def be_of(self, precision: torch.dtype) -> None:
        """Know words of this precision alone: a vector must not depend on whose it was first."""
        if precision != self._precision:
            self.forget()
            self._precision = precision

    def unknown(self, words: Collection[bytes]) -> list[bytes]:
        """Those of a batch's words that have to be encoded; after this there is room for them."""
        new = [word for word in words if word not in self._numbers]
        if not self._unchanged() or len(self._numbers) + len(new) > len(self.vectors):
            self._numbers.clear()
            rows = max(MOST_WORDS, len(words))
            # It can be filled in every mode, also when it is made in inference mode.
            with torch.inference_mode(False):
                self.vectors = self._weight.new_empty(rows, self.vectors.size(1))
            return list(words)
        return new

    def rows(self, words: Iterable[bytes]) -> list[int]:
        """Where in `vectors` known words are."""
        return [self._numbers[word] for word in words]

    def add(self, words: Iterable[bytes], vectors: Tensor) -> None:
        """Take the vectors of new words. Shape of `vectors`: (words, size)."""
        first = len(self._numbers)
        self.vectors[first : first + len(vectors)] = vectors
        self._numbers.update((word, first + number) for number, word in enumerate(words))


def _precision(device: torch.device) -> torch.dtype:
    """The type in which products are computed now, which `torch.autocast` may have changed."""
    # The same in all versions of PyTorch.
    ones = torch.ones(1, 1, device=device)
    return torch.mm(ones, ones).dtype


def _words(token_characters: Tensor) -> list[bytes]:
    """The characters' numbers of each word, without padding, as something to look up."""
    rows = token_characters.flatten(0, 1).contiguous().cpu().numpy().astype("<i8", copy=False)
    # As byte strings, which numpy gives without the zeros at their end. Little-endian numbers: what
    # is left is the same with more padding, and tells words apart.
    return rows.view(f"S{rows.itemsize * rows.shape[1]}").ravel().tolist()


@TokenEmbedder.register("casing")
class CasingEmbedder(TokenEmbedder):
    """A one-hot vector of a word's casing class; see `joint_ner_re.casing`."""

    @overrides
    def get_output_dim(self) -> int:
        return len(CASINGS)

    @overrides(check_signature=False)
    def forward(self, tokens: Tensor) -> Tensor:
        """From class numbers, 0 at padding, of shape (batch, length) to (batch, length, 7)."""
        classes = torch.arange(1, len(CASINGS) + 1, device=tokens.device)
        return (tokens.unsqueeze(2) == classes).float()


@TokenEmbedder.register("word_vectors")
class WordVectors(Embedding):
    """Word vectors from a text file, which is checked line by line.

    AllenNLP's `embedding` skips lines of another dimension; here they are an error that names
    the file and the line. How many words of the vocabulary have a vector is logged; the other
    words get random vectors of the same mean and deviation.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    embedding_dim : `int`
        Size of the vectors.
    pretrained_file : `str`, optional (default = `None`)
        A file of one word and its numbers a line, plain, gzipped or in a zip archive, with or
        without a first line of two counts. Without a file all vectors are random.
    namespace : `str`, optional (default = `"tokens"`)
        The words' namespace in the vocabulary.
    trainable : `bool`, optional (default = `False`)
        Whether training changes the vectors.

    # Raises

    `ConfigurationError`
        If a line has not `embedding_dim` numbers, or no word of the vocabulary has a vector.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        embedding_dim: int,
        pretrained_file: str | None = None,
        namespace: str = "tokens",
        trainable: bool = False,
    ) -> None:
        check_size("embedding_dim", embedding_dim)
        check_weights(
            f"embedding_dim is {embedding_dim}", embedding_dim * vocab.get_vocab_size(namespace)
        )
        # AllenNLP takes `pretrained_file` out of the configuration when it loads a trained model,
        # whose weights hold the vectors: the file need not be there then.
        if pretrained_file is None:
            weight = torch.randn(vocab.get_vocab_size(namespace), embedding_dim) * RANDOM_DEVIATION
        else:
            weight = _read_vectors(pretrained_file, embedding_dim, vocab, namespace)
        super().__init__(
            embedding_dim=embedding_dim,
            vocab=vocab,
            weight=weight,  # type: ignore[arg-type]
            padding_index=0,
            trainable=trainable,
            vocab_namespace=namespace,
        )


def _read_vectors(path: str, size: int, vocab: Vocabulary, namespace: str) -> torch.Tensor:
    """The vectors of the vocabulary's words. Shape: (words, size)."""
    numbers = vocab.get_token_to_index_vocabulary(namespace)
    found: dict[int, Tensor] = {}
    try:
        file = EmbeddingsTextFile(path)
    except StopIteration:
        raise ConfigurationError(
            f"{path}: the file is empty; expected a word and {size} numbers on each line"
        ) from None
    with file as lines:
        first = 2 if lines.num_tokens else 1
        progress = tqdm(lines, total=lines.num_tokens, unit=" vectors", desc="word vectors")
        for line_number, line in enumerate(progress, start=first):
            fields = line.rstrip().split(" ")
            # A word may itself hold spaces, as some of GloVe's do.
            word, values = " ".join(fields[:-size]), fields[-size:]
            if not word or (len(fields) > size + 1 and _is_number(fields[-size - 1])):
                raise ConfigurationError(
                    f"{path}:{line_number}: the line has {len(fields) - 1} numbers after its word; "
                    f"expected {size}, the embedding_dim of the configuration"
                )
            if word in numbers:
                found[numbers[word]] = torch.tensor(_parse(values, path, line_number))
    if not found:
        raise ConfigurationError(
            f"{path}: none of the {len(numbers)} words of the vocabulary's namespace "
            f"{namespace!r} has a vector in this file; is it the right language and casing?"
        )
    logger.info("%s: vectors for %d of %d words", path, len(found), len(numbers))
    # Shape: (words found, size)
    vectors = torch.stack(list(found.values()))
    weight = torch.randn(len(numbers), size) * vectors.std(unbiased=False) + vectors.mean()
    weight[list(found)] = vectors
    return weight


def _parse(values: list[str], path: str, line_number: int) -> list[float]:
    try:
        return [float(value) for value in values]
    except ValueError as error:
        raise ConfigurationError(
            f"{path}:{line_number}: {error}; expected a word and {len(values)} numbers"
        ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
