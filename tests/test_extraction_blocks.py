import gzip
import sys

import pytest

from joint_ner_re.extraction import ExtractionError, blocks, inputs, on_ray, table_rows
from joint_ner_re.extraction.blocks import Block, cut_file, documents_in, input_files
from joint_ner_re.extraction.on_ray import extract_on_ray
from joint_ner_re.resumable import ResumeError

LINES = [b"one\n", b"\n", b'{"text": "three"}\r\n', b"caf\xe9\n", b"five"]


def cut(path, size):
    """The blocks of a file, and the documents of each."""
    cut = cut_file(str(path), size)
    cuts = [Block(n, str(path), cut.file_bytes, *one) for n, one in enumerate(cut.cuts)]
    return [[(item.number, item.content) for item in documents_in(block)] for block in cuts]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_blocks_hold_each_line_once_and_in_order(tmp_path, size, end):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(LINES) + end)
    found = cut(path, size)
    assert [len(block) for block in found] == [min(size, 5 - n) for n in range(0, 5, size)]
    assert sum(found, []) == list(enumerate([*LINES[:4], b"five" + end], start=1))
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert cut(path, size) == [sum(found, [])]


def test_too_long_a_line_is_one_document(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 8)
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"a\n" + b"x" * 30 + b"\nb\n")
    assert cut(path, 1) == [[(1, b"a\n")], [(2, b"x" * 8)], [(3, b"b\n")]]


def test_an_empty_file_has_no_blocks(tmp_path):
    (tmp_path / "in.jsonl").touch()
    assert cut(tmp_path / "in.jsonl", 3) == []


def test_the_fingerprint_is_of_the_content(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"one\n")
    second.write_bytes(b"one\n")
    assert cut_file(str(first), 1).fingerprint == cut_file(str(second), 2).fingerprint
    second.write_bytes(b"two\n")
    assert cut_file(str(first), 1).fingerprint != cut_file(str(second), 1).fingerprint


@pytest.fixture
def directory(tmp_path):
    for name in (
        "b.jsonl",
        "a/z.parquet",
        "a.json.gz",
        "_SUCCESS",
        "_temporary/x",
        ".crc",
        "c.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_the_files_of_a_directory_and_of_a_pattern(directory):
    with pytest.raises(
        ExtractionError, match="c.txt: in a directory the names must end in .jsonl,"
    ):
        input_files(str(directory))
    (directory / "c.txt").unlink()
    names = ["a/z.parquet", "a.json.gz", "b.jsonl"]
    assert input_files(str(directory)) == [str(directory / name) for name in names]
    assert input_files(str(directory / "*.j*")) == [str(directory / name) for name in names[1:]]
    assert input_files(str(directory / "b.jsonl")) == [str(directory / "b.jsonl")]
    with pytest.raises(ExtractionError, match="there is no such file"):
        input_files(str(directory / "*.xml"))


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"Ada left.\n" * 50)[:-9])
    with pytest.raises(ExtractionError, match="a.jsonl.gz: the gzip file is damaged"):
        cut(tmp_path / "a.jsonl.gz", 2)


def test_a_damaged_parquet_file_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and so on")
    with pytest.raises(ExtractionError, match="a.parquet: the Parquet file is damaged"):
        cut(tmp_path / "a.parquet", 2)


@pytest.mark.parametrize("size", [1, 4, 7, 30])
def test_rows_of_parquet_are_json_objects(tmp_path, size, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(table_rows, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(blocks, "_ROWS_AT_ONCE", 2)
    rows = [{"text": f"Zoë {n}", "page": None if n % 2 else n} for n in range(20)]
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=6
    )  # fmt: skip
    found = cut(tmp_path / "a.parquet", size)
    assert [len(block) for block in found] == [min(size, 20 - n) for n in range(0, 20, size)]
    numbers, lines = zip(*sum(found, []))
    assert numbers == tuple(range(1, 21))
    assert lines[4:6] == (b'{"text": "Zo\\u00eb 4", "page": 4}', b'{"text": "Zo\\u00eb 5"}')


def test_without_its_libraries_it_says_what_to_install(tmp_path, monkeypatch):
    for name in ("ray", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ExtractionError, match="needs pyarrow: pip install 'joint_ner_re.formats.'"):
        cut(tmp_path / "a.parquet", 2)
    with pytest.raises(ExtractionError, match="needs Ray Data .*: pip install 'joint_ner_re.ray.'"):
        extract_on_ray(tmp_path / "a.parquet", tmp_path / "a.parquet", tmp_path / "out")


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"workers": 0}, "workers is 0; expected 1 or more"),
        ({"block_documents": 0}, "block_documents is 0; expected 1 or more"),
        ({"batch_documents": 0}, "batch_documents is 0; expected 1 or more"),
        ({"cpus_per_worker": 0}, "cpus_per_worker is 0; expected more than 0"),
        ({"gpus_per_worker": -1}, "gpus_per_worker is -1; expected 0 or more"),
        ({"relation_threshold": 2}, "relation_threshold is 2; expected 0 to 1"),
        ({"source": "nowhere"}, "nowhere: cannot be read"),
        ({"archive": "nowhere"}, "the model nowhere cannot be read"),
        ({"target": "."}, "is not empty and was not begun by extract-ray; give another directory"),
    ],
)
def test_what_is_impossible_is_said_at_once(tmp_path, monkeypatch, options, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(on_ray, "_connected", lambda address: pytest.fail("connected"))
    for name in ("in.txt", "model"):
        (tmp_path / name).write_text("Ada left Kesh.\n")
    options = {"archive": "model", "source": "in.txt", "target": "out", **options}
    with pytest.raises((ExtractionError, ResumeError), match=reason):
        extract_on_ray(**options)
