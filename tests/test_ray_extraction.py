"""Extraction on Ray, with two workers of this machine."""

import gzip
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from joint_ner_re.extraction import ExtractionError, Summary, extract, on_ray
from joint_ner_re.extraction.blocks import cut_file
from joint_ner_re.extraction.on_ray import extract_on_ray
from joint_ner_re.extractor import load_any
from joint_ner_re.resumable import ResumeError, locked

LINES = [
    b"Ada Marek left Kesh. It rained for nine days.",
    b'{"id": "j", "text": "Jon Pell shot Mayor Iva Sund.", "page": 3}',
    b"",
    '{"tokens": ["Zoë", "\N{GRINNING FACE}", "stayed", "in", "Lisgard"]}'.encode(),
    b"caf\xe9 in Kesh.",
    b'{"id": "x", "text": 3}',
    b"{broken",
    *(f"Karl Vik was guard number {n} at the Bank of Tarnia.".encode() for n in range(12)),
]


@pytest.fixture(scope="module")
def ray(root):
    """A cluster of two CPUs, which ends with the tests."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray gives way to everything else on the machine, here to the other tests.
        patch.setenv("RAY_worker_niceness", "0")
        patch.chdir(root)
        ray.init(
            address="local", num_cpus=2, num_gpus=0, object_store_memory=80 * 2**20,
            include_dashboard=False, log_to_driver=False, logging_level="WARNING",
        )  # fmt: skip
        yield ray
        ray.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "in.txt"
    path.write_bytes(b"\n".join(LINES))
    return path


def by_one_process(model, source):
    """What one process writes."""
    target = source.with_name(f"{model.name}.expected")
    extract(lambda: load_any(model), model, source, target, batch_documents=4, progress=False)
    written = target.read_bytes()
    assert any(json.loads(line).get("entities") for line in written.splitlines())
    return written


@pytest.fixture(scope="module")
def expected(tiny_exported, source, few_threads):
    return by_one_process(tiny_exported, source)


@pytest.fixture
def run(tiny_exported, tmp_path):
    """Most tests have an exported model: with an archive, each worker imports AllenNLP."""

    def extracted(source, name="out", **options):
        options = {"batch_documents": 4, "block_documents": 8, "progress": False, **options}
        model = options.pop("model", tiny_exported)
        # `whole` has two.
        return extract_on_ray(model, source, tmp_path / name, workers=1, **options)

    return extracted


@pytest.fixture(scope="module")
def whole(ray, tiny_exported, source, tmp_path_factory):
    """A run from beginning to end: its summary and directory."""
    target = tmp_path_factory.mktemp("whole") / "out"
    options = {"batch_documents": 4, "block_documents": 8, "progress": False}
    return extract_on_ray(tiny_exported, source, target, workers=2, **options), target


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the run's directory, under the name that `run` writes to."""
    return Path(shutil.copytree(whole[1], tmp_path / "out"))


def parts(directory):
    return [path.read_bytes() for path in sorted(directory.glob("part-*"))]


def test_the_files_together_are_what_one_process_writes(whole, expected):
    summary, directory = whole
    assert summary == Summary(19, 3, 0)
    assert [len(part.splitlines()) for part in parts(directory)] == [8, 8, 3]
    assert b"".join(parts(directory)) == expected
    names = {path.name for path in directory.iterdir()}
    assert names == {"_run", "_SUCCESS", *(f"part-0000000{n}.jsonl" for n in range(3))}
    success = json.loads((directory / "_SUCCESS").read_text())
    assert success == {"files": 3, "documents": 19, "errors": 3}


def test_what_cannot_be_processed_is_an_error_in_its_place(whole):
    records = [json.loads(line) for part in parts(whole[1]) for line in part.splitlines()]
    errors = [(r["line"], r["id"], r["error"]["type"]) for r in records if "error" in r]
    assert errors == [(5, "", "ValueError"), (6, "x", "SentenceError"), (7, "", "ValueError")]


def test_only_what_is_missing_is_done_again(ray, run, source, copy, expected):
    """A note is written last: what a killed worker leaves has none."""
    kept = (copy / "part-00000000.jsonl").stat().st_mtime_ns
    (copy / "_SUCCESS").unlink()
    (copy / "part-00000001.jsonl").write_bytes(b'{"id": "half of')
    (copy / "_run" / "00000002.json").unlink()
    (copy / ".part-00000002.jsonl.tmp").write_bytes(b"{")
    assert run(source) == Summary(19, 3, 8)
    assert b"".join(parts(copy)) == expected
    assert (copy / "part-00000000.jsonl").stat().st_mtime_ns == kept
    assert (copy / "_SUCCESS").exists()


def test_a_finished_run_has_nothing_to_do(ray, run, source, copy):
    before = {path: path.stat().st_mtime_ns for path in copy.glob("part-*")}
    assert run(source) == Summary(19, 3, 19)
    assert {path: path.stat().st_mtime_ns for path in copy.glob("part-*")} == before


def test_an_exported_model_has_no_gpu(ray, run, source, tmp_path):
    with pytest.raises(ExtractionError, match="gpus_per_worker is 1, but .* is an exported model"):
        run(source, gpus_per_worker=1)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def corpus(ray, tmp_path_factory):
    """A directory with the documents of `LINES` in a compressed file and in Parquet files."""
    import pyarrow
    from pyarrow import parquet

    directory = tmp_path_factory.mktemp("corpus")
    (directory / "a.jsonl.gz").write_bytes(gzip.compress(b"\n".join(LINES[:7])))
    (directory / "b").mkdir()
    texts = [line.decode() for line in LINES[7:]]
    rows = pyarrow.table(
        {
            "id": [f"row {n}" for n in range(len(texts))],
            "text": [None, *texts[1:]],
            "tokens": [texts[0].split(" "), *[None] * len(texts[1:])],
            "seen": [date(2020, 2, 1)] * len(texts),
        }
    )
    parquet.write_table(rows.slice(0, 9), directory / "b" / "c.parquet", row_group_size=5)
    parquet.write_table(rows.slice(9), directory / "b" / "d.parquet")
    (directory / "_SUCCESS").touch()
    return directory


def test_a_directory_and_an_archive_by_the_command(
    corpus, source, tiny_archive, few_threads, tmp_path, allennlp, capsys
):
    options = {"--workers": 1, "--batch-documents": 4, "--block-documents": 4}
    arguments = ["extract-ray", tiny_archive, corpus, tmp_path / "out", *sum(options.items(), ())]
    with pytest.raises(SystemExit, match='3 of them could not be processed; they have the key "er'):
        allennlp(*arguments)
    assert f"{tmp_path / 'out'}: 19 documents\n" in capsys.readouterr().out
    # The compressed file is one block, the others' blocks end with the file.
    assert [len(part.splitlines()) for part in parts(tmp_path / "out")] == [7, 4, 4, 1, 3]
    found = [json.loads(line) for part in parts(tmp_path / "out") for line in part.splitlines()]
    wanted = list(map(json.loads, by_one_process(tiny_archive, source).splitlines()))
    assert found[:7] == wanted[:7]
    for n, (one, other) in enumerate(zip(found[7:], wanted[7:])):
        assert (one.pop("id"), one.pop("meta")) == (f"row {n}", {"seen": "2020-02-01"})
        if n == 0:
            assert one["tokens"] == LINES[7].decode().split(" ") and "sentences" not in one
        else:
            del other["id"]
            assert without_scores(one) == without_scores(other)


def without_scores(record):
    """In a batch with other neighbours the last digit may be another."""
    for name in ("entities", "relations"):
        record[name] = [{**item, "score": round(item["score"], 4)} for item in record[name]]
    return record


# What ends at once


@pytest.mark.parametrize(
    "change, what",
    [
        ({"source": True}, "input was "),
        ({"model": True}, "model was "),
        (
            {"batch_documents": 3, "relation_threshold": 0.1},
            "batch size was 4 and is 3 now; relation threshold was null",
        ),
        ({"block_documents": 7}, "block size was 8 and is 7 now"),
    ],
)
def test_a_directory_belongs_to_one_run(ray, run, source, copy, tmp_path, change, what):
    if "source" in change:
        source, change = tmp_path / "other.txt", {}
        source.write_bytes(b"\n".join([b"Other.", *LINES[1:]]))
    elif "model" in change:
        (tmp_path / "model").write_bytes(b"other")
        change = {"model": tmp_path / "model"}
    before = parts(copy)
    with pytest.raises(ResumeError, match=f"was started with .*{what}.*another directory"):
        run(source, **change)
    assert parts(copy) == before


def test_a_damaged_note_of_the_run_is_refused(ray, run, source, copy):
    (copy / "_run" / "run.json").write_text("{")
    with pytest.raises(ResumeError, match="run.json is damaged .* another directory"):
        run(source)


def test_two_runs_do_not_write_one_directory(ray, run, source, copy):
    message = "out is in use by another process"
    with locked(copy / "_run" / "lock"), pytest.raises(ResumeError, match=message):
        run(source)


# The one that goes on to the end comes first: a run that failed keeps its CPU for a while.
@pytest.mark.parametrize("change", ["edit", "cut"])
def test_an_input_that_changes_ends_the_run(ray, run, source, copy, tmp_path, change, monkeypatch):
    """The change comes after the input was cut into blocks, and before the first is predicted."""
    mine = Path(shutil.copy(source, tmp_path / source.name))
    before = mine.read_bytes()
    predict = on_ray._predict

    def changing_first(*arguments):
        mine.write_bytes(before.replace(b"nine", b"five") if change == "edit" else before[:100])
        yield from predict(*arguments)

    shutil.rmtree(copy)
    with monkeypatch.context() as patch:
        patch.setattr(on_ray, "_predict", changing_first)
        with pytest.raises(Exception, match="has changed while it was read"):
            run(mine)
    assert not (copy / "_SUCCESS").exists()
    if change == "edit":
        mine.write_bytes(before)
        assert run(mine) == Summary(19, 3, 0)
        # Ray may have killed a worker while it wrote a file; the next run leaves none of these.
        assert not list(copy.glob(".*.tmp"))


def test_a_worker_sees_that_the_input_has_grown(tiny_exported, source, few_threads, tmp_path):
    """Its own block has not changed: the file's size has."""
    mine = Path(shutil.copy(source, tmp_path / source.name))
    cut = cut_file(str(mine), 8)
    rows = {"block": [json.dumps((0, str(mine), cut.file_bytes, *cut.cuts[0]))]}
    (tmp_path / "out" / "_run").mkdir(parents=True)
    worker = on_ray._Worker(str(tiny_exported), str(tmp_path / "out"), -1, 4, None)
    before = mine.read_bytes()
    mine.write_bytes(before + b"\nOne more.")
    what = (
        "has changed while it was read: after document 0 there are 8 of 8 documents, and the file "
        f"has {cut.file_bytes + 10:,} bytes instead of {cut.file_bytes:,}"
    )
    with pytest.raises(ExtractionError, match=what):
        worker(rows)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    mine.write_bytes(before)
    assert worker(rows)["documents"].tolist() == [8]


def test_an_input_without_documents_is_refused(ray, run, tmp_path):
    (tmp_path / "in.txt").touch()
    with pytest.raises(ExtractionError, match="in.txt: empty; expected documents"):
        run(tmp_path / "in.txt")
