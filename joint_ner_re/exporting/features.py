"""What gives each token its vector: the embedders' graphs, and the settings of their indexers."""

import os
from collections.abc import Callable
from typing import Any

from allennlp.data import TokenIndexer, Vocabulary
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from allennlp.data.tokenizers import CharacterTokenizer
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding, TokenEmbedder
from torch import Tensor, nn

from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.dataset_readers.casing_indexer import CasingIndexer
from joint_ner_re.dataset_readers.gazetteer_indexer import GazetteerIndexer
from joint_ner_re.exporting.encoder import export_encoder
from joint_ner_re.exporting.graphs import ExportError, Graph
from joint_ner_re.exporting.recurrent import add_layer
from joint_ner_re.labels import GAZETTEER_NAMESPACE
from joint_ner_re.models import JointModel
from joint_ner_re.modules import (
    CasingEmbedder,
    CharacterEmbedder,
    GazetteerEmbedder,
    WordVectors,
)
from joint_ner_re.pretrained import TransformerEmbedder, WordPieceIndexer

Settings = dict[str, Any]


def export_features(model: JointModel, reader: JointReader, directory: str) -> list[Settings]:
    """Write the graph of each embedder and, for pretrained encoders, the tokenizer.

    # Parameters

    model : `JointModel`
    reader : `JointReader`
        Its token indexers give the embedders their input.
    directory : `str`
        The directory to write to.

    # Returns

    `list[dict[str, Any]]`
        What the runtime must know of each feature, in the order of their vectors.

    # Raises

    `ExportError`
        If one of the parts cannot be exported; the message names it.
    """
    embedder = model.text_field_embedder
    if type(embedder) is not BasicTextFieldEmbedder:
        raise ExportError(
            f"model.text_field_embedder is {type(embedder).__name__}, which cannot be exported; "
            "expected AllenNLP's own: use the archive itself"
        )
    features: list[Settings] = []
    for name in embedder._ordered_embedder_keys:
        part = f"model.text_field_embedder.token_embedders.{name}"
        one = getattr(embedder, f"token_embedder_{name}")
        row = next((row for row in _KINDS if type(one) is row[0]), None)
        if row is None:
            known = ", ".join(kind.__name__ for kind, _, _ in _KINDS)
            raise ExportError(
                f"{part} is {type(one).__name__}, which cannot be exported; expected one of "
                f"{known}: use the archive itself"
            )
        kind, indexer_kind, export = row
        indexer = reader._token_indexers.get(name)
        if type(indexer) is not indexer_kind:
            raise ExportError(
                f"dataset_reader.token_indexers.{name} is {type(indexer).__name__}, which cannot "
                f"be exported for a {kind.__name__}; expected {indexer_kind.__name__}"
            )
        settings = export(one, indexer, model.vocab, directory, f"feature_{len(features)}")
        features.append({"name": name, "size": one.get_output_dim(), **settings})
    return features


def _words(
    embedder: Embedding, indexer: SingleIdTokenIndexer, vocab: Vocabulary, directory: str, stem: str
) -> Settings:
    _refuse(
        f"token_indexers: {type(indexer).__name__}",
        {
            "start_tokens": indexer._start_tokens,
            "end_tokens": indexer._end_tokens,
            "feature_name": "" if indexer._feature_name == "text" else indexer._feature_name,
            "max_norm": embedder.max_norm,
        },
    )
    return {
        "kind": "words",
        "graph": _table(embedder.weight, embedder._projection, directory, stem),
        "namespace": _known_namespace(vocab, indexer.namespace),
        "lowercase": indexer.lowercase_tokens,
    }


def _table(weight: Tensor, projection: nn.Linear | None, directory: str, stem: str) -> str:
    """Write a graph from numbers to vectors; its file name."""
    graph = Graph("words")
    numbers = graph.input("numbers", "int64", ["tokens"])
    vectors = graph.node("Gather", [graph.weight(weight), numbers])
    size = weight.size(1)
    if projection is not None:
        vectors = graph.linear(vectors, projection.weight, projection.bias)
        size = projection.out_features
    graph.output(vectors, "vectors", ["tokens", size])
    graph.save(os.path.join(directory, f"{stem}.onnx"))
    return f"{stem}.onnx"


def _characters(
    embedder: CharacterEmbedder,
    indexer: TokenCharactersIndexer,
    vocab: Vocabulary,
    directory: str,
    stem: str,
) -> Settings:
    tokenizer = indexer._character_tokenizer
    _refuse(
        "token_indexers: characters",
        {
            "start_tokens": indexer._start_tokens,
            "end_tokens": indexer._end_tokens,
            "character_tokenizer": "" if tokenizer == CharacterTokenizer() else tokenizer,
        },
    )
    graph = Graph("characters")
    numbers = graph.input("numbers", "int64", ["words", "characters"])
    lengths = graph.input("lengths", "int32", ["words"])
    # Time comes first.
    vectors = graph.node(
        "Gather",
        [
            graph.weight(embedder.embedding.weight),
            graph.node("Transpose", [numbers], perm=[1, 0]),
        ],
    )
    vectors = add_layer(graph, vectors, lengths, embedder.rnn, last=True)
    graph.output(vectors, "vectors", ["words", embedder.get_output_dim()])
    graph.save(os.path.join(directory, f"{stem}.onnx"))
    return {
        "kind": "characters",
        "graph": f"{stem}.onnx",
        "namespace": _known_namespace(vocab, indexer._namespace),
    }


def _casing(*_: Any) -> Settings:
    return {"kind": "casing"}


def _gazetteer(
    embedder: GazetteerEmbedder, _: GazetteerIndexer, vocab: Vocabulary, directory: str, stem: str
) -> Settings:
    return {
        "kind": "gazetteer",
        "graph": _table(embedder.embedding.weight, None, directory, stem),
        "namespace": GAZETTEER_NAMESPACE,
    }


def _pieces(
    embedder: TransformerEmbedder,
    indexer: WordPieceIndexer,
    vocab: Vocabulary,
    directory: str,
    stem: str,
) -> Settings:
    tokenizer = indexer._tokenizer
    fast = tokenizer._tokenizer.backend_tokenizer
    fast.no_truncation()
    fast.no_padding()
    fast.save(os.path.join(directory, f"{stem}_tokenizer.json"))
    markers = tokenizer.markers
    export_encoder(embedder, os.path.join(directory, f"{stem}.onnx"))
    return {
        "kind": "pieces",
        "graph": f"{stem}.onnx",
        "tokenizer": f"{stem}_tokenizer.json",
        "unknown": tokenizer._tokenizer.unk_token_id,
        "before": markers.before,
        "after": markers.after,
        "padding": markers.padding,
        "window": embedder._window,
    }


_KINDS: tuple[tuple[type[TokenEmbedder], type[TokenIndexer], Callable[..., Settings]], ...] = (
    (WordVectors, SingleIdTokenIndexer, _words),
    (Embedding, SingleIdTokenIndexer, _words),
    (CharacterEmbedder, TokenCharactersIndexer, _characters),
    (CasingEmbedder, CasingIndexer, _casing),
    (GazetteerEmbedder, GazetteerIndexer, _gazetteer),
    (TransformerEmbedder, WordPieceIndexer, _pieces),
)


def _refuse(part: str, options: dict[str, Any]) -> None:
    """Raise an `ExportError` for the first option that is set."""
    for name, value in options.items():
        if value:
            raise ExportError(f"{part}: {name} cannot be exported; use the archive itself")


def _known_namespace(vocab: Vocabulary, namespace: str | None) -> str:
    """A namespace that has a number for unknown words.

    # Raises

    `ExportError`
        If it has none.
    """
    if namespace is None or vocab._oov_token not in vocab.get_token_to_index_vocabulary(namespace):
        raise ExportError(
            f"the vocabulary's namespace {namespace!r} has no number for unknown words, without "
            "which no new text can be read"
        )
    return namespace
