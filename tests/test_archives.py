"""Archives that are not what they should be, and those that would do what they should not."""

import gzip
import io
import json
import os
import pickle
import re
import shutil
import sys
import tarfile
import tempfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import spacy
import torch
from allennlp import models
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.params import with_overrides
from allennlp.common.registrable import Registrable
from allennlp.data import DatasetReader
from allennlp.models import Model
from allennlp.nn.initializers import Initializer
from allennlp.predictors import Predictor
from programs import Program

from joint_ner_re.archives import (
    check_config,
    extracted,
    load_archive,
    loading,
    members,
    read_config,
    write_with_config,
)
from joint_ner_re.dataset_readers import JointReader
from joint_ner_re.experiments.runs import Run, evaluate
from joint_ner_re.extraction.on_ray import _Worker
from joint_ner_re.models import JointModel

CONFIGS = Path(__file__).parents[1] / "training_config"
SHIPPED = sorted(path.name for path in CONFIGS.glob("*.jsonnet"))


def packed(path, *members, **files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return str(path)


def link(name, target="/etc/passwd", kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member, message",
    [
        (link("weights.th"), "is a link, a device or a sparse file"),
        (link("weights.th", kind=tarfile.LNKTYPE), "is a link, a device or a sparse file"),
        (link("null", kind=tarfile.CHRTYPE), "is a link, a device or a sparse file"),
        (tarfile.TarInfo("../x"), "leads out of the archive"),
        (tarfile.TarInfo("a/../../x"), "leads out of the archive"),
        (tarfile.TarInfo("/tmp/x"), "leads out of the archive"),
        (tarfile.TarInfo("a\\x"), "leads out of the archive"),
        (tarfile.TarInfo("C:x"), "leads out of the archive"),
        (tarfile.TarInfo("./config.json"), "two members have the name 'config.json'"),
        (link("fifo", kind=tarfile.FIFOTYPE), "is a link, a device or a sparse file"),
    ],
)
def test_members_that_are_no_plain_files_within_are_refused(tmp_path, member, message):
    path = packed(tmp_path / "a.tar.gz", member, config_json=b"{}")
    with pytest.raises(ConfigurationError, match=message), extracted(path):
        pass
    with pytest.raises(ConfigurationError, match=message):
        write_with_config(path, {}, str(tmp_path / "b.tar.gz"))
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_what_is_no_archive_is_an_error_that_says_so(tmp_path):
    text = tmp_path / "text.tar.gz"
    text.write_text("not an archive")
    cut = tmp_path / "cut.tar.gz"
    whole = Path(packed(tmp_path / "a.tar.gz", config_json=b"{}" * 5000))
    cut.write_bytes(whole.read_bytes()[:60])
    for path, message in (
        (text, "cannot be read as a model.tar.gz"),
        (cut, "cannot be read as a model.tar.gz"),
        (packed(tmp_path / "b.tar.gz", a=b""), "has no config.json"),
        ("missing.tar.gz", "is not a file"),
    ):
        with pytest.raises(ConfigurationError, match=message), extracted(str(path)):
            pass


def test_a_broken_configuration_is_an_error(tmp_path):
    path = packed(tmp_path / "a.tar.gz", config_json=b"{")
    with (
        pytest.raises(ConfigurationError, match="a.tar.gz: config.json: it is not JSON"),
        extracted(path) as directory,
    ):
        read_config(directory)


def test_only_the_configuration_changes_and_the_bytes_do_not_depend_on_time(tmp_path):
    folder = tarfile.TarInfo("vocabulary")
    folder.type = tarfile.DIRTYPE
    path = packed(tmp_path / "a.tar.gz", folder, config_json=b'{"a": 1}', weights_th=b"\0\1")
    targets = [str(tmp_path / name) for name in ("b.tar.gz", "c.tar.gz")]
    for target in targets:
        write_with_config(path, {"a": 2}, target)
    with tarfile.open(targets[0]) as tar:
        assert tar.getnames() == ["config.json", "weights.th", "vocabulary"]
        assert json.load(tar.extractfile("config.json")) == {"a": 2}
        assert tar.extractfile("weights.th").read() == b"\0\1"
    assert Path(targets[0]).read_bytes() == Path(targets[1]).read_bytes()


# Sizes


def test_an_archive_may_hold_so_much_and_no_more(tmp_path, monkeypatch):
    """Of a bomb nothing is unpacked: its size stands before its content."""
    bomb = tarfile.TarInfo("weights.th")
    bomb.size = 2**40
    path = packed(tmp_path / "a.tar.gz", bomb, config_json=b"{}")
    with pytest.raises(ConfigurationError, match="more than 10 GB.*JOINT_NER_RE_ARCHIVE_GB"):
        load_archive(path)
    small = packed(tmp_path / "b.tar.gz", config_json=b"{}", weights_th=bytes(3000))
    monkeypatch.setenv("JOINT_NER_RE_ARCHIVE_GB", "0.000003")
    with pytest.raises(ConfigurationError, match="more than 3e-06 GB"), extracted(small):
        pass
    monkeypatch.setenv("JOINT_NER_RE_ARCHIVE_GB", "0.000004")
    with extracted(small) as directory:
        assert len((directory / "weights.th").read_bytes()) == 3000


@pytest.mark.parametrize("value", ["", "much", "0", "-1", "nan"])
def test_a_bound_that_is_no_number_is_an_error(tmp_path, monkeypatch, value):
    monkeypatch.setenv("JOINT_NER_RE_ARCHIVE_GB", value)
    path = packed(tmp_path / "a.tar.gz", config_json=b"{}")
    with pytest.raises(ConfigurationError, match="expected a number of gigabytes"):
        load_archive(path)


def test_so_many_members_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MAX_MEMBERS", 2)
    path = packed(tmp_path / "a.tar.gz", config_json=b"{}", a=b"", b=b"")
    with pytest.raises(ConfigurationError, match="or than 2 files"), extracted(path):
        pass


def test_a_header_that_fills_the_memory_is_not_read(tmp_path):
    """A header of tar's extended kind has a size of its own, and is read at once."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**33 - 1
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(2**20))
    with pytest.raises(ConfigurationError, match="a header of 8589934592 bytes"):
        load_archive(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("text", ["[]", "3", "[" * 100_000, "{", "local x = 1; {}"])
def test_a_configuration_is_a_json_object(tmp_path, text):
    """AllenNLP would evaluate it as a program, which may read files and need not end."""
    path = packed(tmp_path / "a.tar.gz", config_json=text.encode())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(text)
    for archive in (path, tmp_path / "run"):
        with pytest.raises(ConfigurationError, match=": config.json: it is") as error:
            load_archive(archive)
        assert str(error.value).startswith(str(archive))


def test_what_cannot_be_unpacked_leaves_nothing_behind(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.tar.gz", link("x"), config_json=b"{}")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for load in (load_archive, models.load_archive):
        with pytest.raises(ConfigurationError, match="is a link, a device or a sparse file"):
            load(path)
    assert os.listdir(tmp_path / "temporary") == []


# What would run


@pytest.fixture
def hostile(tiny_run, tmp_path, target, payload):
    """Makes a directory and an archive of the tiny model, with one thing in it that would run.

    `name` is an option, `value` its new value, in which `PAYLOAD` writes `target`; without a name
    the weights do.
    """

    def made(name=None, value=None):
        directory = tmp_path / "hostile"
        if directory.exists():
            shutil.rmtree(directory)
        names = ("config.json", "best.th", "meta.json", "vocabulary")
        directory.mkdir()
        for one in names:
            copy = shutil.copytree if (tiny_run / one).is_dir() else shutil.copy
            copy(tiny_run / one, directory / one)
        if name is None:
            torch.save({"a": payload}, directory / "best.th")
        else:
            config = json.loads((directory / "config.json").read_text())
            called = {"type": "subprocess.Popen", "args": ["touch", str(target)]}
            text = json.dumps(value).replace('"PAYLOAD"', json.dumps(called))
            config = with_overrides(config, {name: json.loads(text)})
            (directory / "config.json").write_text(json.dumps(config))
        archive = tmp_path / "hostile.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for one in names:
                tar.add(directory / one, "weights.th" if one == "best.th" else one)
        return archive

    return made


PLACES = [
    "dataset_reader",
    "validation_dataset_reader",
    "vocabulary",
    "model",
    "model.text_field_embedder",
    "model.text_field_embedder.token_embedders.tokens",
    "model.encoder.shared",
    "model.encoder.ner",
    "model.entity_finder.scorer.activation",
    "model.relation_scorer.activation",
    "model.regularizer",
    "dataset_reader.token_indexers.tokens",
    "dataset_reader.token_indexers.token_characters.character_tokenizer",
    "data_loader",
    "data_loader.batch_sampler",
    "validation_data_loader",
    "evaluation",
]
BOTH = pytest.mark.parametrize(
    "load", [load_archive, models.load_archive], ids=["ours", "allennlp"]
)


def test_without_the_guard_such_an_archive_does_run(hostile, target, tmp_path):
    """Else the tests below would show nothing."""
    hostile("dataset_reader", "PAYLOAD")
    config = json.loads((tmp_path / "hostile" / "config.json").read_text())
    config["validation_dataset_reader"] = {"type": "joint_ner_re"}
    loading._load_dataset_readers(Params(config), "")[0].wait()
    assert target.exists()
    target.unlink()
    hostile()
    with open(tmp_path / "hostile" / "best.th", "rb") as file, zipfile.ZipFile(file) as weights:
        (name,) = (name for name in weights.namelist() if name.endswith("data.pkl"))
        pickle.loads(weights.read(name))
    assert target.exists()


@pytest.mark.parametrize("place", PLACES)
def test_no_class_is_made_by_its_path(hostile, target, place):
    with pytest.raises(ConfigurationError, match="is|expected"):
        models.load_archive(hostile(place, "PAYLOAD"))
    # A name alone is a choice, too.
    with pytest.raises(ConfigurationError, match="is|expected"):
        load_archive(hostile(place, "antigravity.fly"))
    assert "antigravity" not in sys.modules
    assert not target.exists()


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("model", {"type": "from_archive", "archive_file": "x.tar.gz"}, "model is 'from_archive'"),
        ("model.encoder.shared", {"_pretrained": {"archive_file": "x", "module_path": "y"}},
         "model.encoder.shared is '_pretrained'"),
        ("model.text_field_embedder.token_embedders.tokens",
         {"type": "pretrained_transformer", "model_name": "x"},
         "token_embedders.tokens is 'pretrained_transformer'"),
        ("model.text_field_embedder.token_embedders.tokens",
         {"type": "pretrained_transformer", "transformer_kwargs": {"trust_remote_code": True}},
         "trust_remote_code fetches and runs code"),
        ("model.initializer", {"regexes": [["a", {"type": "pretrained"}]]},
         "model.initializer.regexes.0.1 is 'pretrained'"),
        ("dataset_reader.tokenizer_pipeline", "antigravity", "tokenizer_pipeline is 'antigravity'"),
        ("dataset_reader.tokenizer_pipeline", "/tmp/pipeline", "tokenizer_pipeline is '/tmp/pipel"),
        ("dataset_reader.token_indexers.tokens", {"type": "spacy"}, "tokens is 'spacy'"),
        ("model.vocab", {"type": "from_pretrained_transformer", "model_name": "x"},
         "model.vocab is 'from_pretrained_transformer'"),
        ("data_loader.reader", {"type": "babi"}, "data_loader.reader is 'babi'"),
        ("model", {"type": "basic_classifier"}, "model is 'basic_classifier'"),
    ],
)  # fmt: skip
def test_no_class_that_fetches_imports_or_unpickles(hostile, name, value, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        models.load_archive(hostile(name, value))


@BOTH
def test_weights_are_tensors(hostile, target, load):
    with pytest.raises(ConfigurationError, match="names (io|_io).open, which no weights need"):
        load(hostile())
    assert not target.exists()


def with_component(archive):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp.add_pipe("joint_ner_re", config={"archive": str(archive)}), nlp


def through_spacy(archive, data, run):
    with_component(archive)[1]("Ada left Kesh.")


def through_bytes(archive, data, run):
    component, nlp = with_component(None)
    component.from_bytes(archive.read_bytes())
    nlp("Ada left Kesh.")


def through_a_worker_of_ray(archive, data, run):
    _Worker(str(archive), str(archive.parent / "out"), -1, 1, None)


def through_an_experiment(archive, data, run):
    directory = archive.parent / "hostile"
    run_of = Run("hostile", json.loads((directory / "config.json").read_text()), str(data))
    evaluate(run_of, directory)


def through_a_predictor(archive, data, run):
    Predictor.from_path(str(archive), import_plugins=False)


def through_a_training(archive, data, run):
    """What `allennlp train` makes of `"model": {"type": "from_archive"}`."""
    Model.from_params(Params({"type": "from_archive", "archive_file": str(archive)}))


def through(*arguments):
    """A command, in which `ARCHIVE`, `DATA` and `OUT` are files."""

    def call(archive, data, run):
        files = {"ARCHIVE": archive, "DATA": data, "OUT": archive.parent / "out"}
        run(*(files.get(argument, argument) for argument in arguments))

    call.__name__ = arguments[0]
    return call


ENTRIES = [
    through_spacy,
    through_bytes,
    through_a_worker_of_ray,
    through_an_experiment,
    through_a_predictor,
    through_a_training,
    through("predict", "ARCHIVE", "DATA", "--use-dataset-reader", "--silent"),
    through("evaluate", "ARCHIVE", "DATA"),
    through("extract", "ARCHIVE", "DATA", "OUT", "--to", "jsonl"),
    through("tune-threshold", "ARCHIVE", "DATA", "--output-archive", "OUT"),
    through("natural-mix", "ARCHIVE", "DATA", "DATA", "--output-archive", "OUT"),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
# What would run, in the configuration and in the weights; and what is only damaged.
@pytest.mark.parametrize("change", [("dataset_reader", "PAYLOAD"), (), ("model.encoder", None)])
def test_nothing_runs_whichever_way_it_comes_in(
    hostile, target, fixtures, allennlp, few_threads, entry, change
):
    with pytest.raises(
        (ConfigurationError, SystemExit),
        match="subprocess.Popen|weights.th|best.th|config.json: model.encoder is null",
    ):
        entry(hostile(*change), fixtures / "conll04_spert.json", allennlp)
    assert not target.exists()


def test_initial_weights_of_a_training_run_nothing(hostile, target, tmp_path):
    hostile()
    weights = tmp_path / "hostile" / "best.th"
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        Initializer.from_params(Params({"type": "pretrained", "weights_file_path": str(weights)}))
    assert not target.exists()


def test_nothing_runs_in_a_process_of_its_own(hostile, target, fixtures, root):
    """As a user types it: AllenNLP's command finds the package, and with it the guard."""
    archive = hostile("model.encoder.shared", "PAYLOAD")
    data = fixtures / "conll04_spert.json"
    predict = Program("allennlp", "predict", archive, data, "--silent", directory=root)
    _, errors = predict.communicate()
    assert predict.returncode
    assert "model.encoder.shared is 'subprocess.Popen'" in errors
    assert not target.exists()


# What may be


def test_a_trained_model_loads(tiny_archive, tiny_run):
    for path in (tiny_archive, tiny_run):
        loaded = load_archive(path, overrides={"model.relation_threshold": 0.25})
        assert isinstance(loaded.model, JointModel) and loaded.model.relation_threshold == 0.25


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_may_be_loaded(name, published_files):
    check_config(Params.from_file(CONFIGS / name).as_dict())


def test_nothing_is_fetched_unless_its_host_is_trusted(hostile, monkeypatch):
    """Vectors that are in the archive already are not fetched."""
    place = "model.text_field_embedder.token_embedders"
    elmo = {"type": "elmo_token_embedder", "options_file": "https://a.example/o.json",
            "weight_file": "https://a.example/w.hdf5"}  # fmt: skip
    path = hostile(f"{place}.elmo", elmo)
    with pytest.raises(ConfigurationError, match="set JOINT_NER_RE_TRUST=a.example") as error:
        models.load_archive(path)
    assert f"{place}.elmo.options_file is 'https://a.example/o.json'" in str(error.value)
    config = json.loads((path.parent / "hostile" / "config.json").read_text())
    monkeypatch.setenv("JOINT_NER_RE_TRUST", "a.example")
    check_config(config)
    monkeypatch.delenv("JOINT_NER_RE_TRUST")
    words = {"type": "word_vectors", "embedding_dim": 8, "pretrained_file": "https://b.example/v"}
    config = with_overrides(config, {f"{place}.tokens": words, f"{place}.elmo": words})
    check_config(config)


def test_a_package_of_the_users_may_be_named(hostile, monkeypatch):
    """Its code is imported already; a path would import it."""
    plugin = types.ModuleType("users_package")
    monkeypatch.setitem(sys.modules, "users_package", plugin)

    class Reader(JointReader):
        pass

    Reader.__module__ = "users_package"
    plugin.Reader = Reader
    path = hostile("dataset_reader.type", "users_package.Reader")
    with pytest.raises(ConfigurationError, match="set JOINT_NER_RE_TRUST=users_package"):
        load_archive(path)
    monkeypatch.setenv("JOINT_NER_RE_TRUST", "other, users_package")
    assert isinstance(load_archive(path).dataset_reader, Reader)
    monkeypatch.setenv("JOINT_NER_RE_TRUST", "users")
    with pytest.raises(ConfigurationError, match="users_package"):
        load_archive(path)
    # Registered, it has a name.
    monkeypatch.setitem(Registrable._registry[DatasetReader], "users", (Reader, None))
    assert isinstance(load_archive(hostile("dataset_reader.type", "users")).dataset_reader, Reader)


def test_what_is_made_by_code_of_the_users_is_guarded_too(hostile, target, monkeypatch):
    """A class that takes its options apart itself hides them from the check before."""

    class Hiding(JointReader):
        @classmethod
        def from_params(cls, params, **extras):
            DatasetReader.from_params(params.pop("inner"))
            return cls()

    Hiding.__module__ = "users_package"
    monkeypatch.setitem(Registrable._registry[DatasetReader], "hiding", (Hiding, None))
    with pytest.raises(ConfigurationError, match="subprocess.Popen"):
        load_archive(hostile("dataset_reader", {"type": "hiding", "inner": "PAYLOAD"}))
    assert not target.exists()
    # After it the user's own configurations name what they like.
    assert DatasetReader.resolve_class_name("collections.OrderedDict")[0] is OrderedDict


def test_an_archive_does_not_say_where_files_are_written(hostile, bert_directory, tmp_path):
    place = str(tmp_path / "elsewhere")
    embedder = {"type": "transformer", "model_name": str(bert_directory), "cache_directory": place}
    path = hostile("model.text_field_embedder.token_embedders.tokens", embedder)
    # The weights are those of another embedder; until then the model is made.
    with pytest.raises(
        ConfigurationError, match="weights.th: the model of config.json needs the weights"
    ):
        load_archive(path)
    model = json.loads((tmp_path / "hostile" / "config.json").read_text())["model"]
    assert model["text_field_embedder"]["token_embedders"]["tokens"]["cache_directory"] == place
    assert not os.path.exists(place)
