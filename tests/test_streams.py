"""Pipes and standard streams as inputs and outputs."""

import gzip
import os
import threading

import pytest

from joint_ner_re.corpora import detect_format, read_corpus
from joint_ner_re.streams import STDIN, STDOUT, is_stream, open_once, open_to_read, readable_again
from joint_ner_re.writing import replacing, write_text


@pytest.fixture
def piped():
    """Makes a pipe that holds these bytes; returns the path of its reading end."""
    opened = []

    def make(content):
        reading, writing = os.pipe()
        with open(writing, "wb") as file:
            file.write(content)
        opened.append(reading)
        return f"/dev/fd/{reading}"

    yield make
    for number in opened:
        os.close(number)


def test_what_is_a_stream(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    streams = [STDIN, STDOUT, "/dev/stderr", "/dev/fd/7", "/proc/self/fd/0", "/dev/null"]
    assert all(map(is_stream, [*streams, tmp_path / "fifo"]))
    others = ["-", "/dev/fd", "/dev/fd/x", "no such file", "a\0b", tmp_path, tmp_path / "file"]
    assert not any(map(is_stream, others))


def test_a_stream_is_read_once(piped):
    path = piped(b"a\nb\n")
    with open_to_read(path) as file:
        assert file.read() == b"a\nb\n"
    with open_once(path) as file:
        assert file.read() == b""


def test_in_a_command_a_stream_is_read_again_and_leaves_nothing(piped, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first, second = piped(b"a"), piped(b"b")
    with readable_again():
        for _ in range(2):
            for path, content in ((first, b"a"), (second, b"b")):
                with open_to_read(path) as file:
                    assert file.read() == content
        assert len(list(tmp_path.rglob("*"))) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_corpus_from_a_pipe(piped, pack):
    path = piped(pack(b'{"tokens": ["Zo\xc3\xab"]}\n{"tokens": 1}\n'))
    with readable_again():
        assert detect_format(path) == "jsonl"
        sentences = read_corpus(path)
        assert next(sentences).tokens == ("Zo\u00eb",)
        with pytest.raises(ValueError, match=f"^{path}:2: "):
            next(sentences)


def test_a_named_pipe_is_written_and_stays(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    found = []
    reader = threading.Thread(target=lambda: found.append(path.read_text("utf-8")))
    reader.start()
    write_text(path, "Zo\u00eb\n")
    reader.join()
    assert found == ["Zo\u00eb\n"]
    assert is_stream(path) and [p.name for p in tmp_path.iterdir()] == ["fifo"]


def test_standard_output_is_continued_not_cut(tmp_path, capfd):
    print("first")
    write_text(STDOUT, "second\n")
    assert capfd.readouterr().out == "first\nsecond\n"
    path = tmp_path / "file"
    path.write_text("old\n")
    # As the shell's `>>`.
    number = os.open(path, os.O_WRONLY | os.O_APPEND)
    write_text(f"/dev/fd/{number}", "new\n")
    os.close(number)
    assert path.read_text() == "old\nnew\n"


def test_a_full_device_is_named():
    with pytest.raises(OSError, match="No space left on device; .* more room: '/dev/full'"):
        write_text("/dev/full", "x")


def test_a_missing_directory_names_the_output_not_its_temporary_file(tmp_path):
    path = tmp_path / "nowhere" / "out"
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        pass
    assert caught.value.filename == str(path)


def test_a_descriptor_that_is_not_open():
    with pytest.raises(OSError, match="Bad file descriptor: '/dev/fd/987'"):
        open_once("/dev/fd/987")
