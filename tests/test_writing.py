"""Writes are complete or do not happen."""

import errno
import json
import subprocess
import sys
import threading

import pytest

from joint_ner_re.writing import (
    TEMPORARY,
    named,
    naming,
    remove,
    remove_leftovers,
    replacing,
    replacing_directory,
    write_json,
    write_text,
)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "a.txt", "é\r\n\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\r\n\n".encode()


def test_json_reads_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, "ü"]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"b": [1, 2.5, "ü"]}


def test_a_number_that_is_none_is_refused_and_the_old_file_stays(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text() == "1\n"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(error), replacing(tmp_path / "a.txt") as file:
        file.write("new")
        raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_new_file_appears_only_at_the_end(tmp_path):
    with replacing(tmp_path / "a.bin", "wb") as file:
        file.write(b"\x00")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"\x00"
    assert names(tmp_path) == ["a.bin"]


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "none" / "a.txt", "")


# Other processes, dead and alive


def killed_while_writing(path):
    """A process writes half of a file and is killed."""
    code = f"""
import os
from joint_ner_re.writing import replacing
with replacing({str(path)!r}) as file:
    file.write("half")
    file.flush()
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9


def test_what_a_killed_process_left_is_used_up_by_the_next_one(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    killed_while_writing(tmp_path / "a.txt")
    assert names(tmp_path) == [".a.txt.tmp", "a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
    write_text(tmp_path / "a.txt", "n")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "n"


def test_removing_a_file_removes_what_a_killed_process_left(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    killed_while_writing(tmp_path / "a.txt")
    remove(tmp_path / "a.txt")
    assert names(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        remove(tmp_path / "a.txt")


def test_leftovers_are_removed_and_files_in_use_are_not(tmp_path):
    killed_while_writing(tmp_path / "dead.txt")
    (tmp_path / ".old.17.tmp").mkdir()
    (tmp_path / "mine.tmp").touch()
    with replacing(tmp_path / "alive.txt") as file:
        remove_leftovers(tmp_path)
        assert names(tmp_path) == [".alive.txt.tmp", "mine.tmp"]
        file.write("new")
    assert (tmp_path / "alive.txt").read_text() == "new"


def test_two_writers_of_one_file_wait_for_each_other(tmp_path):
    path = tmp_path / "a.txt"
    other = threading.Thread(target=write_text, args=(path, "second"))
    with replacing(path) as file:
        other.start()
        file.write("first")
        other.join(0.2)
        assert other.is_alive()
    other.join(10)
    assert path.read_text() == "second"
    assert names(tmp_path) == ["a.txt"]


def test_where_the_file_system_has_no_locks_files_are_written_all_the_same(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    with pytest.raises(RuntimeError), replacing(tmp_path / "b.txt"):
        raise RuntimeError
    assert names(tmp_path) == ["a.txt"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("old")
    (tmp_path / ".a.txt.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="a.txt"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "victim").read_text() == "old"


# Directories


def test_a_directory_appears_at_the_end(tmp_path):
    with replacing_directory(tmp_path / "a") as directory:
        (directory / "b.txt").write_text("b")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["b.txt"]


def test_a_directory_that_fails_leaves_nothing_and_leftovers_are_not_in_the_next(tmp_path):
    (tmp_path / ".a.tmp").mkdir()
    (tmp_path / ".a.tmp" / "left").touch()
    with replacing_directory(tmp_path / "a") as directory:
        assert names(directory) == []
    with pytest.raises(RuntimeError), replacing_directory(tmp_path / "b"):
        raise RuntimeError
    assert names(tmp_path) == ["a"]


# Errors


def test_an_error_of_a_full_disk_names_the_file_and_its_need():
    error = named(OSError(errno.ENOSPC, "No space left on device"), "/data/a.bin", 12345)
    assert error.errno == errno.ENOSPC and error.filename == "/data/a.bin"
    assert error.strerror == "No space left on device; the file needs at least 12,345 bytes"


def test_a_hint_follows_the_need():
    error = named(OSError(errno.ENOSPC, "No space left on device"), "a", hint=TEMPORARY)
    assert "needs more room (TMPDIR names another directory" in str(error)


def test_errors_that_name_a_file_and_errors_of_python_stay_as_they_are():
    for error in (OSError(errno.ENOSPC, "full", "other"), OSError("no number")):
        assert named(error, "a") is error
    with pytest.raises(PermissionError, match="'a'"), naming("a"):
        raise PermissionError(errno.EACCES, "Permission denied")
