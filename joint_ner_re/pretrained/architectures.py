"""The encoders and tokenizers that this package supports, and a safe reader of `config.json`.

An encoder's files come from strangers, and transformers obeys them: some of its architectures load
a second model that the first one names, with that model's own code. So this module reads
`config.json` as data, accepts only listed architectures, and passes transformers only the settings
that their constructors know.
"""

import inspect
import json
import logging
import os
from typing import Any, NamedTuple

import transformers
from allennlp.common.checks import ConfigurationError
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

CONFIG = "config.json"
# Real files have a few kilobytes; lists of labels can make them longer.
MAX_JSON_BYTES = 10**7
# So that a damaged file cannot fill the memory. The largest vocabularies have 10**6 pieces.
MAX_SETTING = 10**7
MAX_LAYERS = 1000


class Architecture(NamedTuple):
    """The names of transformers' classes."""

    model: str
    tokenizer: str

    @property
    def config_class(self) -> type[PretrainedConfig]:
        return getattr(transformers, f"{self.model}Config")

    @property
    def model_class(self) -> type[PreTrainedModel]:
        return getattr(transformers, f"{self.model}Model")


# By `model_type`. tests/pretrained/test_architectures.py tests each.
ARCHITECTURES = {
    "albert": Architecture("Albert", "Albert"),
    "bert": Architecture("Bert", "Bert"),
    "big_bird": Architecture("BigBird", "BigBird"),
    "camembert": Architecture("Camembert", "Camembert"),
    "convbert": Architecture("ConvBert", "ConvBert"),
    "data2vec-text": Architecture("Data2VecText", "Roberta"),
    "deberta": Architecture("Deberta", "Deberta"),
    "deberta-v2": Architecture("DebertaV2", "DebertaV2"),
    "distilbert": Architecture("DistilBert", "DistilBert"),
    "electra": Architecture("Electra", "Electra"),
    "ernie": Architecture("Ernie", "Bert"),
    "longformer": Architecture("Longformer", "Longformer"),
    "megatron-bert": Architecture("MegatronBert", "Bert"),
    "mobilebert": Architecture("MobileBert", "MobileBert"),
    "modernbert": Architecture("ModernBert", "PreTrained"),
    "mpnet": Architecture("MPNet", "MPNet"),
    "rembert": Architecture("RemBert", "RemBert"),
    "roberta": Architecture("Roberta", "Roberta"),
    "roberta-prelayernorm": Architecture("RobertaPreLayerNorm", "Roberta"),
    "xlm-roberta": Architecture("XLMRoberta", "XLMRoberta"),
    "xlm-roberta-xl": Architecture("XLMRobertaXL", "XLMRoberta"),
}
TOKENIZERS = {*(one.tokenizer for one in ARCHITECTURES.values()), "Herbert"}

# Settings that models read although their configuration's constructor does not list them.
_FURTHER_SETTINGS = {
    "attention_head_size", "bos_token_id", "chunk_size_feed_forward", "conv_act", "conv_groups",
    "conv_kernel_size", "embedding_size", "eos_token_id", "norm_rel_ebd", "pad_token_id",
    "position_buckets", "pruned_heads", "share_att_key", "talking_head",
}  # fmt: skip
# Settings that would change what is loaded or run, with the reason for the error message.
_REFUSED = {
    "add_cross_attention": "makes it a decoder",
    "auto_map": "names code of its own",
    "configuration_files": "names another configuration",
    "custom_pipelines": "names code of its own",
    "is_decoder": "makes it a decoder",
    "is_encoder_decoder": "makes it a decoder",
    "quantization_config": "describes packed weights",
    "trust_remote_code": "asks to run code of its own",
    "use_timm_backbone": "names another model to load",
}


class Description(NamedTuple):
    """The content of a checked `config.json`."""

    model_type: str
    # All of it, as parsed JSON.
    settings: dict[str, Any]

    @property
    def architecture(self) -> Architecture:
        return ARCHITECTURES[self.model_type]


def read_description(directory: str) -> Description:
    """Read an encoder's `config.json` and check it.

    # Raises

    `ConfigurationError`
        If the file is missing or damaged, its architecture is none of `ARCHITECTURES`, or it asks
        for code, another model or packed weights.
    """
    path = os.path.join(directory, CONFIG)
    settings = read_json(path)
    if settings is None:
        raise ConfigurationError(
            f"{directory} has no {CONFIG}; expected a directory with an encoder's files"
        )
    model_type = settings.get("model_type")
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise ConfigurationError(
            f"{path}: model_type is {model_type!r:.80}, which this package does not use; expected "
            f"a text encoder, one of {', '.join(ARCHITECTURES)}"
        )
    refuse_code(settings, path)
    adapter = os.path.join(directory, "adapter_config.json")
    if os.path.exists(adapter):
        raise ConfigurationError(
            f"{adapter}: adapters are not read, since each names another model to load; merge the "
            "adapter into its encoder and save that"
        )
    return Description(model_type, settings)


def read_json(path: str) -> dict[str, Any] | None:
    """The object that a JSON file holds; `None` if there is no such file.

    # Raises

    `ConfigurationError`
        If it is too large, is not JSON, or does not hold an object.
    """
    if not os.path.isfile(path):
        return None
    if os.path.getsize(path) > MAX_JSON_BYTES:
        raise ConfigurationError(
            f"{path} has {os.path.getsize(path)} bytes; expected at most {MAX_JSON_BYTES}"
        )
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    # JSON that is nested too deeply ends in a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{path} holds a {type(content).__name__}; expected an object with settings"
        )
    return content


def refuse_code(settings: dict[str, Any], path: str) -> None:
    """Refuse settings that name code or another model, at any depth.

    # Raises

    `ConfigurationError`
        If there is such a setting.
    """
    inside: list[tuple[str, Any]] = [("", settings)]
    while inside:
        place, value = inside.pop()
        if isinstance(value, list):
            inside += [(f"{place}{number}.", item) for number, item in enumerate(value)]
        if not isinstance(value, dict):
            continue
        for key, item in value.items():
            reason = _REFUSED.get(key)
            if key.startswith("backbone") or (key == "model_type" and place):
                reason = "names another model to load"
            if reason and item:
                raise ConfigurationError(
                    f"{path}: {place}{key} {reason}; such an encoder is not loaded"
                )
            inside.append((f"{place}{key}.", item))


def make_config(description: Description, path: str) -> PretrainedConfig:
    """The configuration from which transformers builds the encoder.

    It has only the settings that the architecture reads. Other settings, which real files have too,
    do not affect the vectors, or choose what this package chooses, such as the attention's code.

    # Raises

    `ConfigurationError`
        If a value is impossible.
    """
    architecture = description.architecture
    kind = architecture.config_class
    known = {*inspect.signature(kind.__init__).parameters, *kind.attribute_map, *_FURTHER_SETTINGS}
    known -= {"self", "kwargs"}
    settings = {key: value for key, value in description.settings.items() if key in known}
    logger.debug(
        "%s: %s does not read the settings %s", path, architecture.model,
        sorted(description.settings.keys() - settings.keys()),
    )  # fmt: skip
    for key, value in settings.items():
        if isinstance(value, (int, float)) and not abs(value) <= MAX_SETTING:
            raise ConfigurationError(f"{path}: {key} is {value}; expected at most {MAX_SETTING}")
    try:
        config = kind.from_dict(settings, output_hidden_states=True)
        layers = config.num_hidden_layers
    # The exception for a value of a wrong type depends on the architecture.
    except Exception as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error
    if type(layers) is not int or not 1 <= layers <= MAX_LAYERS:
        raise ConfigurationError(
            f"{path}: num_hidden_layers is {layers!r:.80}; expected 1 to {MAX_LAYERS}"
        )
    if description.model_type == "modernbert":
        # Otherwise the first use on a GPU starts a compiler.
        config.reference_compile = False
    return config


def tokenizer_class(name: Any, path: str) -> type[PreTrainedTokenizerFast]:
    """The class of the fast tokenizer, from its name or the name of its slow form.

    # Raises

    `ConfigurationError`
        If it is none of `TOKENIZERS`.
    """
    stem = name.removesuffix("Fast").removesuffix("Tokenizer") if isinstance(name, str) else None
    if stem not in TOKENIZERS:
        known = ", ".join(f"{one}Tokenizer" for one in sorted(TOKENIZERS))
        raise ConfigurationError(
            f"{path}: tokenizer_class is {name!r:.80}, which has no fast form that this package "
            f"uses; expected one of {known}"
        )
    return getattr(transformers, f"{stem}TokenizerFast")
