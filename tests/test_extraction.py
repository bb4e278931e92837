import csv
import gzip
import json
import os
import signal

import pytest

from joint_ner_re.corpora import read_corpus
from joint_ner_re.extraction import ExtractionError, Summary, extract, inputs, local
from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.resumable import ResumeError, locked

LINES = [
    "Ada Marek left Kesh. It rained for nine days.",
    '{"id": "j", "text": "Jon Pell shot Mayor Iva Sund.", "page": 3}',
    "",
    '{"tokens": ["Zoë", "\N{GRINNING FACE}", "stayed", "in", "Lisgard"]}',
    '{"sentence": "The harbor of Lisgard lies in Tarnia. Or not."}',
    "   ",
    *(f"Karl Vik was guard number {n} at the Bank of Tarnia." for n in range(6)),
]
DAMAGED = {
    2: b'{"text": 3}',
    4: b"caf\xe9 in Kesh.",
    5: b"{broken",
    7: b'{"text": ' + b"[" * 100_000,
    9: b'{"id": 12, "words": []}',
}


@pytest.fixture(scope="module")
def predictor(tiny_archive, few_threads):
    return load_predictor(str(tiny_archive))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(line + "\n" for line in LINES), "utf-8")
    return path


@pytest.fixture
def run(predictor, tiny_archive, source, tmp_path):
    """Extracts to a file with this name, with small batches, and returns its bytes."""

    def extracted(name="out.jsonl", **options):
        options = {"source": source, "batch_documents": 2, "progress": False, **options}
        run.summary = extract(
            options.pop("load", lambda: predictor), options.pop("archive", tiny_archive),
            options.pop("source"), tmp_path / name, **options,
        )  # fmt: skip
        path = tmp_path / name
        return path.read_bytes() if path.is_file() else None

    run = extracted
    return extracted


def left_over(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if ".part" in path.name)


def test_each_line_has_its_line(run, tmp_path):
    records = [json.loads(line) for line in run().splitlines()]
    assert run.summary == Summary(12, 0, 0)
    texts = [record["text"] for record in records]
    assert texts[0] == LINES[0] and texts[2] == "" and texts[5] == "   "
    assert (records[1]["id"], records[1]["meta"]) == ("j", {"page": 3})
    assert records[3]["tokens"] == ["Zoë", "\N{GRINNING FACE}", "stayed", "in", "Lisgard"]
    assert [len(record["entities"]) for record in (records[2], records[5])] == [0, 0]
    assert left_over(tmp_path) == []
    assert len(list(read_corpus(tmp_path / "out.jsonl"))) == 12


def test_the_output_is_that_of_predict(run, allennlp, tiny_archive, source, tmp_path):
    arguments = ["predict", tiny_archive, source, "--output-file", tmp_path / "predicted.jsonl"]
    arguments += ["--silent", "--batch-size", "64"]
    allennlp(*arguments)
    found = run(batch_documents=64).splitlines()
    assert found == (tmp_path / "predicted.jsonl").read_bytes().splitlines()


def test_a_threshold_of_its_own(run, predictor, monkeypatch):
    # Restored at the end: the predictor is the other tests', too.
    monkeypatch.setattr(predictor._model, "relation_threshold", 0.5)

    def scores(output):
        return [r["score"] for line in output.splitlines() for r in json.loads(line)["relations"]]

    everything = scores(run(relation_threshold=0.0))
    steps = sorted(set(everything))
    # Between two scores, which are rounded.
    middle = (steps[len(steps) // 2] + steps[len(steps) // 2 + 1]) / 2
    expected = [score for score in everything if score >= middle]
    assert 0 < len(expected) < len(everything)
    assert scores(run("b.jsonl", relation_threshold=middle)) == expected


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_what_cannot_be_processed_is_an_error_in_its_place(run, source, ends):
    good = run().splitlines()
    lines = [DAMAGED.get(n, line.encode()) for n, line in enumerate(LINES, start=1)]
    source.write_bytes(ends.join(lines))
    found = run().splitlines()
    assert run.summary == Summary(12, len(DAMAGED), 0)
    errors = {}
    for n, line in enumerate(found, start=1):
        record = json.loads(line)
        if n in DAMAGED:
            assert record["line"] == n
            errors[n] = (record["id"], record["error"]["type"], record["error"]["message"])
        elif n != 6:
            assert {**record, "entities": [], "relations": []} == {
                **json.loads(good[n - 1]), "entities": [], "relations": [],
            }  # fmt: skip
    assert errors[2][2] == "the key 'text' holds 3; expected a string"
    assert errors[4][2].startswith("byte 4 of the line is not UTF-8")
    assert errors[5][1] == "ValueError" and "is not a JSON object" in errors[5][2]
    assert errors[9][0] == "12" and "expected exactly one of text, sentence" in errors[9][2]


def test_a_line_too_long_for_memory_is_an_error(run, source, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 20)
    source.write_text("Ada left Kesh.\n" + "x" * 99 + "\nIt rained.\n" + "y" * 19 + "\nEnd.")
    records = [json.loads(line) for line in run().splitlines()]
    assert ["error" in record for record in records] == [False, True, False, True, False]
    assert "a line of more than 20 bytes" in records[1]["error"]["message"]


class Small:
    """A predictor whose memory holds one document at most, and not each."""

    def __init__(self, predictor, error):
        self._predictor, self._error = predictor, error
        self._model, self.calls = predictor._model, []
        self.load_line, self.dump_line = predictor.load_line, predictor.dump_line

    def predict_batch_json(self, records):
        self.calls.append(len(records))
        if len(records) > 1 or records[0].get("id") == "j":
            raise self._error
        return self._predictor.predict_batch_json(records)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA out of memory. Tried to"), RuntimeError("can't allocate memory")]
    + [MemoryError("no")],
)
def test_a_batch_too_large_for_memory_is_halved(run, predictor, error):
    alone = run("a.jsonl", batch_documents=1).splitlines()
    small = Small(predictor, error)
    found = run("b.jsonl", load=lambda: small, batch_documents=4).splitlines()
    assert small.calls[:7] == [4, 2, 1, 1, 2, 1, 1]
    assert run.summary == Summary(12, 1, 0)
    assert found[:1] + found[2:] == alone[:1] + alone[2:]
    details = {"type": type(error).__name__, "message": str(error)}
    assert json.loads(found[1]) == {"id": "j", "error": details, "line": 2}


def test_another_failure_ends_the_run_which_can_resume(run, predictor, tmp_path):
    whole = run("whole.jsonl")
    small = Small(predictor, RuntimeError("device-side assert"))
    with pytest.raises(RuntimeError, match="device-side assert"):
        run(load=lambda: small)
    assert left_over(tmp_path) == ["out.jsonl.part"]
    assert run() == whole


# Interruptions


def killed(moment, number, run, name):
    """Runs in a process of its own that kills itself at a moment of its n-th batch."""
    child = os.fork()
    if child == 0:
        count = 0
        add, fsync, write_json = local._State.add, os.fsync, local.write_json

        def now(at):
            nonlocal count
            count += at == moment
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def adding(self, lines, *rest):
            if moment == "half" and count == number - 1:
                self._file.write(lines[0].encode()[: len(lines[0]) // 2])
                self._file.flush()
            now("half")
            add(self, lines, *rest)

        def syncing(descriptor):
            now("written")
            fsync(descriptor)

        def noting(*arguments):
            now("synced")
            write_json(*arguments)
            now("noted")

        local._State.add, local.write_json = adding, noting
        local.os.fsync = syncing
        try:
            run(name)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
@pytest.mark.parametrize("moment", ["half", "written", "synced", "noted"])
def test_killed_at_any_moment_it_resumes_and_the_bytes_are_the_same(run, tmp_path, name, moment):
    whole = run(f"whole-{name}")
    for number in (1, 3):
        killed(moment, number, run, name)
        assert f"{name}.part" in left_over(tmp_path)
    assert run(name) == whole
    done = run.summary.resumed_from
    # "written" and "noted" happen twice for each batch: in the file beside it, too.
    assert run.summary.documents == 12 and (done >= 4 or moment == "written")
    assert left_over(tmp_path) == []
    content = gzip.decompress(whole) if name.endswith(".gz") else whole
    assert len(content.splitlines()) == 12


def interrupted(run, predictor, tmp_path, **options):
    """Begins a run and ends it after some batches, by Ctrl-C."""
    seen = []

    class Interrupted(Small):
        def predict_batch_json(self, records):
            seen.append(records)
            if len(seen) == 4:
                raise KeyboardInterrupt
            return self._predictor.predict_batch_json(records)

    with pytest.raises(KeyboardInterrupt):
        run(load=lambda: Interrupted(predictor, None), **options)
    assert left_over(tmp_path) == ["out.jsonl.part", "out.jsonl.part.json"]


def test_control_c_leaves_what_is_done(run, predictor, tmp_path):
    whole = run("whole.jsonl")
    interrupted(run, predictor, tmp_path)
    state = json.loads((tmp_path / "out.jsonl.part.json").read_text())
    assert state["documents"] == 6
    done = (tmp_path / "out.jsonl.part").read_bytes()
    assert len(done) == state["bytes"] and whole.startswith(done)
    assert run() == whole
    assert run.summary == Summary(12, 0, 6)


def test_no_resume_starts_over(run, predictor, tmp_path):
    interrupted(run, predictor, tmp_path)
    run(resume=False)
    assert run.summary == Summary(12, 0, 0)


@pytest.mark.parametrize(
    "change, what",
    [
        ("source", 'input was ".*" and is ".*" now'),
        ("archive", 'model was ".*" and is ".*" now'),
        ("options", "batch size was 2 and is 3 now; relation threshold was null and is 0.1 now"),
    ],
)
def test_another_input_model_or_option_does_not_resume(
    run, predictor, source, tmp_path, change, what
):
    interrupted(run, predictor, tmp_path)
    before = (tmp_path / "out.jsonl.part").read_bytes()
    options = {}
    if change == "source":
        source.write_text(source.read_text("utf-8").replace("nine", "five"), "utf-8")
    elif change == "archive":
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "model").write_bytes(b"other")
        options = {"archive": tmp_path / "other"}
    else:
        options = {"batch_documents": 3, "relation_threshold": 0.1}
    with pytest.raises(ResumeError, match=f"other settings: {what}. Give the same") as caught:
        run(load=lambda: pytest.fail("loaded"), **options)
    assert "--no-resume" in str(caught.value)
    assert (tmp_path / "out.jsonl.part").read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[]", '{"run": {}}', '{"run": {}, "bytes": "x"}'])
def test_a_damaged_state_is_refused(run, predictor, tmp_path, content):
    interrupted(run, predictor, tmp_path)
    (tmp_path / "out.jsonl.part.json").write_text(content)
    with pytest.raises(ResumeError, match="is damaged .*; start over with --no-resume"):
        run()


def test_output_that_got_lost_is_made_again(run, predictor, tmp_path, caplog):
    interrupted(run, predictor, tmp_path)
    (tmp_path / "out.jsonl.part").write_bytes(b"")
    run()
    assert run.summary == Summary(12, 0, 0)
    assert "is shorter than it was; starting over" in caplog.text


def test_two_runs_do_not_write_one_file(run, tmp_path):
    with locked(tmp_path / ".out.jsonl.lock"):
        with pytest.raises(ResumeError, match="out.jsonl is in use by another process"):
            run()
        assert not (tmp_path / "out.jsonl.part").exists()
    run()
    assert left_over(tmp_path) == []


def test_what_a_kill_left_of_the_state_is_removed_at_the_end(run, predictor, tmp_path):
    interrupted(run, predictor, tmp_path)
    (tmp_path / ".out.jsonl.part.json.tmp").write_text("{")
    run()
    assert left_over(tmp_path) == []


# An input that changes during the run


def changing(predictor, change, batch=3):
    """A predictor that changes the input just after it has been given a batch."""
    seen = []

    class Changing(Small):
        def predict_batch_json(self, records):
            seen.append(records)
            if len(seen) == batch:
                change()
            return self._predictor.predict_batch_json(records)

    return lambda: Changing(predictor, None)


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(100)


def append(path):
    with open(path, "ab") as file:
        file.write(b"One more.\nAnd another.\n")


def edit(path):
    """The same size, another content."""
    path.write_bytes(path.read_bytes().replace(b"nine", b"five"))


@pytest.mark.parametrize(
    "change, what",
    [
        (cut, "it has 2 documents now"),
        (append, "it has 14 documents now"),
        (edit, "it has 12 documents now"),
        (os.remove, "cannot be read"),
    ],
)
@pytest.mark.parametrize("batch", [3, 6])
def test_an_input_that_changes_ends_the_run_which_resumes_with_the_old_one(
    run, predictor, source, tmp_path, change, what, batch
):
    whole, before = run("whole.jsonl"), source.read_bytes()
    with pytest.raises(ExtractionError) as caught:
        run(load=changing(predictor, lambda: change(source), batch))
    assert "in.txt has changed while it was read: it had 12 documents, of which" in str(
        caught.value
    )
    assert what in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()
    if change is not os.remove:
        with pytest.raises(ResumeError, match="input was"):
            run()
    source.write_bytes(before)
    assert run() == whole
    assert run.summary.resumed_from == 2 * (batch - 1)


def test_an_input_that_is_only_touched_does_not_matter(run, predictor, source):
    whole = run("whole.jsonl")
    load = changing(predictor, lambda: os.utime(source, (1, 1)))
    assert run(load=load) == whole


@pytest.mark.parametrize(
    "change, what",
    [
        (lambda d: (d / "b.txt").write_text("Something longer."), "b.txt has changed"),
        (lambda d: (d / "c.txt").write_text("Something longer."), "c.txt has changed"),
        (lambda d: (d / "c.txt").unlink(), "c.txt is gone"),
        (lambda d: (d / "0.txt").write_text("New."), "it has 4 documents now"),
    ],
    ids=["in the batch", "in a later one", "is gone", "is new"],
)
def test_a_file_of_a_directory_that_changes_ends_the_run(run, predictor, tmp_path, change, what):
    directory = tmp_path / "documents"
    directory.mkdir()
    for name in "abc":
        (directory / f"{name}.txt").write_text(f"Ada Marek left {name}.")
    load = changing(predictor, lambda: change(directory), batch=1)
    with pytest.raises(ExtractionError, match=f"documents has changed while .*{what}"):
        run(load=load, source=directory)
    assert not (tmp_path / "out.jsonl").exists()


# Inputs and outputs


def test_a_compressed_input_is_the_same_also_after_an_interruption(
    run, predictor, source, tmp_path
):
    whole = run("whole.jsonl")
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    assert run(source=packed) == whole
    interrupted(run, predictor, tmp_path, source=packed)
    assert run(source=packed) == whole
    assert run.summary.resumed_from == 6


def test_a_directory_has_a_document_in_each_file(run, tmp_path):
    directory = tmp_path / "documents"
    (directory / "b").mkdir(parents=True)
    (directory / "a.txt").write_text("Ada left Kesh.\nIt rained.\n")
    (directory / "b" / "c.txt.gz").write_bytes(gzip.compress(b"It rained."))
    (directory / "d.txt").write_bytes(b"caf\xe9")
    (directory / "e.md").write_text("not this")
    records = [json.loads(line) for line in run(source=directory).splitlines()]
    assert [record["id"] for record in records] == ["a", "b/c", "d"]
    assert [record.get("text") for record in records] == [
        "Ada left Kesh.\nIt rained.\n", "It rained.", None,
    ]  # fmt: skip
    assert records[2]["line"] == 3 and "not UTF-8" in records[2]["error"]["message"]


def test_an_interrupted_directory_goes_on(run, predictor, tmp_path):
    directory = tmp_path / "documents"
    directory.mkdir()
    for n in range(9):
        (directory / f"{n}.txt").write_text(f"Karl Vik was guard {n}.")
    whole = run("whole.jsonl", source=directory)
    interrupted(run, predictor, tmp_path, source=directory)
    assert run(source=directory) == whole
    assert run.summary == Summary(9, 0, 6)


def test_a_compressed_output_holds_the_same_lines(run):
    assert gzip.decompress(run("out.jsonl.gz")) == run("out.jsonl")


@pytest.mark.parametrize(
    "name, format", [("a.csv", "csv"), ("a.json", "spert"), ("a", "brat"), ("a.xlsx", "xlsx")]
)
def test_other_formats_are_made_at_the_end(run, source, tmp_path, name, format):
    good = source.read_bytes()
    source.write_bytes(good + b"{broken\n")
    run(name, format=format)
    assert run.summary == Summary(13, 1, 0)
    assert left_over(tmp_path) == []
    # The document that failed is named beside the output.
    (failed,) = (tmp_path / f"{name}.errors.jsonl").read_text("utf-8").splitlines()
    assert (json.loads(failed)["line"], "begins with {" in failed) == (13, True)
    if format == "csv":
        assert (tmp_path / name).read_text().startswith("document,sentence_start,")
    elif format == "spert":
        assert len(list(read_corpus(tmp_path / name))) == 12
    elif format == "brat":
        names = {path.stem for path in (tmp_path / name).glob("*.ann")}
        # A blank line has no id and no name but its line's.
        assert len(names) == 12 and {"j", "line 1", "line 3"} <= names
        return
    # Without errors there is no such file.
    source.write_bytes(good)
    run(name, format=format)
    assert not (tmp_path / f"{name}.errors.jsonl").exists()


def test_a_finished_output_is_replaced_only_when_asked(run, predictor, tmp_path):
    first = run()
    with pytest.raises(ExtractionError, match="out.jsonl exists, .* give --overwrite"):
        run(overwrite=False, load=lambda: pytest.fail("loaded"))
    assert run(overwrite=True) == first
    # A run that began, with leave, goes on without it.
    interrupted(run, predictor, tmp_path)
    assert run(overwrite=False) == first
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_text("")
    for format, reason in (("brat", "d is a directory that is not empty"), ("csv", "d is a dir")):
        with pytest.raises(ExtractionError, match=reason):
            run("d", format=format, load=lambda: pytest.fail("loaded"))


def test_ids_are_not_the_numbers_of_other_lines(run, source, tmp_path):
    source.write_text('It rained.\n{"id": 1, "text": "Jon Pell left Kesh."}\n' * 2)
    run("a.csv", format="csv", relation_threshold=0.0, table={"entities": tmp_path / "b.csv"})
    with open(tmp_path / "b.csv", newline="") as file:
        names = {row["document"] for row in csv.DictReader(file)}
    assert names <= {"line 1", "1", "line 3"} and "1" in names


@pytest.mark.parametrize(
    "options, reason",
    [
        (
            {"format": "ade_rel"},
            "unknown format 'ade_rel'; expected one of bioc, brat, csv, dygie, gliner",
        ),
        ({"batch_documents": 0}, "batch_documents is 0; expected 1 or more"),
        ({"relation_threshold": 1.5}, "relation_threshold is 1.5; expected 0 to 1"),
        ({"source": "nowhere"}, "nowhere: cannot be read"),
        ({"archive": "nowhere"}, "the model nowhere cannot be read"),
    ],
)
def test_what_is_impossible_is_said_before_the_model_is_loaded(run, options, reason):
    with pytest.raises(ExtractionError, match=reason):
        run(load=lambda: pytest.fail("loaded"), **options)


def test_an_input_without_documents_is_refused(run, source, tmp_path):
    source.write_bytes(b"")
    with pytest.raises(ExtractionError, match="empty; expected documents"):
        run()
    (tmp_path / "d").mkdir()
    with pytest.raises(ExtractionError, match="no .txt file in this directory"):
        run(source=tmp_path / "d")
    source.write_bytes(gzip.compress(b"Ada left.\n" * 50)[:-9])
    with pytest.raises(ExtractionError, match="the gzip file is damaged"):
        run()


def test_progress_shows_what_is_done_and_how_fast(run, capsys):
    run(progress=True)
    shown = capsys.readouterr().err
    assert "12/12" in shown and "documents/s" in shown
