"""The bar over the sentences of a corpus: how much of it has been read."""

import gzip
import io
import os
import shutil
import subprocess
import sys
import threading

import pytest
from tqdm import tqdm

from joint_ner_re.commands import reading_bar
from joint_ner_re.corpora import read_corpus

LINE = '{"tokens": ["Ada", "left", "Kesh", "."]}\n'


class Watched(tqdm):
    """Notes the bar, and draws into a string."""

    bars: list["Watched"] = []

    def __init__(self, *args, **kwargs):
        options = {**kwargs, "disable": False}
        super().__init__(*args, file=io.StringIO(), mininterval=0, **options)
        self.bars.append(self)


@pytest.fixture
def states(monkeypatch):
    """Reads a corpus, and gives the bar's part of the total after each sentence, and at the end."""
    monkeypatch.setattr(reading_bar, "tqdm", Watched)
    monkeypatch.setattr(Watched, "bars", [])

    def run(path, format):
        corpus = reading_bar.reading_bar(read_corpus(path, format), path, "reading", leave=True)
        seen = []
        for _ in corpus:
            (bar,) = Watched.bars
            seen.append((bar.n, bar.total))
        return seen, (bar.n, bar.total), bar.postfix

    return run


def test_a_file_is_read_byte_by_byte(states, tmp_path):
    path = tmp_path / "a.jsonl"
    # More than a buffer, so that the file is not read at once.
    lines = 10_000
    path.write_text(LINE * lines)
    seen, last, postfix = states(path, "jsonl")
    size = lines * len(LINE)
    assert len(seen) == lines
    assert {total for _, total in seen} == {size}
    read = [n for n, _ in seen]
    assert read == sorted(read)
    assert 0 < read[0] < size / 4 < read[lines // 2] < size * 3 / 4
    assert last == (size, size)
    assert postfix == "10,000 sentences"


def test_a_compressed_file_counts_as_it_lies_on_disk(states, tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINE.encode()))
    _, last, _ = states(path, "jsonl")
    assert last == (path.stat().st_size, path.stat().st_size)


def test_a_directory_counts_all_files(states, fixtures, tmp_path):
    directory = tmp_path / "brat"
    shutil.copytree(fixtures / "own" / "brat", directory)
    (directory / "picture.png").write_bytes(bytes(1000))
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    seen, last, _ = states(directory, "brat")
    assert all(0 < n <= size - 1000 for n, _ in seen)
    assert last == (size, size)


def test_a_pipe_has_no_total(states, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=(LINE * 2,))
    writer.start()
    seen, _, _ = states(fifo, "jsonl")
    writer.join()
    assert [total for _, total in seen] == [None, None]


def test_nothing_is_drawn_into_a_pipe(root):
    run = subprocess.run(
        [sys.executable, "-m", "joint_ner_re", "convert", "-", "-"],
        cwd=root, input=LINE * 2, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.count("Kesh") == 2
    assert run.stderr == "/dev/stdout: 2 sentences\n"
