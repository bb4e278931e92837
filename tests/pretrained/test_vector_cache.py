"""Kept vectors: the same back, from memory or disk, whoever else writes or is killed."""

import copy
import logging
import multiprocessing
import os
import sqlite3
import struct

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.pretrained.vector_cache import VectorCache


def numbers(rows, value=1.0):
    return torch.full((rows, 3), value)


def test_what_is_put_is_got():
    cache = VectorCache(3, megabytes=1)
    tensor = torch.randn(4, 3)
    cache.put({b"a": tensor, b"none": numbers(0)})
    assert torch.equal(cache.get(b"a", 4), tensor)
    assert cache.get(b"none", 0).shape == (0, 3)
    assert cache.get(b"b", 4) is None


def test_memory_is_bounded_and_what_came_first_stays():
    cache = VectorCache(3, megabytes=1)
    # 40,000 rows of three numbers of four bytes are 0.48 megabytes: two fit, a third does not.
    cache.put({bytes([key]): numbers(40_000) for key in range(3)})
    assert len(cache) == 2 and cache.get(b"\x02", 40_000) is None
    cache.put({b"small": numbers(1)})
    assert cache.get(b"small", 1) is not None


def test_a_slice_of_a_batch_does_not_keep_the_batch():
    cache = VectorCache(3, megabytes=1)
    batch = torch.randn(8, 100, 3)
    cache.put({b"a": batch[2, :50], b"all": batch})
    kept = cache.get(b"a", 50)
    assert kept is not None and torch.equal(kept, batch[2, :50])
    # 50 rows of three numbers of four bytes.
    assert kept.untyped_storage().nbytes() == 600
    assert cache.get(b"all", 100) is batch


def test_when_tensors_are_computed_again_a_warning_says_so_once(caplog):
    cache = VectorCache(3, megabytes=1)
    tensors = {bytes([key]): numbers(40_000) for key in range(4)}
    with caplog.at_level(logging.WARNING):
        cache.put(tensors)
        cache.put({b"\x00": numbers(40_000)})
        assert not caplog.records
        for _ in range(2):
            cache.put({key: tensors[key] for key in (b"\x02", b"\x03")})
    (record,) = caplog.records
    # Each of the two takes 0.48 megabytes.
    assert "the vectors of 2 sentences do not fit" in record.message
    assert "cache_megabytes to at least 2 instead of 1" in record.message


@pytest.mark.parametrize("megabytes, on_disk", [(0, False), (1, True)])
def test_without_memory_by_choice_and_with_a_database_nothing_warns(
    tmp_path, caplog, megabytes, on_disk
):
    cache = VectorCache(3, megabytes, str(tmp_path / "v.sqlite") if on_disk else None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            cache.put({bytes([key]): numbers(40_000) for key in range(4)})
    assert not caplog.records


def test_no_memory_keeps_nothing():
    cache = VectorCache(3, megabytes=0)
    cache.put({b"a": numbers(1)})
    assert len(cache) == 0


def test_another_run_finds_what_is_on_disk(tmp_path, number_kept):
    path = str(tmp_path / "new" / "v.sqlite")
    tensor = torch.randn(4, 3)
    VectorCache(3, 1, path).put({b"a": tensor, b"none": numbers(0)})
    later = VectorCache(3, 0, path)
    assert torch.equal(later.get(b"a", 4), tensor)
    assert later.get(b"none", 0).shape == (0, 3)
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
        assert torch.equal(cache.get(key.to_bytes(2, "big"), 5), numbers(5, float(key)))


def test_a_journal_may_go_while_it_is_looked_at(tmp_path, monkeypatch):
    """Another process removes it when its change is written."""
    is_file = os.path.isfile
    seen = []

    def gone_by_then(path):
        if str(path).endswith("-journal"):
            seen.append(path)
            return True
        return is_file(path)

    monkeypatch.setattr(os.path, "isfile", gone_by_then)
    cache = VectorCache(3, 1, str(tmp_path / "v.sqlite"))
    cache.put({b"a": numbers(2)})
    assert seen and torch.equal(cache.get(b"a", 2), numbers(2))


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
        assert torch.equal(cache.get(key.to_bytes(4, "big"), 50), numbers(50, float(key)))


GOOD = numbers(4, 7.0)
ROW = struct.pack("<12f", *[7.0] * 12)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"123", ROW[:-12], ROW[:-1], ROW + ROW[:12], ROW * 1000, "text", "x" * 48, 5, None,
        struct.pack("<12f", *[float("nan")] * 12), struct.pack("<12f", *[float("inf")] * 12),
    ],
    ids=lambda data: repr(data)[:20],
)  # fmt: skip
def test_numbers_of_another_shape_or_kind_count_as_missing_and_are_replaced(tmp_path, data):
    """Expected are four words of three numbers, 48 bytes."""
    path = str(tmp_path / "v.sqlite")
    VectorCache(3, 1, path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (b"a", data))
    cache = VectorCache(3, 0, path)
    assert cache.get(b"a", 4) is None
    cache.put({b"a": GOOD})
    assert torch.equal(cache.get(b"a", 4), GOOD)


def test_a_row_of_the_expected_shape_is_read(tmp_path):
    """Otherwise the test above would show nothing."""
    path = str(tmp_path / "v.sqlite")
    VectorCache(3, 1, path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (b"a", ROW))
    assert torch.equal(VectorCache(3, 1, path).get(b"a", 4), GOOD)


TABLE = "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB)"
ENDLESS = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n)"


@pytest.mark.parametrize(
    "script",
    [
        f"CREATE VIEW vectors AS {ENDLESS} SELECT x AS key, x AS numbers FROM n",
        f"{TABLE}; CREATE VIEW other AS SELECT 1",
        f"{TABLE}; CREATE TABLE other (x)",
        f"{TABLE}; CREATE INDEX other ON vectors (length(numbers))",
        f"{TABLE}; CREATE TABLE other (x); CREATE TRIGGER t AFTER INSERT ON vectors "
        f"BEGIN INSERT INTO other {ENDLESS} SELECT x FROM n; END",
        f"{TABLE} WITHOUT ROWID",
        f"{TABLE} STRICT",
        "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB AS (zeroblob(1000000)) VIRTUAL)",
        "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB CHECK (length(numbers) > 5))",
        "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB DEFAULT (randomblob(9)))",
        "CREATE TABLE vectors (key BLOB, numbers BLOB)",
        "CREATE TABLE vectors (key TEXT PRIMARY KEY, numbers BLOB)",
        "CREATE TABLE vectors (key BLOB PRIMARY KEY, numbers BLOB, more BLOB)",
        "CREATE TABLE Vectors (key BLOB PRIMARY KEY, numbers BLOB)",
        "CREATE TABLE other (x)",
        "CREATE VIRTUAL TABLE vectors USING fts5(key, numbers)",
    ],
)
def test_a_database_of_another_kind_is_refused(tmp_path, script):
    path = str(tmp_path / "v.sqlite")
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    before = (tmp_path / "v.sqlite").read_bytes()
    with pytest.raises(ConfigurationError, match="more than the table of vectors, or another"):
        VectorCache(3, 1, path)
    assert (tmp_path / "v.sqlite").read_bytes() == before


def test_the_view_would_be_read_without_end(tmp_path):
    """Otherwise the test above would show nothing. Here the query is stopped after 10**6 steps."""
    with sqlite3.connect(tmp_path / "v.sqlite") as connection:
        connection.execute(f"CREATE VIEW vectors AS {ENDLESS} SELECT x AS key, x AS numbers FROM n")
        connection.set_progress_handler(lambda: 1, 10**6)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute("SELECT numbers FROM vectors WHERE key = ?", (b"a",)).fetchone()


def test_a_schema_that_was_edited_is_refused(tmp_path):
    """Its text is as expected, and its page is none of the file's."""
    path = str(tmp_path / "v.sqlite")
    VectorCache(3, 1, path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 4000000 WHERE type = 'table'")
    with pytest.raises(ConfigurationError, match="cannot keep vectors in"):
        VectorCache(3, 1, path)


def test_a_header_that_claims_many_pages(tmp_path):
    path = tmp_path / "v.sqlite"
    VectorCache(3, 1, str(path)).put({b"a": GOOD})
    data = bytearray(path.read_bytes())
    # Bytes 28 to 31 hold the number of pages, valid if those at 24 and 92 agree.
    data[28:32] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    try:
        found = VectorCache(3, 1, str(path)).get(b"a", 4)
    except ConfigurationError as error:
        assert "cannot keep vectors" in str(error)
    else:
        assert found is None or torch.equal(found, GOOD)


def test_a_journal_that_has_a_file_deleted_is_refused(tmp_path):
    """SQLite deletes the file that the journal of an interrupted transaction names, if that is
    no journal itself. The format is at sqlite.org/fileformat2.html, section 3.
    """

    def prepare(name):
        path, victim = tmp_path / f"{name}.sqlite", tmp_path / f"{name}.txt"
        VectorCache(3, 1, str(path))
        victim.write_text("to be kept")
        magic = bytes.fromhex("d9d505f920a163d7")
        header = magic + struct.pack(">5I", 0, 0, path.stat().st_size // 4096, 512, 4096)
        named = str(victim).encode()
        end = struct.pack(">I", 2**30 // 4096 + 1) + named
        end += struct.pack(">2I", len(named), sum(named)) + magic
        (tmp_path / f"{name}.sqlite-journal").write_bytes(header.ljust(512, b"\0") + end)
        return path, victim

    # Otherwise the test would show nothing.
    path, victim = prepare("without")
    sqlite3.connect(path).execute("SELECT * FROM sqlite_master").fetchall()
    assert not victim.exists()

    path, victim = prepare("with")
    with pytest.raises(ConfigurationError, match="names another file, which would be deleted"):
        VectorCache(3, 1, str(path))
    assert victim.read_text() == "to be kept"


@pytest.mark.parametrize("kind", ["pipe", "directory"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "v.sqlite"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="it is no file"):
        VectorCache(3, 1, str(path))


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
    assert [record.message.count("nothing is cached on disk") for record in caplog.records] == [1]
    assert torch.equal(cache.get(b"a", 1), numbers(1)) and torch.equal(
        cache.get(b"b", 1), numbers(1)
    )


def test_a_file_that_breaks_while_it_is_read_counts_as_empty(tmp_path, caplog):
    path = str(tmp_path / "v.sqlite")
    cache = VectorCache(3, 0, path)
    cache.put({b"a": numbers(1)})
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE vectors")
    with caplog.at_level(logging.WARNING):
        assert cache.get(b"a", 1) is None and cache.get(b"a", 1) is None
    assert len(caplog.records) == 1


def test_a_copy_opens_the_database_itself(tmp_path):
    cache = VectorCache(3, 1, str(tmp_path / "v.sqlite"))
    cache.put({b"a": numbers(2)})
    assert torch.equal(copy.deepcopy(cache).get(b"a", 2), numbers(2))


def test_a_forked_process_opens_the_database_itself(tmp_path):
    cache = VectorCache(3, 0, str(tmp_path / "v.sqlite"))
    cache.put({b"a": numbers(2)})
    process = os.fork()
    if process == 0:
        cache.put({b"b": numbers(3)})
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert torch.equal(cache.get(b"b", 3), numbers(3))
