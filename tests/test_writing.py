"""Writes are whole or do not happen."""

import json

import pytest

from joint_ner_re.writing import lock, replacing, write_json, write_text


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


def test_a_lock_is_of_one_file_object_until_it_is_closed(tmp_path):
    pytest.importorskip("fcntl")
    with open(tmp_path / "a", "a") as one, open(tmp_path / "a", "a") as other:
        lock(one)
        with pytest.raises(BlockingIOError):
            lock(other)
        one.close()
        lock(other, wait=True)
