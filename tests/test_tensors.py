"""Files of weights that hold something else than tensors, or say so."""

import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.tensors import check_tensors, release_of

MOST = 10**6


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "weights.th")


def changed(file, change):
    """Write the zip archive anew, each entry's content changed, or left out if it is `None`."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            new = change(name, content)
            if new is not None:
                archive.writestr(name, new)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"a": torch.ones(2, 3), "b": torch.zeros(4).half()},
        {"a": torch.ones(2, dtype=torch.long), "b": torch.tensor([True]), "c": torch.ones(())},
        OrderedDict(a=torch.nn.Parameter(torch.ones(3)), b=torch.ones(3).bfloat16()),
        torch.nn.LSTM(2, 3).state_dict(),
        # Two views of one storage.
        dict(zip("ab", torch.ones(10).split(5))),
    ],
)
def test_tensors_are_tensors(file, weights):
    torch.save(weights, file)
    check_tensors(file, MOST)


@pytest.mark.parametrize("place", ["value", "name", "whole", "attribute"])
def test_what_is_called_is_refused_and_not_called(file, tmp_path, payload, place):
    weights = OrderedDict(a=torch.ones(2))
    if place == "value":
        weights["b"] = payload
    elif place == "name":
        weights[(payload,)] = torch.ones(2)
    elif place == "attribute":
        weights._metadata = payload
    torch.save(payload if place == "whole" else weights, file)
    with pytest.raises(ConfigurationError, match="names (io|_io|builtins).open, which no weights"):
        check_tensors(file, MOST)
    assert os.listdir(tmp_path) == ["weights.th"]


@pytest.mark.parametrize("name", ["os.system", "torch.load", "torch.hub.load", "torch._utils.os"])
def test_no_other_name_is_allowed(file, name):
    module, _, function = name.rpartition(".")
    torch.save({}, file)
    called = f"c{module}\n{function}\n(Vx\ntR.".encode()
    changed(file, lambda entry, content: called if entry.endswith("data.pkl") else content)
    with pytest.raises(ConfigurationError, match=f"names {name}, which no weights"):
        check_tensors(file, MOST)


def test_the_format_of_before_2020_cannot_be_checked(file):
    torch.save({"a": torch.ones(2)}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(ConfigurationError, match="weights.th is not in the format.*save it anew"):
        check_tensors(file, MOST)


def test_a_tensor_cannot_be_larger_than_its_bytes(file):
    torch.save({"a": torch.ones(100)}, file)
    changed(file, lambda name, content: content[:-4] if name.endswith("data/0") else content)
    with pytest.raises(ConfigurationError, match="a tensor of 100 numbers .* in 396 bytes"):
        check_tensors(file, MOST)
    changed(file, lambda name, content: None if name.endswith("data/0") else content)
    with pytest.raises(ConfigurationError, match="a tensor of 100 numbers .* in -1 bytes"):
        check_tensors(file, MOST)


def test_a_small_file_of_a_large_content_is_refused(file):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", b"\0" * (MOST + 1))
    assert os.path.getsize(file) < MOST / 100
    with pytest.raises(ConfigurationError, match=f"expected at most {MOST}"):
        check_tensors(file, MOST)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda n, c: None if n.endswith("data.pkl") else c, "holds 0 entries data.pkl"),
        (lambda n, c: c[:-2] if n.endswith("data.pkl") else c, "is damaged"),
        (lambda n, c: b"]." if n.endswith("data.pkl") else c, "holds a list"),
        (lambda n, c: b"" if n.endswith("data.pkl") else c, "is damaged"),
        (lambda n, c: b"(VxtQ." if n.endswith("data.pkl") else c, "is damaged"),
    ],
)
def test_what_is_no_state_is_refused(file, change, message):
    torch.save({"a": torch.ones(2)}, file)
    changed(file, change)
    with pytest.raises(ConfigurationError, match=message):
        check_tensors(file, MOST)


def test_code_in_the_format_of_torchscript_is_refused(file):
    torch.save({"a": torch.ones(2)}, file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("elsewhere/code.py", "")
    with pytest.raises(ConfigurationError, match="holds more than weights"):
        check_tensors(file, MOST)


def test_a_cut_or_missing_file(file):
    with pytest.raises(ConfigurationError, match="there are no weights"):
        check_tensors(file, MOST)
    torch.save({"a": torch.ones(2000)}, file)
    with open(file, "r+b") as stream:
        stream.seek(300)
        stream.write(b"\0" * 200)
        stream.truncate()
    with pytest.raises(ConfigurationError, match="weights.th is not in the format"):
        check_tensors(file, MOST)


def test_releases_are_numbers():
    assert release_of("2.8.0+cpu") == (2, 8) and release_of("1.12.1") == (1, 12)
