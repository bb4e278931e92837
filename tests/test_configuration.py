"""Every option with values that it cannot have: an error names it and says what was expected."""

import json
import math
import re
from copy import deepcopy

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from allennlp.data import DataLoader, DatasetReader
from allennlp.models import Model
from allennlp.training import TrainerCallback
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

import joint_ner_re.plugin  # noqa: F401
from joint_ner_re import configuration
from joint_ner_re.configuration import CheckedTrainModel, check, check_training
from joint_ner_re.dataset_readers import GazetteerVocabulary

LAYERS = {
    "type": "bi_rnn", "num_layers": 1, "hidden_size": 4, "cell": "gru", "dropout": 0.5,
    "variational_dropout": False,
}  # fmt: skip
# All options of this package, and those of AllenNLP's that the shipped configurations have.
CONFIG = {
    "dataset_reader": {
        "type": "conll04", "id_lists": {"train": "train.ids"}, "format": "spert",
        "overlap": "keep", "tokenizer_pipeline": "en", "granularity": "standard", "fold": 1,
        "sentence_rules": "abbreviations",
        "folds": "folds.json", "num_folds": 10, "fold_seed": 1, "dev_fraction": 0.15,
        "divide": "documents",
        "max_instances": 100, "discontinuous": "cover", "concept_relations": "all", "unit": 2,
        "labels": {"Old": "New"}, "symmetric": ["Near"], "on_error": "skip",
        "unknown_types": "error", "offsets": "utf-16",
        "token_indexers": {
            "tokens": {"type": "single_id", "lowercase_tokens": True},
            "token_characters": {"type": "characters", "min_padding_length": 1},
            "casing": {"type": "casing"},
            "known": {"type": "gazetteer"},
            "contextual": {"type": "word_pieces", "model_name": "ENCODER"},
        },
    },
    "validation_dataset_reader": {
        "type": "ade", "positives": "DRUG-AE.rel", "negative_share": 1.0,
    },
    "train_data_path": "train.json",
    "validation_data_path": "dev.json",
    "vocabulary": {"type": "gazetteer", "min_count": {"tokens": 2}},
    "datasets_for_vocab_creation": ["train"],
    "model": {
        "type": "joint_ner_re",
        "text_field_embedder": {
            "token_embedders": {
                "tokens": {
                    "type": "word_vectors", "embedding_dim": 4, "pretrained_file": None,
                    "namespace": "tokens", "trainable": True,
                },
                "token_characters": {
                    "type": "bi_rnn_characters", "embedding_size": 4, "hidden_size": 4,
                    "cell": "lstm", "dropout": 0.5, "namespace": "token_characters",
                },
                "casing": {"type": "casing"},
                "known": {"type": "gazetteer", "embedding_dim": 4},
                "contextual": {
                    "type": "transformer", "model_name": "ENCODER", "train_parameters": False,
                    "layers": [1], "max_length": 10, "cache_megabytes": 10,
                    "cache_directory": None, "trained_layers": None,
                },
            },
        },
        "encoder": {"shared": LAYERS, "ner": LAYERS, "relation": LAYERS},
        "entity_finder": {
            "type": "crf", "tag_scheme": "BIOUL", "tag_levels": 2,
            "scorer": {"hidden_size": 4, "activation": "tanh", "dropout": 0.5},
        },
        "relation_scorer": {
            "type": "crone", "hidden_size": 4, "activation": "relu", "tag_embedding_size": 4,
            "dropout": 0.5, "pair_layer": {"hidden_size": 4, "dropout": 0.5},
        },
        "relation_loss_weight": 1.0, "relation_loss_average": "sentence_mean",
        "relation_threshold": 0.5, "relation_arguments": "seen",
        "relation_probability": "whole", "spurious_entities": 0.5,
        "token_dropout": 0.5, "most_relations": 9, "bfloat16": False,
        "initializer": {"regexes": []},
    },
    "data_loader": {
        "type": "balanced",
        "batch_sampler": {"type": "bucket", "batch_size": 8, "sorting_keys": ["tokens"]},
    },
    "validation_data_loader": {"type": "balanced", "batch_size": 32},
    "trainer": {
        "num_epochs": 2, "patience": 10, "grad_norm": 1.0, "validation_metric": "+mean_f1",
        "use_amp": False, "num_gradient_accumulation_steps": 1,
        "callbacks": [
            {"type": "unfreeze", "epoch": 1}, {"type": "known_relations", "epoch": 1},
            {"type": "begin_with", "directory": "runs/first"},
        ],
        "optimizer": {
            "type": "fused_adamw", "lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8,
            "weight_decay": 0.01, "parameter_groups": [[["a"], {"lr": 0.1}]],
        },
        "learning_rate_scheduler": {
            "type": "reduce_on_plateau", "mode": "max", "factor": 0.5, "patience": 2,
            "threshold_mode": "rel", "threshold": 0.001, "cooldown": 1, "min_lr": 0.001,
            "eps": 1e-8,
        },
    },
}  # fmt: skip
# Options that may be 0, huge, negative, or any text. What is huge is told when the file is read, or
# does no harm. A name such as `scorer.hidden_size` is for that place only.
ZERO = {
    "fold", "fold_seed", "dev_fraction", "min_padding_length", "num_layers", "dropout",
    "tag_embedding_size", "relation_loss_weight", "relation_threshold", "spurious_entities",
    "token_dropout", "cache_megabytes", "layers", "lr", "betas", "eps", "weight_decay",
    "scorer.hidden_size", "cooldown", "threshold", "min_lr",
    "learning_rate_scheduler.patience", "tokens", "epoch",
}  # fmt: skip
HUGE = {
    "fold", "num_folds", "fold_seed", "cache_megabytes", "tokens", "cooldown", "max_instances",
    "threshold", "min_lr", "learning_rate_scheduler.patience", "learning_rate_scheduler.eps",
    "grad_norm", "lr", "most_relations", "epoch", "negative_share", "unit",
}  # fmt: skip
NEGATIVE = {"fold_seed", "layers", "tokens"}
FREE = {
    "train_data_path", "validation_data_path", "train", "folds", "namespace", "sorting_keys",
    "validation_metric", "datasets_for_vocab_creation", "Old", "positives", "symmetric",
    "directory",
}  # fmt: skip
# Where `null` says what leaving the option out says, and other values of several types.
POSSIBLE = {
    **dict.fromkeys(
        [
            "format", "fold", "folds", "max_instances", "id_lists", "layers", "max_length",
            "activation", "patience", "parameter_groups", "min_padding_length", "regexes",
            "sorting_keys", "validation_data_path", "datasets_for_vocab_creation", "tokens",
            "batch_size", "Old", "positives", "offsets",
        ],
        [None],
    ),
    "grad_norm": [True, None],
    "validation_metric": [[]],
}  # fmt: skip
OPEN = ("id_lists", "labels", "min_count", "token_indexers", "token_embedders")


def leaves(value, path=()):
    """The paths of all values that hold no others."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inside:
        if isinstance(item, (dict, list)) and item and key != "parameter_groups":
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key), item


def objects(value, path=()):
    """The paths of all objects."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))


def changed(path, value):
    """The configuration with another value in one place."""
    # Not a copy: the layers of the three stacks are one object there.
    config = json.loads(json.dumps(CONFIG))
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return config


def is_among(path, names):
    """Whether the option's name, with that of the object it is in or without, is among `names`."""
    keys = [str(key) for key in path if not isinstance(key, int)]
    return bool({keys[-1], ".".join(keys[-2:])} & names)


def wrong_values(path, value):
    """Values that this option cannot have."""
    if value is None:
        yield from (5, True, [])
        return
    if isinstance(value, (dict, list)):
        yield from (5, True, "nonsense", math.nan)
        return
    if isinstance(value, bool):
        yield from (0, 1, -1, "true", 0.5, [], None)
        return
    if isinstance(value, str):
        yield from (5, True, 0.5, math.nan, [], None)
        if not is_among(path, FREE):
            yield "nonsense"
        return
    yield from ("1", True, [], {}, math.nan, math.inf, None)
    if isinstance(value, int):
        yield 1.5
    if not is_among(path, NEGATIVE):
        yield from (-1, -(10**30))
    if not is_among(path, ZERO):
        yield 0
    if not is_among(path, HUGE):
        yield from (10**12, 10**30) if isinstance(value, int) else (1e30,)


CASES = [(path, value) for path, value in leaves(CONFIG)]


@pytest.fixture(scope="module")
def make(fixtures, bert_directory, few_threads):
    """Makes what a configuration describes, as far as it goes without a corpus."""
    reader = DatasetReader.from_params(Params({"type": "conll04"}))
    corpus = str(fixtures / "conll04_spert.json")
    vocab = GazetteerVocabulary.from_annotated_instances(reader.read(corpus))

    def made(config):
        config = json.loads(json.dumps(config).replace("ENCODER", str(bert_directory)))
        check_training(config)
        params = Params(config)
        reader = DatasetReader.from_params(params["dataset_reader"])
        DatasetReader.from_params(params["validation_dataset_reader"])
        torch.manual_seed(1)
        model = Model.from_params(params["model"], vocab=vocab)
        parameters = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        trainer = params["trainer"]
        optimizer = Optimizer.from_params(trainer["optimizer"], model_parameters=parameters)
        LearningRateScheduler.from_params(trainer["learning_rate_scheduler"], optimizer=optimizer)
        for callback in trainer["callbacks"]:
            TrainerCallback.from_params(callback, serialization_dir="run")
        for name in ("data_loader", "validation_data_loader"):
            DataLoader.from_params(params[name], reader=reader, data_path=corpus)

    return made


def test_the_configuration_itself_is_right(make):
    make(CONFIG)


@pytest.mark.parametrize("path, value", CASES, ids=[".".join(map(str, p)) for p, _ in CASES])
def test_a_value_that_cannot_be_is_named(make, path, value):
    option = next(str(key) for key in reversed(path) if not isinstance(key, int))
    for wrong in wrong_values(path, value):
        if any(wrong == one and type(wrong) is type(one) for one in POSSIBLE.get(option, ())):
            continue
        with pytest.raises(ConfigurationError) as error:
            make(changed(path, wrong))
            pytest.fail(f"{'.'.join(map(str, path))} may be {wrong!r}")
        message = str(error.value)
        assert option in message and re.search("expected|give", message), f"{wrong!r}: {message}"


def test_there_may_be_several_training_files(make):
    several = changed(("train_data_path",), ["a.json", "b.corp#entities"])
    make(several)
    for name, wrong in (("train_data_path", ["a.json", 5]), ("validation_data_path", ["a.json"])):
        with pytest.raises(ConfigurationError, match=f"{name}.*expected"):
            make({**several, name: wrong})


@pytest.mark.parametrize("name", ["encoder.ner.hidden_size", "relation_scorer.hidden_size"])
def test_the_whole_place_is_named(make, name):
    with pytest.raises(ConfigurationError, match=f"model.{name} is '8'; expected a whole number"):
        make(with_overrides(deepcopy(CONFIG), {f"model.{name}": "8"}))


@pytest.mark.parametrize("path", [p for p in objects(CONFIG) if not (p and p[-1] in OPEN)])
def test_a_misspelt_option_is_named_with_those_that_there_are(make, path):
    place = CONFIG
    for key in path:
        place = place[key]
    for key in place:
        misspelt = f"{key}_"
        config = changed((*path, misspelt), place[key])
        with pytest.raises(ConfigurationError) as error:
            make(config)
        message = str(error.value)
        assert ".".join((*path, misspelt)) in message and "expected" in message
        if key != "type":
            assert f"did you mean '{key}'?" in message or f" {key}" in message


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("model.encoder.shared.hidden_size", 16_000, "hidden_size 16000.*GB; expected at most"),
        ("model.encoder.shared.num_layers", 1_001, "num_layers is 1001; expected 0 or more, at mo"),
        ("model.encoder.ner.num_layers", 10**9, "num_layers is 1000000000; expected"),
        ("trainer.num_epoch", 3, "trainer.num_epoch is no option.*did you mean 'num_epochs'"),
        ("traner", {}, "traner is no option of .*did you mean 'trainer'"),
        ("model.encoder.ner.type", "bi_rn", "ner.type is 'bi_rn'.*did you mean 'bi_rnn'"),
        ("model.relation_threshold", {"Kill": "0.5"}, "relation_threshold is .*expected a number"),
        ("trainer.optimizer.betas", [0.9], "betas is .0.9.; expected a list of 2"),
        ("model.entity_finder.scorer", [], "scorer is .*expected the options of TagScorer"),
    ],
)
def test_what_is_said(make, option, value, message):
    with pytest.raises(ConfigurationError, match=message):
        make(with_overrides(deepcopy(CONFIG), {option: value}))


def test_a_training_ends_before_its_corpus_is_read(tmp_path):
    config = with_overrides(deepcopy(CONFIG), {"trainer.num_epochs": "3"})
    with pytest.raises(ConfigurationError, match="trainer.num_epochs is '3'; expected a whole"):
        CheckedTrainModel.from_params(
            Params(config), serialization_dir=str(tmp_path), local_rank=0, batch_weight_key=""
        )


def test_a_model_of_others_is_their_own_affair(tmp_path):
    config = {"model": {"type": "simple_tagger", "nonsense": 1}, "dataset_reader": "conll04"}
    with pytest.raises(ConfigurationError) as error:
        CheckedTrainModel.from_params(
            Params(config), serialization_dir=str(tmp_path), local_rank=0, batch_weight_key=""
        )
    assert "is no option" not in str(error.value)


def test_every_option_of_the_package_is_above(root, monkeypatch):
    """What the reference lists; a new one has to be tried, too."""
    monkeypatch.syspath_prepend(root / "docs" / "scripts")
    reference = pytest.importorskip("reference")
    # The last ones are tried in tests/models/test_masked_pieces.py.
    text = json.dumps([CONFIG, {"type": "masked_pieces", "hidden": 0.15}])
    parts = [part for _, section in reference.parts() for part in section]
    options = [(part.title, one.name) for part in parts for one in reference.options(part.cls)
               if not one.given and one.name != "input_size" and "*" not in one.name]  # fmt: skip
    assert len(options) > 40
    assert [(title, name) for title, name in options if f'"{name}"' not in text] == []


def test_what_is_not_a_configuration_is_let_through():
    check(torch.Tensor, 5, "x")
    assert list(configuration.values_under([{"a": 1, "b": [{"a": 2}]}], "a")) == [1, 2]
