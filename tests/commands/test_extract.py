import csv
import gzip
import json
import os
import signal
import threading
import time

import pytest
from programs import Program

import joint_ner_re.extraction
from joint_ner_re.streams import is_stream


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
        (["in.txt", "a.xml"], "the name a.xml does not tell the format"),
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

    monkeypatch.setattr(joint_ner_re.extraction, "extract", interrupted)
    with pytest.raises(SystemExit) as caught:
        allennlp("extract", tiny_archive, "in.txt", "out.jsonl")
    assert caught.value.code == 130
    assert capsys.readouterr().err.endswith(
        "allennlp extract: interrupted. Run the same command again to continue with "
        "out.jsonl.part.\n"
    )


def test_a_table_in_and_tables_out(allennlp, tiny_archive, tmp_path):
    (tmp_path / "in.csv").write_text("id,note,ward\n1,Ada left Kesh.,3\n2,Jon Pell left.,4\n")
    options = ("--text-column", "note", "--relation-threshold", 0)
    tables = {"out.csv": tmp_path / "entities.csv", "again.csv": None}
    for name, entities in tables.items():
        more = ("--entities", entities, "--mark") if entities else ()
        allennlp("extract", tiny_archive, tmp_path / "in.csv", tmp_path / name, *options, *more)
    assert (tmp_path / "out.csv").read_text("utf-8-sig") == (tmp_path / "again.csv").read_text()
    head, *rows = csv.reader((tmp_path / "entities.csv").read_text("utf-8-sig").splitlines())
    found = [dict(zip(head, row)) for row in rows]
    assert {(row["document"], row["ward"]) for row in found} <= {("1", "3"), ("2", "4")}
    texts = {"1": "Ada left Kesh.", "2": "Jon Pell left."}
    for row in found:
        assert row["sentence"] == texts[row["document"]]
        inside = slice(int(row["start_in_sentence"]), int(row["end_in_sentence"]))
        assert row["sentence"][inside] == row["entity"]
    assert found
    with pytest.raises(SystemExit, match="out.csv exists, .* give --overwrite to replace it"):
        allennlp("extract", tiny_archive, tmp_path / "in.csv", tmp_path / "out.csv", *options)
    allennlp(
        "extract", tiny_archive, tmp_path / "in.csv", tmp_path / "out.csv", *options, "--overwrite"
    )
    with pytest.raises(SystemExit, match="entities.csv exists"):
        allennlp(
            "extract", tiny_archive, tmp_path / "in.csv", tmp_path / "new.csv", *options,
            "--entities", tmp_path / "entities.csv",
        )  # fmt: skip
    with pytest.raises(SystemExit, match="--mark is for csv; the output's format is jsonl"):
        allennlp("extract", tiny_archive, tmp_path / "in.csv", tmp_path / "o.jsonl", "--mark")


def test_the_file_of_errors_is_named(extracted, tmp_path):
    with pytest.raises(SystemExit, match="1 of them could not be processed; see .*a.csv.errors"):
        extracted.plain(tmp_path / "in.txt", tmp_path / "a.csv")
    (record,) = (tmp_path / "a.csv.errors.jsonl").read_text().splitlines()
    assert json.loads(record)["line"] == 3


# From and to pipes

DOCUMENTS = "Ada left Kesh.\n\n{broken\nKarl Vik was a guard at the Bank of Tarnia.\n"


@pytest.fixture
def extracted(allennlp, tiny_archive, tmp_path):
    """Runs `extract` with these arguments; the documents have one error."""
    (tmp_path / "in.txt").write_text(DOCUMENTS)

    def run(*arguments):
        with pytest.raises(SystemExit, match="1 of them could not be processed"):
            run.plain(*arguments)

    run.plain = lambda *arguments: allennlp(
        "extract", tiny_archive, *arguments, "--batch-documents", 1
    )
    return run


@pytest.fixture
def standard_input(tmp_path):
    """Puts a file in the place of this process's standard input."""
    kept, opened = os.dup(0), []

    def put(path):
        opened.append(os.open(path, os.O_RDONLY))
        os.dup2(opened[-1], 0)

    yield put
    os.dup2(kept, 0)
    for number in (kept, *opened):
        os.close(number)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_to_standard_output(extracted, tmp_path, standard_input, capfd, pack):
    extracted(tmp_path / "in.txt", tmp_path / "whole.jsonl")
    (tmp_path / "in").write_bytes(pack(DOCUMENTS.encode()))
    standard_input(tmp_path / "in")
    capfd.readouterr()
    extracted("-", "-")
    out, err = capfd.readouterr()
    assert out == (tmp_path / "whole.jsonl").read_text("utf-8")
    assert err.endswith("/dev/stdout: 4 documents\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "in.txt", "whole.jsonl"]


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.csv"])
def test_a_pipe_to_a_file_gives_what_a_file_gives(extracted, tmp_path, standard_input, name):
    extracted(tmp_path / "in.txt", tmp_path / f"whole_{name}")
    standard_input(tmp_path / "in.txt")
    extracted("/dev/stdin", tmp_path / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole_{name}").read_bytes()
    names = ["in.txt", name, f"whole_{name}"]
    if name == "out.csv":
        names += [f"{name}.errors.jsonl", f"whole_{name}.errors.jsonl"]
        assert (tmp_path / names[-1]).read_bytes() == (tmp_path / names[-2]).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)


def test_a_directory_to_a_named_pipe(allennlp, tiny_archive, tmp_path):
    fifo, found = tmp_path / "fifo", []
    os.mkfifo(fifo)
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.txt").write_text("Ada left Kesh.")
    reader = threading.Thread(target=lambda: found.extend(fifo.read_text().splitlines()))
    reader.start()
    allennlp("extract", tiny_archive, tmp_path / "in", fifo)
    reader.join()
    assert [json.loads(line)["id"] for line in found] == ["a", "b"]
    assert is_stream(fifo)


def test_an_empty_pipe_is_an_error(allennlp, tiny_archive, tmp_path, standard_input):
    standard_input("/dev/null")
    with pytest.raises(SystemExit, match="^allennlp extract: /dev/stdin: empty; expected doc"):
        allennlp("extract", tiny_archive, "-", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_control_c_on_a_pipe_does_not_promise_to_resume(
    allennlp, tiny_archive, monkeypatch, capsys
):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(joint_ner_re.extraction, "extract", interrupted)
    with pytest.raises(SystemExit):
        allennlp("extract", tiny_archive, "-", "out.jsonl")
    assert "cannot resume: start it over" in capsys.readouterr().err


def test_a_killed_command_goes_on(allennlp, tiny_archive, root, tmp_path, capsys):
    lines = (f"Karl Vik was guard number {n} at the Bank of Tarnia.\n" for n in range(100))
    (tmp_path / "in.txt").write_text("".join(lines))
    out, whole = tmp_path / "out.jsonl.gz", tmp_path / "whole.jsonl.gz"
    arguments = ["extract", tiny_archive, tmp_path / "in.txt", "--batch-documents", 2]
    process = Program("allennlp", *arguments, out, directory=root)
    state = tmp_path / "out.jsonl.gz.part.json"
    try:
        while not state.exists() and process.returncode is None:
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
