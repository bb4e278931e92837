"""Encoders whose files would run code do not, whichever way they come in."""

import json
import os
import shutil
import sys
import tarfile

import pytest
import transformers
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from programs import printed

from joint_ner_re.pretrained import (
    MaskedPiecesModel,
    TransformerEmbedder,
    load_encoder,
    piece_tokenizer,
)

# Each door is opened in a process of its own, forked from one that has imported everything: code
# of an encoder is imported once a process.
DOORS = """
import json, os, sys, traceback
import spacy
from allennlp import commands
from allennlp.common.plugins import import_plugins
import joint_ner_re.spacy_component

import_plugins()
commands.import_plugins = lambda: None

def command(*arguments):
    sys.argv = ["allennlp", *arguments]
    commands.main(prog="allennlp")

def component(archive):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("joint_ner_re", config={"archive": archive})
    nlp("Ada left Kesh.")

def door(name, archive, data, config):
    out = archive + "." + name
    if name == "predict":
        command("predict", archive, data, "--use-dataset-reader", "--silent")
    elif name == "evaluate":
        command("evaluate", archive, data)
    elif name == "extract":
        command("extract", archive, data, out, "--to", "jsonl")
    elif name == "tune-threshold":
        command("tune-threshold", archive, data, "--output-archive", out)
    elif name == "spacy":
        component(archive)
    elif name in ("train", "masked_pieces"):
        command("train", config, "-s", out)

for name, archive, data, config, log in json.load(open(sys.argv[1])):
    process = os.fork()
    if process == 0:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
        try:
            door(name, archive, data, config)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(process, 0)[1] != 0, name
"""
ARCHIVE_DOORS = ("predict", "evaluate", "extract", "tune-threshold", "spacy")
EMBEDDER = "model.text_field_embedder.token_embedders.tokens"
INDEXER = "dataset_reader.token_indexers.tokens"


@pytest.fixture(autouse=True)
def modules_of_encoders(tmp_path, monkeypatch):
    """Where transformers would put code that comes with an encoder."""
    place = str(tmp_path / "modules")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", place)
    monkeypatch.setenv("HF_MODULES_CACHE", place)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def code(tmp_path, target):
    """A directory with code that writes `target`, and a configuration that names the code."""
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "evil.py").write_text(f"open({str(target)!r}, 'w').close()\nclass C: pass\n")
    kinds = ("AutoConfig", "AutoModel", "AutoBackbone")
    named = {**dict.fromkeys(kinds, "evil.C"), "AutoTokenizer": ["evil.C", "evil.C"]}
    config = {"model_type": "unheard_of", "auto_map": named}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@pytest.fixture
def composite(bert_directory, tmp_path, code):
    """The worst case: an architecture that loads another model, and trusts the other's code."""
    directory = shutil.copytree(bert_directory, tmp_path / "composite")
    config = {
        "model_type": "detr", "backbone": str(code), "use_timm_backbone": False,
        "use_pretrained_backbone": False, "backbone_kwargs": {"trust_remote_code": True},
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def test_transformers_alone_would_run_it(composite, target):
    """Otherwise the tests below would show nothing."""
    with pytest.raises(AttributeError):
        transformers.AutoModel.from_pretrained(composite, trust_remote_code=False)
    assert target.exists()


@pytest.mark.parametrize(
    "load",
    [
        load_encoder,
        piece_tokenizer,
        TransformerEmbedder,
        lambda name: MaskedPiecesModel(None, name),
    ],
    ids=["encoder", "tokenizer", "embedder", "masked_pieces"],
)
@pytest.mark.parametrize("by", ["directory", "package", "hub"])
def test_it_is_refused_by_each_name(composite, target, tmp_path, monkeypatch, load, by):
    name = str(composite)
    if by == "package":
        package = tmp_path / "site" / "weights_of_a_stranger"
        package.mkdir(parents=True)
        shutil.copytree(composite, package / "model")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        name = "package:weights_of_a_stranger/model"
    elif by == "hub":
        model = tmp_path / "cache" / "models--stranger--encoder"
        shutil.copytree(composite, model / "snapshots" / "1")
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("1")
        monkeypatch.setattr(
            "joint_ner_re.pretrained.locations.TRANSFORMERS_CACHE", tmp_path / "cache"
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        name = "stranger/encoder"
    with pytest.raises(ConfigurationError, match="model_type is 'detr', which this package does"):
        load(name)
    assert not target.exists()


@pytest.fixture
def hostile_archive(tiny_run, tmp_path):
    """Makes an archive of the tiny model with other options."""

    def made(name, **options):
        config = json.loads((tiny_run / "config.json").read_text())
        config = with_overrides(
            config, {key.replace("__", "."): one for key, one in options.items()}
        )
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        archive = str(tmp_path / f"{name}.tar.gz")
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(path, "config.json")
            tar.add(tiny_run / "best.th", "weights.th")
            for one in ("meta.json", "vocabulary"):
                tar.add(tiny_run / one, one)
        return archive

    return made


def test_it_is_refused_at_every_door(composite, hostile_archive, target, fixtures, tmp_path, root):
    named = {"type": "transformer", "model_name": str(composite)}
    indexer = {"type": "word_pieces", "model_name": str(composite)}
    data = str(fixtures / "conll04_spert.json")
    embedding = hostile_archive("embedding", **{EMBEDDER: named})
    indexing = hostile_archive("indexing", **{INDEXER: indexer})
    training = json.loads((tmp_path / "config.json").read_text())
    training = with_overrides(training, {EMBEDDER: named, INDEXER: {"type": "single_id"}})
    training.update(train_data_path=data, validation_data_path=data)
    masked = {**training, "model": {"type": "masked_pieces", "model_name": str(composite)}}
    for name, config in (("train", training), ("masked_pieces", masked)):
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
    doors = [
        (name, archive, data, "", f"{archive}.{name}.log")
        for archive in (embedding, indexing)
        for name in ARCHIVE_DOORS
    ]
    for name in ("train", "masked_pieces"):
        archive = str(tmp_path / name)
        doors.append((name, archive, data, str(tmp_path / f"{name}.json"), f"{archive}.log"))
    (tmp_path / "doors.json").write_text(json.dumps(doors))
    printed("-c", DOORS, tmp_path / "doors.json", directory=root)
    assert not target.exists()
    for *_, log in doors:
        with open(log, encoding="utf-8") as file:
            assert "model_type is 'detr', which this package does not use" in file.read(), log


@pytest.fixture
def changed(bert_directory, tmp_path):
    """Makes a copy of the tests' encoder with more settings in one of its files."""

    def make(file, settings):
        directory = shutil.copytree(bert_directory, tmp_path / "changed")
        path = directory / file
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**before, **settings}))
        return str(directory)

    return make


NAMED = {"AutoConfig": "evil.C", "AutoModel": "evil.C"}


@pytest.mark.parametrize(
    "settings, found",
    [
        ({"auto_map": NAMED}, "auto_map names code"),
        ({"id2label": {"0": {"auto_map": NAMED}}}, "id2label.0.auto_map names code"),
        ({"x": [[{"y": {"trust_remote_code": True}}]]}, "x.0.0.y.trust_remote_code asks to run"),
        ({"backbone": "someone/else"}, "backbone names another model"),
        ({"backbone_config": {"model_type": "bert"}}, "backbone_config"),
        ({"backbone_kwargs": {"trust_remote_code": True}}, "backbone_kwargs|trust_remote_code"),
        ({"text_config": {"model_type": "bert"}}, "text_config.model_type names another model"),
        ({"custom_pipelines": {"x": {"impl": "evil.C"}}}, "custom_pipelines names code"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config describes packed"),
        ({"configuration_files": ["config.4.0.0.json"]}, "configuration_files names another"),
        ({"is_decoder": True}, "is_decoder makes it a decoder"),
        ({"use_timm_backbone": True}, "use_timm_backbone names another"),
    ],
)
def test_settings_that_name_code_or_models_are_refused(changed, settings, found):
    name = changed("config.json", settings)
    for load in (load_encoder, piece_tokenizer):
        with pytest.raises(ConfigurationError, match=found):
            load(name)


def test_settings_that_name_nothing_are_not(changed):
    load_encoder(changed("config.json", {"auto_map": None, "quantization_config": {}}))


@pytest.mark.parametrize(
    "settings",
    [
        {"_attn_implementation": "evil"},
        {"attn_implementation": "flash_attention_2"},
        {"torch_dtype": "load"},
        {"_name_or_path": "someone/else", "base_model_name_or_path": "someone/else"},
        {"torchscript": True, "output_hidden_states": False, "return_dict": False},
        {"from_pretrained": "evil", "__class__": "evil", "_auto_class": "evil"},
    ],
)
def test_settings_that_decide_how_an_encoder_is_loaded_have_no_effect(
    changed, bert_directory, settings
):
    encoder = load_encoder(changed("config.json", settings))
    assert encoder.config.to_diff_dict() == load_encoder(bert_directory).config.to_diff_dict()


def test_an_adapter_is_refused(changed):
    """With the package `peft`, transformers goes on to the directory that an adapter names."""
    name = changed("adapter_config.json", {"base_model_name_or_path": "someone/else"})
    for load in (load_encoder, piece_tokenizer):
        with pytest.raises(ConfigurationError, match="adapters are not read"):
            load(name)


@pytest.mark.parametrize(
    "settings",
    [
        {"auto_map": {"AutoTokenizer": ["evil.C", None]}},
        {"auto_map": ["evil.C", "evil.C"]},
        {"custom_pipelines": {"x": {"impl": "evil.C"}}},
        {"init_inputs": [{"trust_remote_code": True}]},
    ],
)
def test_settings_of_a_tokenizer_that_name_code_are_refused(changed, settings):
    with pytest.raises(ConfigurationError, match="tokenizer_config.json: .* is not loaded"):
        piece_tokenizer(changed("tokenizer_config.json", settings))


def test_settings_that_name_files_have_no_effect(changed, bert_directory, tmp_path):
    """Of the tokenizer's files those are read that lie under their usual names."""
    other = tmp_path / "other.json"
    other.write_text("{")
    settings = {
        "tokenizer_file": str(other), "vocab_file": str(other), "init_inputs": [str(other)],
        "fast_tokenizer_files": ["../other.json"], "gguf_file": str(other), "from_slow": True,
        "name_or_path": "someone/else", "special_tokens_map_file": str(other),
        "chat_template": "{{ ''.__class__ }}", "slow_tokenizer_class": "evil.C",
        "tokenizer_object": "evil", "__slow_tokenizer": "evil", "backend": "evil",
        "sp_model_kwargs": {"model_file": str(other)}, "model_max_length": 2, "verbose": "evil",
    }  # fmt: skip
    words = ["Lithium", "caused", "tremors", "."]
    found = piece_tokenizer(changed("tokenizer_config.json", settings))
    expected = piece_tokenizer(str(bert_directory))
    assert (found.pieces(words), found.markers) == (expected.pieces(words), expected.markers)


def test_no_code_beside_an_encoder_is_fetched_or_copied(changed, tmp_path):
    name = changed("evil.py", {})
    load_encoder(name)
    piece_tokenizer(name)
    assert not os.path.exists(tmp_path / "modules")
