"""One process at a time, and the settings of before."""

import errno
import logging
import subprocess
import sys

import pytest

from joint_ner_re import resumable
from joint_ner_re.resumable import (
    ResumeError,
    claimed,
    compare_settings,
    locked,
    read_settings,
)


def test_only_one_has_the_lock(tmp_path):
    path = tmp_path / "new" / ".a.lock"
    with locked(path) as mine:
        assert mine
        with locked(path) as also_mine:
            assert not also_mine
        message = "out is in use by another process; wait until it has ended"
        with pytest.raises(ResumeError, match=message), claimed(path, "out"):
            pytest.fail("entered")
    with locked(path) as mine:
        assert mine


def test_a_lock_ends_with_its_process(tmp_path):
    code = f"""
import os
from joint_ner_re.resumable import locked
with locked({str(tmp_path / "a.lock")!r}) as mine:
    assert mine
    print("locked", flush=True)
    input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    with locked(tmp_path / "a.lock") as mine:
        assert not mine
    process.kill()
    process.communicate()
    with locked(tmp_path / "a.lock", wait=True) as mine:
        assert mine


def test_the_lock_file_is_removed_on_request_only(tmp_path):
    for remove, there in ((False, True), (True, False)):
        with locked(tmp_path / "a.lock", remove=remove):
            assert (tmp_path / "a.lock").exists()
        assert (tmp_path / "a.lock").exists() is there
    with locked(tmp_path / "a.lock"), locked(tmp_path / "a.lock", remove=True):
        # Not by one who does not have it.
        assert (tmp_path / "a.lock").exists()


def failing(number, text):
    class Failing:
        is_locked = False

        def __init__(self, *_, **__):
            pass

        def acquire(self, **_):
            raise OSError(number, text)

    return Failing


def test_an_error_is_not_taken_for_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(resumable, "FileLock", failing(errno.EIO, "Input/output error"))
    path = tmp_path / "a.lock"
    with pytest.raises(OSError, match=r"Input/output error: '.*a\.lock'"), locked(path):
        pytest.fail("entered")


def test_without_locks_a_warning_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(resumable, "FileLock", failing(errno.ENOLCK, "No locks available"))
    with caplog.at_level(logging.WARNING), locked(tmp_path / "a.lock") as mine:
        assert mine
    assert "a.lock cannot be locked: No locks available. Make sure" in caplog.text


def test_settings_that_differ_are_named():
    before = {"model": "a", "trainer": {"epochs": 2, "lr": 0.1}, "same": [1]}
    now = {"model": "b", "trainer": {"epochs": 3}, "same": [1], "new": "x" * 200}
    with pytest.raises(ResumeError) as caught:
        compare_settings("out", before, now, "start over")
    assert str(caught.value) == (
        'out was started with other settings: model was "a" and is "b" now; new was null and is "'
        + "x" * 39
        + " ... "
        + "x" * 39
        + '" now; trainer.epochs was 2 and is 3 now; trainer.lr was 0.1 and is null now. Give '
        "the same settings as then to resume, or start over"
    )
    compare_settings("out", before, before, "start over")


def test_only_the_first_differences_are_shown():
    names = [f"option_{number}" for number in range(8)]
    with pytest.raises(ResumeError, match="option_4 was 1 and is 2 now; and 3 more"):
        compare_settings("out", dict.fromkeys(names, 1), dict.fromkeys(names, 2), "start over")


def test_settings_are_read_missing_or_damaged(tmp_path):
    path = tmp_path / "settings.json"
    assert read_settings(path, "start over") is None
    path.write_text('{"a": 1}')
    assert read_settings(path, "start over") == {"a": 1}
    for text in ("{", "[]", "\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ResumeError, match="settings.json is damaged .*; start over"):
            read_settings(path, "start over")
