"""A full disk and a read-only directory: the error names the file, and nothing is lost."""

import errno
import io
import json
import logging
import os
import subprocess
import tempfile
from contextlib import nullcontext

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.pretrained.vector_cache import VectorCache
from joint_ner_re.training import checkpointer
from joint_ner_re.training.checkpointer import save
from joint_ner_re.writing import replacing, write_text

# What fixtures/tiny.jsonnet validates on.
TINY_DATA = "conll04_spert.json"


@pytest.fixture
def allennlp(allennlp, few_threads, in_root):
    return allennlp


class Disk:
    """A file system of its own in a directory."""

    def __init__(self, path):
        self.path = path

    def resize(self, kilobytes):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.path], check=True)

    def fill(self):
        """Take all the room there is."""
        with open(self.path / "filling", "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"\0" * 4096)


@pytest.fixture
def disk(tmp_path):
    """A disk of 8 MB. Only root can make one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8192k", "tmpfs", str(path)]
    try:
        made = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("no file system can be mounted here")
    yield Disk(path)
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def read_only(tmp_path):
    """Makes a directory read-only."""
    mounted = []

    def make(path):
        if os.getuid():
            path.chmod(0o555)
            return
        # Permissions do not bind root.
        try:
            subprocess.run(["mount", "--bind", path, path], check=True, capture_output=True)
            mounted.append(path)
            subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("root is here, and nothing can be mounted")

    yield make
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def no_room(monkeypatch):
    """Makes the disk full: nothing that is written gets there, as without a disk of one's own."""

    def make():
        def full(number):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)

    return make


# Everywhere


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, no_room):
    write_text(tmp_path / "a.txt", "old")
    no_room()
    with pytest.raises(OSError, match=r"No space left on device; .*: '.*a\.txt'") as caught:
        write_text(tmp_path / "a.txt", "new")
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError, match="'other'"), replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device", "other")


# Training


def test_weights_that_do_not_fit_are_told_with_the_name_of_the_file(disk):
    save({"a": torch.zeros(10)}, disk.path / "weights.th")
    disk.fill()
    message = "No space left on device; the file needs .*: '.*weights.th'"
    with pytest.raises(OSError, match=message):
        save({"a": torch.zeros(1_000_000)}, disk.path / "weights.th")
    assert torch.equal(torch.load(disk.path / "weights.th")["a"], torch.zeros(10))


@pytest.mark.parametrize("room", [0, 1, 64, 100, 1000, 10_000, 39_999])
def test_wherever_a_file_of_weights_is_cut_the_error_is_the_disks(monkeypatch, room):
    """torch's writer may hide it, depending on what was being written."""

    class Full(io.BytesIO):
        def write(self, content):
            if self.tell() + len(content) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content)

    monkeypatch.setattr(checkpointer, "replacing", lambda path, mode: nullcontext(Full()))
    with pytest.raises(OSError, match="No space left on device"):
        save({"a": torch.zeros(5_000), "b": torch.zeros(5_000)}, "weights.th")


def test_a_training_resumes_when_there_is_room_again(allennlp, fixtures, tiny_run, disk):
    """The checkpoint of the first epoch has room, that of the second has not."""
    run = disk.path / "run"
    checkpoint = sum(
        (tiny_run / f"{kind}_state_e1_b0.th").stat().st_size for kind in ("model", "training")
    )
    disk.resize(checkpoint * 3 // 2 // 1024)
    with pytest.raises(SystemExit, match=f"allennlp train: {run}/.*: No space left on device"):
        allennlp("train", fixtures / "tiny.jsonnet", "-s", run)
    assert torch.load(run / "model_state_e1_b0.th").keys()
    assert not (run / "model.tar.gz").exists()

    disk.resize(8192)
    allennlp("train", fixtures / "tiny.jsonnet", "-s", run, "--recover")
    expected, found = (torch.load(d / "best.th") for d in (tiny_run, run))
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_a_read_only_directory_of_experiments(allennlp, fixtures, tmp_path, read_only, capsys):
    read_only(tmp_path)
    for command in (["cross-validate"], ["search", "--trials", "1"], ["train"]):
        with pytest.raises((OSError, SystemExit)) as caught:
            allennlp(*command, fixtures / "tiny.jsonnet", "-s", tmp_path / "new")
        assert str(tmp_path / "new") in f"{caught.value} {capsys.readouterr().err}"


# Extraction


@pytest.fixture
def documents(tmp_path):
    path = tmp_path / "documents.txt"
    path.write_text("Ada Marek left Kesh. It rained for nine days.\n" * 40, encoding="utf-8")
    return path


def test_an_extraction_resumes_when_there_is_room_again(
    allennlp, documents, tiny_archive, tmp_path, disk
):
    command = ["extract", tiny_archive, documents, "--batch-documents", "4"]
    allennlp(*command[:3], tmp_path / "whole.jsonl", *command[3:])
    output = disk.path / "out.jsonl"
    disk.resize((tmp_path / "whole.jsonl").stat().st_size // 2 // 1024)
    with pytest.raises(SystemExit) as caught:
        allennlp(*command[:3], output, *command[3:])
    assert f"{output}.part cannot be written: No space left on device; the file needs at" in str(
        caught.value
    )
    assert not output.exists()

    disk.resize(8192)
    allennlp(*command[:3], output, *command[3:])
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_an_extraction_into_a_read_only_directory(
    allennlp, documents, tiny_archive, tmp_path, read_only
):
    directory = tmp_path / "there"
    directory.mkdir()
    read_only(directory)
    with pytest.raises(SystemExit, match=r"^allennlp extract: .*there/\.?out\.jsonl"):
        allennlp("extract", tiny_archive, documents, directory / "out.jsonl")


# Prediction and evaluation


@pytest.mark.parametrize("command", ["predict", "extract", "evaluate"])
def test_a_full_temporary_directory_is_named(
    allennlp, documents, fixtures, tiny_archive, tmp_path, disk, monkeypatch, capsys, command
):
    monkeypatch.setattr(tempfile, "tempdir", str(disk.path))
    disk.fill()
    arguments = {
        "predict": [documents, "--output-file", tmp_path / "out", "--silent"],
        "extract": [documents, tmp_path / "out"],
        "evaluate": [fixtures / TINY_DATA, "--output-file", tmp_path / "out"],
    }[command]
    with pytest.raises((OSError, SystemExit)) as caught:
        allennlp(command, tiny_archive, *arguments)
    told = f"{caught.value} {capsys.readouterr().err}"
    assert str(disk.path) in told
    assert "the file needs at least" in told
    assert "TMPDIR names another directory" in told
    assert not (tmp_path / "out").exists()
    assert os.listdir(disk.path) == ["filling"]


@pytest.mark.parametrize(
    "command, option, existing",
    [
        # `predict` does not replace a file.
        ("predict", "--output-file", False),
        ("evaluate", "--output-file", False),
        ("evaluate", "--output-file", True),
        ("evaluate", "--predictions-output-file", False),
        ("evaluate", "--predictions-output-file", True),
    ],
)
def test_an_output_on_a_full_disk_is_an_error_that_names_it(
    allennlp, documents, fixtures, tiny_archive, disk, capsys, command, option, existing
):
    output = disk.path / "out.json"
    if existing:
        output.write_text("old")
    disk.fill()
    source = documents if command == "predict" else fixtures / TINY_DATA
    with pytest.raises((OSError, SystemExit)) as caught:
        allennlp(command, tiny_archive, source, option, output)
    told = f"{caught.value} {capsys.readouterr().err}"
    assert str(output) in told and "No space left on device; the file needs" in told
    assert [output.read_text()] == ["old"] if existing else not output.exists()
    assert sorted(os.listdir(disk.path)) == ["filling", *(["out.json"] if existing else [])]


def test_predictions_that_are_errors_are_kept(allennlp, tiny_archive, tmp_path):
    (tmp_path / "in.txt").write_text("Ada left Kesh.\n{broken\n")
    with pytest.raises(SystemExit, match="1 of 2 documents could not be processed"):
        allennlp("predict", tiny_archive, tmp_path / "in.txt", "--output-file", tmp_path / "out")
    records = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert ["error" in record for record in records] == [False, True]


# The cache of vectors


def test_a_cache_on_a_full_disk_is_left_and_stays_whole(disk, caplog):
    path = str(disk.path / "vectors.sqlite")
    vectors = {bytes([n]): torch.rand(40, 100) for n in range(20)}
    cache = VectorCache(100, 1000, path)
    cache.put({b"\0": vectors[b"\0"]})
    disk.fill()
    with caplog.at_level(logging.WARNING):
        cache.put(vectors)
    assert f"{path}: " in caplog.text
    assert "nothing is cached on disk" in caplog.text
    assert all(torch.equal(cache.get(key, 40), vectors[key]) for key in vectors)
    again = VectorCache(100, 1000, path)
    assert torch.equal(again.get(b"\0", 40), vectors[b"\0"])
    assert again.get(b"\5", 40) is None


def test_a_cache_in_a_read_only_directory_is_an_error(tmp_path, read_only):
    read_only(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot keep vectors in .*vectors.sqlite"):
        VectorCache(100, 1000, str(tmp_path / "vectors.sqlite"))
