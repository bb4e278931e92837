"""Refuses configurations of archives that could import, fetch or unpickle something."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from allennlp.common.registrable import Registrable
from allennlp.data import DataLoader, DatasetReader, Vocabulary
from allennlp.evaluation import Evaluator
from allennlp.models import Model

from joint_ner_re.allennlp_changes import make
from joint_ner_re.configuration import Untrusted, check, values_under

# The environment variable with packages whose classes archives may name, and hosts that they may
# fetch files from, separated by commas.
TRUST = "JOINT_NER_RE_TRUST"

# The sections of a configuration that AllenNLP constructs for an archive.
_SECTIONS = {
    "dataset_reader": DatasetReader,
    "validation_dataset_reader": DatasetReader,
    "vocabulary": Vocabulary,
    "model": Model,
    "data_loader": DataLoader,
    "validation_data_loader": DataLoader,
    "evaluation": Evaluator,
}
# Packages whose classes are registered although the user did not choose the package.
_UNCHOSEN = ("allennlp", "allennlp_models", "allennlp_semparse", "allennlp_server", "torch")
# Modules of these packages whose classes import, fetch and unpickle nothing.
_HARMLESS = (
    "allennlp.data.data_loaders.data_collator",
    "allennlp.data.data_loaders.multiprocess_data_loader",
    "allennlp.data.data_loaders.simple_data_loader",
    "allennlp.data.samplers",
    "allennlp.data.token_indexers.elmo_indexer",
    "allennlp.data.token_indexers.single_id_token_indexer",
    "allennlp.data.token_indexers.token_characters_indexer",
    "allennlp.data.tokenizers.character_tokenizer",
    "allennlp.data.vocabulary",
    "allennlp.evaluation",
    "allennlp.modules.attention",
    "allennlp.modules.matrix_attention",
    "allennlp.modules.seq2seq_encoders",
    "allennlp.modules.seq2vec_encoders.boe_encoder",
    "allennlp.modules.seq2vec_encoders.cls_pooler",
    "allennlp.modules.seq2vec_encoders.cnn_encoder",
    "allennlp.modules.seq2vec_encoders.cnn_highway_encoder",
    "allennlp.modules.seq2vec_encoders.pytorch_seq2vec_wrapper",
    "allennlp.modules.text_field_embedders",
    "allennlp.modules.token_embedders.bag_of_word_counts_token_embedder",
    # It reads only arrays of numbers.
    "allennlp.modules.token_embedders.elmo_token_embedder",
    "allennlp.modules.token_embedders.embedding",
    "allennlp.modules.token_embedders.empty_embedder",
    "allennlp.modules.token_embedders.pass_through_token_embedder",
    "allennlp.modules.token_embedders.token_characters_encoder",
    "allennlp.nn.activations",
    "allennlp.nn.regularizers",
    "torch.nn.modules.activation",
)
# A language code or a spaCy pipeline such as en_core_web_sm. Any other name could be that of a
# package, which spaCy would import.
_PIPELINE = re.compile(r"[a-z]{2,3}(_\w+)?")

_loading: ContextVar[bool] = ContextVar("_loading", default=False)


def check_config(config: Mapping[str, Any]) -> None:
    """Make sure that nothing in the configuration of an archive could run.

    # Raises

    `ConfigurationError`
        If it names a class that is not allowed, or an option is invalid.
    """
    for name, kind in _SECTIONS.items():
        section = config.get(name)
        if section is None:
            continue
        if any(values_under(section, "trust_remote_code")):
            raise Untrusted(
                f"{name}: trust_remote_code fetches and runs code; it is not allowed in an archive"
            )
        for option, url in _urls(section, name):
            _refuse_unless_trusted(option, url, urlsplit(url).hostname or url)
        for pipeline in values_under(section, "tokenizer_pipeline"):
            if not (isinstance(pipeline, str) and _PIPELINE.fullmatch(pipeline)):
                _refuse_unless_trusted("tokenizer_pipeline", str(pipeline), str(pipeline))
        check(kind, section, name, _judge)


def _judge(option: str, name: str, cls: type | None, constructor: str | None) -> None:
    """See `joint_ner_re.configuration.Judge`."""
    module = name if cls is None else cls.__module__
    package = module.split(".")[0]
    # For example `from_archive`, and a vocabulary's `from_pretrained_transformer`.
    loads = constructor is not None and ("archive" in constructor or "pretrained" in constructor)
    known = cls is not None and not loads
    if not (known and (package not in _UNCHOSEN or _is_under(module, _HARMLESS))):
        _refuse_unless_trusted(option, name, module, package)


def _urls(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """The options whose value is a URL."""
    if isinstance(value, str) and "://" in value:
        yield name, value
    items: Any = ()
    if isinstance(value, dict):
        # Only training reads pretrained files; afterwards their vectors are in the weights.
        items = ((key, one) for key, one in value.items() if not key.startswith("pretrained_file"))
    elif isinstance(value, list):
        items = enumerate(value)
    for key, one in items:
        yield from _urls(one, f"{name}.{key}")


def _refuse_unless_trusted(option: str, name: str, module: str, package: str = "") -> None:
    trusted = tuple(filter(None, os.environ.get(TRUST, "").replace(" ", "").split(",")))
    if not _is_under(module, trusted):
        raise Untrusted(
            f"{option} is {name!r}, with which an archive from a stranger could run code or fetch "
            "files; expected no URL, and only classes of joint_ner_re or of packages that you "
            f"imported. If you trust the archive, set {TRUST}={package or module}"
        )


def _is_under(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@contextmanager
def guarded() -> Iterator[None]:
    """In the block, AllenNLP may construct only allowed classes, wherever their name comes from."""
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


@classmethod  # type: ignore[misc]
def resolve_class_name(cls: Any, name: str) -> Any:
    """As AllenNLP's method, which finds all classes by their names, but with the guard."""
    if _loading.get():
        _judge(cls.__name__, name, *Registrable._registry[cls].get(name, (None, None)))
    return _resolve(cls, name)


_resolve = Registrable.resolve_class_name.__func__  # type: ignore[attr-defined]
make(__name__)
