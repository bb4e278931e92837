"""What an input file is: each kind is read as it is meant, or refused with what to do."""

import codecs
import gzip
import io
import json
import logging
import os
import tarfile
import zipfile

import pytest

from joint_ner_re.extraction import ExtractionError, inputs
from joint_ner_re.extraction.blocks import Block, cut_file, documents_in
from joint_ner_re.extraction.inputs import documents_of, documents_of_stream, recognised
from joint_ner_re.extraction.source import Source
from joint_ner_re.extraction.texts import read_texts
from joint_ner_re.tokenization import TextTokenizer

TEXTS = ["Zoë left Kesh.", "It rained.", "Ada Marek stayed."]
RECORDS = [{"id": "a", "text": TEXTS[0], "ward": 3}, {"id": "b", "text": TEXTS[1]}]


def contents(documents):
    return [json.loads(document.content) for document in documents]


def read(path, text_column=None):
    """The documents by each door: a file, a stream, and a block of extract-ray."""
    kind = recognised(path, text_column)
    found = list(documents_of(path, kind, text_column))
    with inputs.opened(path) as stream:
        streamed = list(documents_of_stream(path, stream, text_column))
    cut = cut_file(str(path), 100, text_column)
    blocks = [Block(n, str(path), cut.file_bytes, *block) for n, block in enumerate(cut.cuts)]
    by_block = [document for block in blocks for document in documents_in(block, text_column)]
    texts = [(document.number, document.content) for document in found]
    assert texts == [(document.number, document.content) for document in streamed]
    assert [n for n, _ in texts] == [document.number for document in by_block]
    assert [c for _, c in texts] == [document.content for document in by_block]
    # A run that resumes goes on where it stopped.
    source = Source(path, text_column)
    assert source.total == len(found)
    assert list(source.documents(1, found[0].next)) == found[1:]
    return found


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_of_text_stay_lines_of_text(tmp_path, mark, pack):
    path = tmp_path / "in.txt"
    lines = [*TEXTS, "[1] A reference.", '"Said" he, and left', "a, b, and c", "x < y > z"]
    path.write_bytes(pack(mark + "\n".join(lines).encode()))
    found = [document.content.decode("utf-8-sig").rstrip("\n") for document in read(path)]
    assert found == lines


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_a_mark_is_read_and_without_one_is_named(tmp_path, encoding):
    path = tmp_path / "in.txt"
    path.write_bytes(("\ufeff" + "\r\n".join(TEXTS)).encode(encoding))
    assert [d.content.decode().rstrip("\r\n") for d in read(path)] == TEXTS
    path.write_bytes("\r\n".join(TEXTS).encode(encoding))
    name = encoding.upper().replace("-", "")[:5] + encoding[-2:].upper()
    with pytest.raises(ExtractionError, match=f"in.txt: this looks like UTF-16{name[-2:]} without"):
        recognised(path)


def test_utf16_may_hold_json_or_a_table(tmp_path):
    path = tmp_path / "in.json"
    path.write_bytes(json.dumps(RECORDS).encode("utf-16"))
    assert contents(read(path)) == RECORDS
    path = tmp_path / "in.csv"
    path.write_bytes("id;text\na;Zoë left Kesh.\n".encode("utf-16"))
    assert contents(read(path)) == [{"id": "a", "text": "Zoë left Kesh."}]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_holds_a_document_in_each_element(tmp_path, indent):
    path = tmp_path / "in.json"
    path.write_text(json.dumps([*RECORDS, "A text.", 7], indent=indent), "utf-8")
    # The number cannot be a text: it becomes an error in its place.
    assert contents(read(path)) == [*RECORDS, {"text": "A text."}, {"text": 7}]


def test_objects_printed_over_several_lines_are_documents(tmp_path):
    path = tmp_path / "in.json"
    path.write_text("\n".join(json.dumps(record, indent=2) for record in RECORDS), "utf-8")
    assert contents(read(path)) == RECORDS


@pytest.mark.parametrize(
    "content, reason",
    [
        ('[{"text": "a"},', "begins like a JSON array, but cannot be read as such"),
        ('[{"text": "a"}]\n[{"text": "b"}]', "2 JSON values of which the first is an array"),
        ('{\n  "text": "a",\n', "begins like a JSON object over several lines, but cannot"),
        ('{\n  "documents": [\n  ]\n}', "without a text .its keys are 'documents'.; expected"),
    ],
)
def test_json_that_holds_no_documents_is_named(tmp_path, content, reason):
    path = tmp_path / "in.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ExtractionError, match=rf"in\.json: .*{reason}"):
        list(documents_of(path, recognised(path)))


TABLE = [["id", "narrative", "ward"], ["7", 'Zoë said "no",\nand left.', "3"], ["8", "", "4"]]


def table_file(tmp_path, kind):
    path = tmp_path / f"in.{kind}"
    if kind in ("csv", "txt"):
        path.write_text('id,narrative,ward\n7,"Zoë said ""no"",\nand left.",3\n8,,4\n', "utf-8-sig")
    elif kind == "tsv":
        path.write_text('id\tnarrative\tward\n7\t"Zoë said ""no"",\nand left."\t3\n8\t\t4\n')
    elif kind == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in TABLE:
            book.active.append(row)
        book.create_sheet("empty")
        book.save(path)
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        rows = [dict(zip(TABLE[0], row)) for row in TABLE[1:]]
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "xlsx", "parquet"])
def test_the_column_of_a_table_that_is_asked_for_holds_the_texts(tmp_path, kind):
    path = table_file(tmp_path, kind)
    empty = None if kind == "xlsx" else ""
    assert contents(read(path, "narrative")) == [
        {"text": 'Zoë said "no",\nand left.', "id": "7", "ward": "3"},
        {"text": empty, "id": "8", "ward": "4"},
    ]
    with pytest.raises(ExtractionError, match="columns 'id', 'narrative', 'ward'; say which one"):
        list(documents_of(path, recognised(path)))
    with pytest.raises(ExtractionError, match="no column 'note'; it has 'id', 'narrative', 'ward'"):
        list(documents_of(path, recognised(path, "note"), "note"))


def test_a_column_named_text_needs_no_option_and_other_columns_come_back(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text,sentence,entities\n1,Ada left.,x,y\n", "utf-8")
    assert contents(read(path)) == [
        {"text": "Ada left.", "id": "1", "sentence (column)": "x", "entities (column)": "y"}
    ]


def test_missing_cells_of_other_columns_are_left_out(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "in.parquet"
    rows = [{"text": "a", "dose": float("nan")}, {"text": None, "dose": 2.5}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert contents(read(path)) == [{"text": "a"}, {"text": None, "dose": 2.5}]


@pytest.mark.parametrize(
    "content, reason",
    [
        ("id,text\n1,Ada left, then Bob.\n", r"in.csv:2: a row of 3 cells; expected 2"),
        ("text,text\na,b\n", "two columns named 'text'"),
        ("text\ncaf\xe9\n", "the table is not UTF-8 .*iconv -f LATIN1"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path, content, reason):
    path = tmp_path / "in.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ExtractionError, match=reason):
        list(documents_of(path, recognised(path)))


def test_a_workbook_with_two_filled_sheets_is_refused(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.create_sheet("old").append(["text"])
    book.save(tmp_path / "in.xlsx")
    with pytest.raises(ExtractionError, match="2 sheets have rows .'Sheet', 'old'.; expected one"):
        list(documents_of(tmp_path / "in.xlsx", recognised(tmp_path / "in.xlsx")))


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return file.getvalue()


def packed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "Ada left.")
    return file.getvalue()


@pytest.mark.parametrize(
    "content, what",
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF.*pdftotext"),
        (b"<!DOCTYPE html>\n<p>Ada left.</p>\n", "HTML"),
        (b"\n<HTML lang='en'><body>Ada</body></HTML>", "HTML"),
        (b"<?xml version='1.0'?>\n<a/>", "XML.*joint-ner-re convert FILE"),
        (b"123|t|Ada left.\n123|a|Kesh.\n", "PubTator.*joint-ner-re convert FILE"),
        (b"T1\tDrug 0 5\tAspir\n", "brat annotations.*give the .txt"),
        (b"Ada B-Per\nMarek I-Per\nleft O\n", "CoNLL columns"),
        (tar(), "a tar archive.*unpack it"),
        (packed(), "a zip archive.*unpack it"),
        (gzip.compress(gzip.compress(b"Ada left.")), "compressed with gzip twice"),
        (b"BZh91AY", "compressed with bzip2; .*bunzip2"),
        (bytes(range(256)) * 8 + bytes(200), "a binary file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Word or Excel file.*save it as .xlsx"),
    ],
    # Packed content holds the time, and all processes must give a test the same name.
    ids=lambda value: value if isinstance(value, str) else "content",
)  # fmt: skip
def test_what_holds_no_documents_is_named_with_a_way_out(tmp_path, content, what):
    path = tmp_path / "in"
    path.write_bytes(content)
    what = what.replace("; .*", ".*")
    for door in (recognised, Source, lambda path: cut_file(str(path), 2)):
        with pytest.raises(ExtractionError, match=f"in: this looks like {what}"):
            door(path)
    with inputs.opened(path) as stream, pytest.raises(ExtractionError, match=what):
        list(documents_of_stream(path, stream))


def test_a_column_is_for_tables(tmp_path):
    path = tmp_path / "in.json"
    path.write_text('[{"text": "Ada left."}]', "utf-8")
    with pytest.raises(ExtractionError, match="--text-column note is for tables .* like JSON"):
        Source(path, "note")
    with pytest.raises(ExtractionError, match="--text-column note is for tables, .* a directory"):
        Source(tmp_path, "note")


def test_a_pipe_that_gives_a_line_at_a_time_is_not_waited_for():
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as pipe:
        pipe.write(b"Ada left.\n")
        documents = documents_of_stream("-", stream)
        # The pipe is still open and empty.
        assert next(documents).content == b"Ada left.\n"
        pipe.write(b"It rained.\n")
        assert next(documents).content == b"It rained.\n"


def test_an_array_may_come_by_a_pipe_in_pieces():
    class Slow(io.RawIOBase):
        pieces = [b"[", b'{"text": "Ada', b' left."}', b"]"]

        def readable(self):
            return True

        def readinto(self, buffer):
            piece = self.pieces.pop(0) if self.pieces else b""
            buffer[: len(piece)] = piece
            return len(piece)

    found = list(documents_of_stream("-", io.BufferedReader(Slow())))
    assert contents(found) == [{"text": "Ada left."}]


def test_a_directory_says_what_it_leaves_out(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("Ada left.")
    (tmp_path / "a.ann").write_text("")
    with caplog.at_level(logging.WARNING):
        Source(tmp_path)
    assert caplog.messages == []
    (tmp_path / "b.pdf").write_text("")
    (tmp_path / "c.doc").write_text("")
    Source(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}: 1 .txt files are read; 2 other files are left out, such as b.pdf"
    ]
    (tmp_path / "a.txt").unlink()
    with pytest.raises(ExtractionError, match="no .txt file .*2 other files .* such as b.pdf"):
        Source(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_text_file_of_a_directory_is_read_without_its_mark(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(TEXTS[0].encode(encoding))
    assert inputs.text_of_file(tmp_path / "a.txt") == TEXTS[0]


def test_the_mark_never_becomes_part_of_a_token():
    text = "\ufeffAda left.\n\ufeffIt\ufeff rained. \ufeff"
    (spans,) = TextTokenizer().tokenize([text])
    assert [text[b:e] for b, e in spans] == ["Ada", "left", ".", "It", "rained", "."]


def test_a_spacy_pipeline_reads_by_the_same_door(tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("id,note\n1,Ada left.\n2,It rained.\n")
    found = [("Ada left.", {"id": "1"}), ("It rained.", {"id": "2"})]
    assert list(read_texts(table, "note")) == found
    lines = tmp_path / "in.txt"
    lines.write_text('\ufeffAda left.\n{"id": "2", "sentence": "It rained."}\n', "utf-8")
    assert list(read_texts(lines)) == [("Ada left.", {}), found[1]]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_bytes("Zoë left.".encode("utf-16"))
    assert list(read_texts(tmp_path / "d")) == [("Zoë left.", {"id": "a"})]
    for content, reason in (
        ('{"text": null}', "the text of document 1 is None; expected a string"),
        ("{broken", "document 1 cannot be read"),
        ("%PDF-1.7", "this looks like a PDF"),
    ):
        lines.write_text(content)
        with pytest.raises(ExtractionError, match=reason):
            list(read_texts(lines))
