"""Files of weights that are damaged, or hold something else than tensors."""

import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from programs import printed

from joint_ner_re.weight_files import read_weights

MAX_BYTES = 10**6


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "weights.th")


def entries_of(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)


def change(file, ending, content):
    """Write the file anew with another content of one entry, or without it if that is `None`."""
    entries = [
        (name, content if name.endswith(ending) else old)
        for name, old in entries_of(file).items()
        if content is not None or not name.endswith(ending)
    ]
    write(file, entries)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"a": torch.ones(2, 3), "b": torch.zeros(4).half()},
        {"a": torch.ones(2, dtype=torch.long), "b": torch.tensor([True]), "c": torch.ones(())},
        OrderedDict(a=torch.nn.Parameter(torch.ones(3)), b=torch.ones(3).bfloat16()),
        torch.nn.LSTM(2, 3).state_dict(),
        # Two views of one storage.
        dict(zip("ab", torch.arange(10.0).split(5))),
        {"a": torch.ones(0), "b": torch.arange(6.0).reshape(2, 3).T},
    ],
)
def test_tensors_are_read(file, weights):
    torch.save(weights, file)
    found = read_weights(file, MAX_BYTES)
    assert list(found) == list(weights)
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert all(found[name].dtype == weights[name].dtype for name in weights)


@pytest.mark.parametrize("place", ["value", "name", "whole", "attribute"])
def test_what_would_be_called_is_refused_and_not_called(file, tmp_path, payload, place):
    weights = OrderedDict(a=torch.ones(2))
    if place == "value":
        weights["b"] = payload
    elif place == "name":
        weights[(payload,)] = torch.ones(2)
    elif place == "attribute":
        weights._metadata = payload
    torch.save(payload if place == "whole" else weights, file)
    with pytest.raises(ConfigurationError, match="names (io|_io|builtins).open, which no weights"):
        read_weights(file, MAX_BYTES)
    assert os.listdir(tmp_path) == ["weights.th"]


def legacy_pickle_with_a_zip_archive_behind(file, payload):
    """Python's zipfile finds the archive at the end; old torch reads the pickle before it."""
    torch.save({"a": torch.ones(2)}, file)
    with open(file, "rb") as stream:
        harmless = stream.read()
    torch.save({"a": payload}, file, _use_new_zipfile_serialization=False)
    with open(file, "ab") as stream:
        stream.write(harmless)


def second_pickle(name):
    """torch looks an entry up whatever its case, and may find this one."""

    def build(file, payload):
        torch.save({"a": payload}, file)
        hostile = next(c for n, c in entries_of(file).items() if n.endswith("data.pkl"))
        torch.save({"a": torch.ones(2)}, file)
        entries = list(entries_of(file).items())
        folder = entries[0][0].partition("/")[0]
        write(file, [*entries, (f"{folder}/{name}", hostile)])

    build.__name__ = name
    return build


FOUR_FORMS = [
    legacy_pickle_with_a_zip_archive_behind,
    second_pickle("DATA.PKL"),
    second_pickle("Data.pkl"),
    second_pickle("data.PKL"),
]


@pytest.mark.parametrize("build", FOUR_FORMS, ids=lambda build: build.__name__)
def test_a_pickle_beside_the_one_that_is_looked_at_does_not_run(file, target, payload, build):
    build(file, payload)
    with pytest.raises(ConfigurationError, match="weights.th"):
        read_weights(file, MAX_BYTES)
    assert not target.exists()


@pytest.mark.parametrize("build", FOUR_FORMS, ids=lambda build: build.__name__)
def test_without_the_protection_these_files_do_run(file, target, payload, build):
    """Otherwise the test above would show nothing."""
    build(file, payload)
    torch.load(file, weights_only=False)
    assert target.exists()


def test_torchs_switch_to_read_without_protection_does_not_count(
    file, target, payload, monkeypatch
):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"a": payload}, file)
    with pytest.raises(ConfigurationError):
        read_weights(file, MAX_BYTES)
    assert not target.exists()


@pytest.mark.parametrize(
    "name", ["os.system", "torch.load", "torch.hub.load", "torch._utils.os", "builtins.bytearray"]
)
def test_no_other_name_is_allowed(file, name):
    module, _, function = name.rpartition(".")
    torch.save({}, file)
    change(file, "data.pkl", f"c{module}\n{function}\n(Vx\ntR.".encode())
    with pytest.raises(ConfigurationError, match=f"names {name}, which no weights"):
        read_weights(file, MAX_BYTES)


def storage_pickle(*, count="2", offset=0, shape=(2,), stride=(1,), memo=b"q\0"):
    """The pickle of one tensor that says of itself what it likes."""

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return value.saved if isinstance(value, Storage) else None

    class Storage:
        saved = ("storage", torch.FloatStorage, "0", "cpu", count)

    class Rebuilt:
        def __reduce__(self):
            arguments = (Storage(), offset, shape, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    stream = io.BytesIO()
    Pickler(stream, 2).dump({"a": Rebuilt()})
    # The first entry of the memo, which nothing refers to, is put where `memo` says.
    begin, _, rest = stream.getvalue().partition(b"q\0")
    return begin + memo + rest


def bomb(file, kind):
    """A small file that asks for gigabytes."""
    torch.save({"a": torch.ones(2)}, file)
    huge = 10**10
    if kind == "zip":
        write(file, [("a/data.pkl", pickle.dumps({}, 2)), ("a/data/0", bytes(2**28))], 8)
        return
    pickled = {
        "memo": storage_pickle(count=2, memo=b"r" + (2 * 10**9).to_bytes(4, "little")),
        "storage": storage_pickle(count=huge, shape=(huge,)),
        "expanded": storage_pickle(count=2, shape=(huge,), stride=(0,)),
        "overlapping": storage_pickle(count=2, shape=(2**20, 2**20), stride=(0, 1)),
        "stride": storage_pickle(count=2, shape=(2,), stride=(huge,)),
        "offset": storage_pickle(count=2, offset=huge),
        "negative": storage_pickle(count=-1),
        "buffer": b"\x80\x02cbuiltins\nbytearray\n\x8a\x05"
        + huge.to_bytes(5, "little")
        + b"\x85R.",
        "string": b"\x80\x02X\xff\xff\xff\x7fabc.",
        "integer": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    }[kind]
    change(file, "data.pkl", pickled)


READ = """
import resource, sys
from allennlp.common.checks import ConfigurationError
from joint_ner_re.weight_files import read_weights
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
most = pages * resource.getpagesize() + 2**28
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for path in sys.argv[1:]:
    try:
        weights = read_weights(path, 10**9)
        print(path, "read", {name: tuple(weight.shape) for name, weight in weights.items()})
    except ConfigurationError as error:
        print(path, "refused", error)
print("MB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
BOMBS = {
    "zip": "is compressed", "memo": "read", "storage": "is damaged", "expanded": "only 8 bytes",
    "overlapping": "is damaged", "stride": "is damaged", "offset": "is damaged",
    "negative": "is damaged", "buffer": "names builtins.bytearray", "string": "is damaged",
    "integer": "is damaged",
}  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the memory")
def test_small_files_that_ask_for_gigabytes_take_no_memory(root, tmp_path):
    """The process may take 256 MB more than it has, and takes less than 50 for all of them."""
    for kind in BOMBS:
        bomb(str(tmp_path / kind), kind)
    paths = (tmp_path / kind for kind in BOMBS)
    *lines, memory = printed("-c", READ, *paths, directory=root).splitlines()
    assert len(lines) == len(BOMBS)
    for line, (kind, expected) in zip(lines, BOMBS.items()):
        assert expected in line, (kind, line)
    assert float(memory.split()[1]) < 50


def test_the_format_of_before_2020_is_refused(file):
    torch.save({"a": torch.ones(2)}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(ConfigurationError, match="not in the format.*load it with torch and save"):
        read_weights(file, MAX_BYTES)


@pytest.mark.parametrize("claimed, kept", [(100, 396), (100, 404), (50, 400)])
def test_a_tensor_has_the_size_of_its_entry(file, claimed, kept):
    torch.save({"a": torch.ones(100)}, file)
    change(file, "data/0", bytes(kept))
    change(file, "data.pkl", storage_pickle(count=claimed, shape=(claimed,)))
    with pytest.raises(ConfigurationError, match=f"claim {4 * claimed} bytes.* have {kept}"):
        read_weights(file, MAX_BYTES)


def test_a_large_file_is_refused_unread(file):
    torch.save({"a": torch.ones(1000)}, file)
    size = os.path.getsize(file)
    with pytest.raises(ConfigurationError, match=f"{size} bytes; expected at most {size - 1}"):
        read_weights(file, size - 1)
    assert read_weights(file, size)["a"].sum() == 1000


@pytest.mark.parametrize(
    "ending, content, message",
    [
        ("data.pkl", None, "has no entry data.pkl"),
        ("data.pkl", b"\x80\x02].", "holds a list"),
        ("data.pkl", b"", "is damaged"),
        ("data.pkl", b"\x80\x02}U\x01aK\x01s.", "'a' is a int; expected names of tensors"),
        ("data.pkl", b"(VxtQ.", "is damaged"),
        ("data/0", None, "is damaged"),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused(file, ending, content, message):
    torch.save({"a": torch.ones(2)}, file)
    change(file, ending, content)
    with pytest.raises(ConfigurationError, match=message) as error:
        read_weights(file, MAX_BYTES)
    assert "weights_only" not in str(error.value)


def test_names_are_strings(file):
    torch.save({3: torch.ones(2)}, file)
    with pytest.raises(ConfigurationError, match="3 is a Tensor; expected names of tensors"):
        read_weights(file, MAX_BYTES)


@pytest.mark.parametrize("name", ["weights/code/a.py", "elsewhere/data/7", "weights/constants.pkl"])
def test_code_in_the_format_of_torchscript_is_refused(file, name):
    torch.save({"a": torch.ones(2)}, file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, "")
    with pytest.raises(ConfigurationError, match="has the entry|in several folders"):
        read_weights(file, MAX_BYTES)


def test_a_cut_or_missing_file(file):
    with pytest.raises(ConfigurationError, match="there are no weights"):
        read_weights(file, MAX_BYTES)
    torch.save({"a": torch.ones(2000)}, file)
    with open(file, "r+b") as stream:
        stream.truncate(4000)
    with pytest.raises(ConfigurationError, match="weights.th is damaged"):
        read_weights(file, MAX_BYTES)
    open(file, "wb").close()
    with pytest.raises(ConfigurationError, match="weights.th is damaged, or not in the format"):
        read_weights(file, MAX_BYTES)
