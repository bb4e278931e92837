"""Kept vectors: the same back, from memory or disk, whoever else writes or is killed."""

import copy
import logging
import multiprocessing
import os
import sqlite3

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.modules.vector_cache import VectorCache


def numbers(rows, value=1.0):
    return torch.full((rows, 3), value)


def test_what_is_put_is_got():
    cache = VectorCache(3, megabytes=1)
    tensor = torch.randn(4, 3)
    cache.put({b"a": tensor, b"none": numbers(0)})
    assert torch.equal(cache.get(b"a"), tensor)
    assert cache.get(b"none").shape == (0, 3)
    assert cache.get(b"b") is None
    cache.clear()
    assert cache.get(b"a") is None


def test_memory_is_bounded_and_what_came_first_stays():
    cache = VectorCache(3, megabytes=1)
    # 40,000 rows of three numbers of four bytes are 0.48 megabytes: two fit, a third does not.
    cache.put({bytes([key]): numbers(40_000) for key in range(3)})
    assert len(cache) == 2 and cache.get(b"\x02") is None
    cache.put({b"small": numbers(1)})
    assert cache.get(b"small") is not None


def test_no_memory_keeps_nothing():
    cache = VectorCache(3, megabytes=0)
    cache.put({b"a": numbers(1)})
    assert len(cache) == 0


def test_another_run_finds_what_is_on_disk(tmp_path, number_kept):
    path = str(tmp_path / "new" / "v.sqlite")
    tensor = torch.randn(4, 3)
    VectorCache(3, 1, path).put({b"a": tensor, b"none": numbers(0)})
    later = VectorCache(3, 0, path)
    assert torch.equal(later.get(b"a"), tensor)
    assert later.get(b"none").shape == (0, 3)
    assert number_kept(path) == 2


def _write(path, first, start):
    start.wait()
    cache = VectorCache(3, 1, path)
    for key in range(first, first + 100):
        cache.put({key.to_bytes(2, "big"): numbers(5, float(key))})


def _killed_while_writing(path, started):
    cache = VectorCache(3, 1, path)
    key = 0
    while True:
        cache.put({key.to_bytes(4, "big"): numbers(50, float(key))})
        key += 1
        if key == 20:
            started.set()


@pytest.mark.parametrize("attempt", range(5))
def test_two_processes_write_at_once(tmp_path, number_kept, attempt):
    """Their keys overlap by half; everything is there afterwards, once.

    They also make the file at the same moment. More attempts, more ways to collide.
    """
    path = str(tmp_path / "v.sqlite")
    context = multiprocessing.get_context("fork")
    start = context.Event()
    writers = [context.Process(target=_write, args=(path, first, start)) for first in (0, 50)]
    for writer in writers:
        writer.start()
    start.set()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert number_kept(path) == 150
    cache = VectorCache(3, 1, path)
    for key in range(150):
        assert torch.equal(cache.get(key.to_bytes(2, "big")), numbers(5, float(key)))


def test_a_killed_writer_leaves_whole_tensors(tmp_path, number_kept):
    path = str(tmp_path / "v.sqlite")
    context = multiprocessing.get_context("fork")
    started = context.Event()
    writer = context.Process(target=_killed_while_writing, args=(path, started))
    writer.start()
    assert started.wait(30)
    writer.kill()
    writer.join()
    kept = number_kept(path)
    assert kept >= 20
    cache = VectorCache(3, 1, path)
    for key in range(kept):
        assert torch.equal(cache.get(key.to_bytes(4, "big")), numbers(50, float(key)))


@pytest.mark.parametrize(
    "data", [b"123", b"\x00" * 16, "text", 5, b"\x00\x00\xc0\x7f" * 3], ids=repr
)
def test_numbers_that_cannot_be_these_count_as_not_there(tmp_path, data):
    """Cut short, of another width, of another kind, or not a number."""
    path = str(tmp_path / "v.sqlite")
    VectorCache(3, 1, path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (b"a", data))
    assert VectorCache(3, 1, path).get(b"a") is None


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "v.sqlite"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(ConfigurationError, match="choose another cache_directory or delete"):
        VectorCache(3, 1, str(path))
    assert path.read_bytes().startswith(b"something else")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot keep vectors in"):
        VectorCache(3, 1, str(tmp_path / "file" / "v.sqlite"))


def test_when_the_disk_fails_the_run_goes_on(tmp_path, caplog):
    path = str(tmp_path / "v.sqlite")
    cache = VectorCache(3, 1, path)
    # Without its table, as with a full disk, SQLite refuses to write.
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE vectors RENAME TO gone")
    with caplog.at_level(logging.WARNING):
        cache.put({b"a": numbers(1)})
        cache.put({b"b": numbers(1)})
    assert [record.message.count("nothing is kept on disk") for record in caplog.records] == [1]
    assert torch.equal(cache.get(b"a"), numbers(1)) and torch.equal(cache.get(b"b"), numbers(1))


def test_a_file_that_breaks_while_it_is_read_counts_as_empty(tmp_path, caplog):
    path = str(tmp_path / "v.sqlite")
    cache = VectorCache(3, 0, path)
    cache.put({b"a": numbers(1)})
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE vectors")
    with caplog.at_level(logging.WARNING):
        assert cache.get(b"a") is None and cache.get(b"a") is None
    assert len(caplog.records) == 1


def test_a_copy_opens_the_database_itself(tmp_path):
    cache = VectorCache(3, 1, str(tmp_path / "v.sqlite"))
    cache.put({b"a": numbers(2)})
    assert torch.equal(copy.deepcopy(cache).get(b"a"), numbers(2))


def test_a_forked_process_opens_the_database_itself(tmp_path):
    cache = VectorCache(3, 0, str(tmp_path / "v.sqlite"))
    cache.put({b"a": numbers(2)})
    process = os.fork()
    if process == 0:
        cache.put({b"b": numbers(3)})
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert torch.equal(cache.get(b"b"), numbers(3))
