import json
import os
import signal
import subprocess
import sys
import time

import pytest

from joint_ner_re.commands import extract as command


def test_documents_in_predictions_out(allennlp, tiny_archive, tmp_path, capsys):
    (tmp_path / "in.txt").write_text("Ada left Kesh.\n\nIt rained.\n")
    out = tmp_path / "out.jsonl"
    allennlp("extract", tiny_archive, tmp_path / "in.txt", out, "--relation-threshold", "0.9")
    assert capsys.readouterr().out.endswith(f"{out}: 3 documents\n")
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == [
        "Ada left Kesh.", "", "It rained.",
    ]  # fmt: skip


def test_failures_are_counted_and_the_status_tells(allennlp, tiny_archive, tmp_path):
    (tmp_path / "in.txt").write_text("Ada left Kesh.\n{\n")
    with pytest.raises(SystemExit, match="1 of them could not be processed"):
        allennlp("extract", tiny_archive, tmp_path / "in.txt", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["nowhere", "a.jsonl"], "nowhere: cannot be read"),
        (["in.txt", "a.xml"], "which format is a.xml to have"),
        (["in.txt", "a.jsonl", "--batch-documents", "0"], "batch_documents is 0"),
    ],
)
def test_mistakes_are_one_line(allennlp, tiny_archive, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("Ada left Kesh.\n")
    with pytest.raises(SystemExit, match=f"allennlp extract: {reason}"):
        allennlp("extract", tiny_archive, *arguments)


def test_control_c_says_how_to_go_on(allennlp, tiny_archive, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "extract", interrupted)
    with pytest.raises(SystemExit) as caught:
        allennlp("extract", tiny_archive, "in.txt", "out.jsonl")
    assert caught.value.code == 130
    assert "Stopped; the same command goes on with out.jsonl.part" in capsys.readouterr().err


def test_a_killed_command_goes_on(allennlp, tiny_archive, root, tmp_path, capsys):
    lines = (f"Karl Vik was guard number {n} at the Bank of Tarnia.\n" for n in range(100))
    (tmp_path / "in.txt").write_text("".join(lines))
    out, whole = tmp_path / "out.jsonl.gz", tmp_path / "whole.jsonl.gz"
    arguments = ["extract", tiny_archive, tmp_path / "in.txt", "--batch-documents", 2]
    process = subprocess.Popen(
        [sys.executable, "-m", "allennlp", *map(str, arguments), out],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = tmp_path / "out.jsonl.gz.part.json"
    try:
        while not state.exists() and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = json.loads(state.read_text())["documents"]
    assert 0 < done < 100
    allennlp(*arguments, out)
    assert f"100 documents ({done} by the interrupted run)" in capsys.readouterr().out
    allennlp(*arguments, whole)
    assert out.read_bytes() == whole.read_bytes()
