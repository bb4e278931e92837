"""Token embedders: characters by a BiRNN, casing, a gazetteer, and vectors from checked files."""

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
from joint_ner_re.labels import known_gazetteer
from joint_ner_re.modules.bounds import check_probability, check_size, check_weights
from joint_ner_re.modules.change_detector import ChangeDetector
from joint_ner_re.modules.encoders import BiRnnLayer

logger = logging.getLogger(__name__)

# Words are encoded in groups of up to 8 characters, up to 16, up to 32 and so on.
SHORT_WORD = 8
# A smaller group is merged with the next longer one.
MIN_WORDS_PER_PASS = 64
WORDS_MULTIPLE = 32
# How many word vectors are kept. With 64 numbers each they take 13 MB.
MAX_KNOWN_WORDS = 50_000
# Several threads may predict at once. The lock keeps them from encoding the same words twice.
_KNOWN_LOCK = Lock()
# Standard deviation of random word vectors, about that of trained ones. AllenNLP's default, Xavier
# over the vocabulary, is ten times smaller, so that words look alike until late in training.
RANDOM_DEVIATION = 0.3


@TokenEmbedder.register("bi_rnn_characters")
class CharacterEmbedder(TokenEmbedder):
    """The last states of one BiRNN over a word's characters (Lample et al. 2016).

    Each distinct word of a batch is encoded once. Outside training the weights do not change, so a
    word is encoded once for all batches.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    embedding_size : `int`, optional (default = `32`)
        Size of a character's vector.
    hidden_size : `int`, optional (default = `32`)
        Per direction. A word's vector has twice this size.
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
        # The first place of each distinct word. Of equal keys a dictionary keeps the last value.
        firsts = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1)))
        characters = token_characters.flatten(0, 1)
        if torch.is_grad_enabled() or self.training:
            words = sorted(firsts, key=len)
            vectors = self._encode(characters, [firsts[word] for word in words])
            places = {word: place for place, word in enumerate(words)}
            rows = [places[key] for key in keys]
        else:
            with _KNOWN_LOCK:
                self._known.use_precision(_precision(token_characters.device))
                new = sorted(self._known.unknown(firsts), key=len)
                if new:
                    self._known.add(new, self._encode(characters, [firsts[word] for word in new]))
                vectors, rows = self._known.vectors, self._known.rows(keys)
        index = torch.tensor(rows, device=token_characters.device)
        # Not `vectors[index]`, because several threads add up its gradient in random order.
        return F.embedding(index, vectors).unflatten(0, token_characters.shape[:2])

    @overrides
    def train(self, mode: bool = True) -> "CharacterEmbedder":
        if mode:
            self.forget()
        return super().train(mode)

    def forget(self) -> None:
        """Discard all known vectors."""
        self._known.forget()

    def _encode(self, characters: Tensor, places: list[int]) -> Tensor:
        """The vectors of the words at these places, which are sorted by length.

        Shape: (places, output size)
        """
        words = characters[torch.tensor(places, device=characters.device)]
        lengths = (words > 0).sum(dim=1).tolist()
        vectors = []
        # The network takes as many steps as its longest word has characters, so group the words:
        # a single web address must not slow down all others.
        begin, width = 0, SHORT_WORD
        while begin < len(words):
            end = bisect_right(lengths, width, begin)
            if end == len(words) or end - begin >= MIN_WORDS_PER_PASS:
                vectors.append(self._last_states(words[begin:end], lengths[end - 1]))
                begin = end
            width *= 2
        return torch.cat(vectors)

    def _last_states(self, words: Tensor, longest: int) -> Tensor:
        """The vectors of words of at most `longest` characters. Shape: (words, output size)"""
        count, width = words.shape
        # oneDNN compiles a kernel per shape, so round shapes up to keep their number small.
        steps = max(SHORT_WORD, longest + -longest % SHORT_WORD)
        words = F.pad(words, (0, steps - width, 0, -count % WORDS_MULTIPLE))
        # In training 16 bits gain little time over so few steps, and would cost precision.
        with torch.autocast(words.device.type, enabled=False) if self.training else nullcontext():
            # A padding word has no characters, so its vector is 0.
            vectors = self.rnn.last_states(self.dropout(self.embedding(words)), words > 0)
        return vectors[:count].to(self.embedding.weight.dtype)


class KnownWords:
    """Keeps the vectors of encoded words until the weights change.

    # Parameters

    weights : `Sequence[Tensor]`
        The weights that the vectors depend on.
    size : `int`
        Size of a vector.
    """

    def __init__(self, weights: Sequence[Tensor], size: int) -> None:
        self._numbers: dict[bytes, int] = {}
        self.vectors = torch.empty(0, size)
        self._weight = weights[0]
        self._changes = ChangeDetector(weights)
        self._precision: torch.dtype | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copied model starts without known words.
        return {**self.__dict__, "_numbers": {}, "vectors": self.vectors[:0]}

    def forget(self) -> None:
        """Discard all vectors."""
        self._numbers.clear()
        self._changes.forget()

    def use_precision(self, precision: torch.dtype) -> None:
        """Discard vectors that were computed in another precision than this one.

        Otherwise a prediction would depend on the batches before it.
        """
        if precision != self._precision:
            self.forget()
            self._precision = precision

    def unknown(self, words: Collection[bytes]) -> list[bytes]:
        """The words that must be encoded. Makes room for them."""
        new = [word for word in words if word not in self._numbers]
        if self._changes.changed() or len(self._numbers) + len(new) > len(self.vectors):
            self._numbers.clear()
            rows = max(MAX_KNOWN_WORDS, len(words))
            # A tensor made in inference mode could only be filled in inference mode.
            with torch.inference_mode(False):
                self.vectors = self._weight.new_empty(rows, self.vectors.size(1))
            return list(words)
        return new

    def rows(self, words: Iterable[bytes]) -> list[int]:
        """The rows of known words in `vectors`."""
        return [self._numbers[word] for word in words]

    def add(self, words: Iterable[bytes], vectors: Tensor) -> None:
        """Store the vectors of new words. Shape of `vectors`: (words, size)."""
        first = len(self._numbers)
        self.vectors[first : first + len(vectors)] = vectors
        self._numbers.update((word, first + number) for number, word in enumerate(words))


def _precision(device: torch.device) -> torch.dtype:
    """The type in which products are computed here, which depends on `torch.autocast`."""
    ones = torch.ones(1, 1, device=device)
    return torch.mm(ones, ones).dtype


def _words(token_characters: Tensor) -> list[bytes]:
    """A key for each word: the bytes of its character numbers, without padding."""
    rows = token_characters.flatten(0, 1).contiguous().cpu().numpy().astype("<i8", copy=False)
    # numpy strips the zeros at the end of byte strings, and with them the padding. This needs
    # little-endian numbers, whose zero bytes come last.
    return rows.view(f"S{rows.itemsize * rows.shape[1]}").ravel().tolist()


@TokenEmbedder.register("casing")
class CasingEmbedder(TokenEmbedder):
    """One-hot vectors of casing classes; see `joint_ner_re.casing`."""

    @overrides
    def get_output_dim(self) -> int:
        return len(CASINGS)

    @overrides(check_signature=False)
    def forward(self, tokens: Tensor) -> Tensor:
        """From class numbers (0 at padding) of shape (batch, length) to (batch, length, 7)."""
        classes = torch.arange(1, len(CASINGS) + 1, device=tokens.device)
        return (tokens.unsqueeze(2) == classes).float()


@TokenEmbedder.register("gazetteer")
class GazetteerEmbedder(TokenEmbedder):
    """Learned vectors of what the training data annotates; see `joint_ner_re.gazetteer`.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    embedding_dim : `int`, optional (default = `24`)
        Size of the vectors.

    # Raises

    `ConfigurationError`
        If the size is impossible, or the vocabulary has no gazetteer.
    """

    def __init__(self, vocab: Vocabulary, embedding_dim: int = 24) -> None:
        super().__init__()
        check_size("embedding_dim", embedding_dim)
        self.embedding = nn.Embedding(known_gazetteer(vocab).size, embedding_dim, padding_idx=0)
        self.embedding.weight.data.mul_(RANDOM_DEVIATION)

    @overrides
    def get_output_dim(self) -> int:
        return self.embedding.embedding_dim

    @overrides(check_signature=False)
    def forward(self, tokens: Tensor) -> Tensor:
        """From numbers (0 at padding) of shape (batch, length) to (batch, length, output size)."""
        return self.embedding(tokens)


@TokenEmbedder.register("word_vectors")
class WordVectors(Embedding):
    """Word vectors from a text file, checked line by line.

    A line with another number of dimensions is an error that names the file and the line;
    AllenNLP's `embedding` skips it. The log says how many words of the vocabulary have a vector.
    The other words get random vectors with the same mean and deviation.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP.
    embedding_dim : `int`
        Size of the vectors.
    pretrained_file : `str`, optional (default = `None`)
        A file with a word and its numbers in each line: plain, gzipped or in a zip archive, with or
        without a first line of two counts. Without a file all vectors are random.
    namespace : `str`, optional (default = `"tokens"`)
        The words' namespace in the vocabulary.
    trainable : `bool`, optional (default = `False`)
        Whether training changes the vectors.

    # Raises

    `ConfigurationError`
        If a line does not have `embedding_dim` numbers, or no word of the vocabulary has a vector.
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
        # When AllenNLP loads a trained model, it removes `pretrained_file` from the configuration:
        # the model's weights hold the vectors, so the file is not needed.
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
            # A word may contain spaces, as some of GloVe's do.
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
