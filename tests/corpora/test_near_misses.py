"""What fits no format: the message says what it nearly is, and what would fit."""

import io
import json
import zipfile

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format

DOCCANO = {"id": 4, "text": "Ada left.", "label": [[0, 3, "Peop"]]}
PRODIGY = {"text": "Ada left.", "spans": [{"start": 0, "end": 3, "label": "Peop"}]}
DYGIE = {"doc_key": "a", "sentences": [["Ada"]], "ner": [[[0, 0, "Peop"]]], "relations": [[]]}
TASK = {"data": {"text": "Ada left."}, "annotations": [{"result": []}]}


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in names:
            packed.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    "content, expected",
    [
        # Lists of what stands in lines.
        (json.dumps([DOCCANO]), ["a JSON list of objects of doccano", "jq -c '.[]'"]),
        (json.dumps([PRODIGY], indent=1), ["a JSON list of objects of prodigy", "export JSONL"]),
        (json.dumps([DYGIE]), ["a JSON list of objects of dygie"]),
        # Objects over several lines.
        (json.dumps(DOCCANO, indent=2), ["an object of doccano that goes over", "jq -c . FILE"]),
        (json.dumps(DYGIE, indent=2), ["an object of dygie that goes over"]),
        (json.dumps(TASK, indent=2), ["an object of label_studio that goes over"]),
        # Other JSON.
        ('{"clusters": [], "words": 3}', ["nearest are dygie has sentences, ner"]),
        ('[{"sents": [["Ada"]]}]', ["the keys sents; nearest are docred has vertexSet"]),
        ('{"input": "Ada", "output": {}}', ["GLiNER2's data, which has no positions"]),
        # Tables.
        ("text,label\nAda left,Peop\n", ["a table with 2 columns separated by ','", "jsonl"]),
        ("a\tb\tc\n1\t2\t3\n", ["a table with 3 columns separated by tabs"]),
        ('8001\t"The <e1>cat</e1> saw <e2>it</e2>."\nOther\n', ["SemEval-2010 task 8"]),
        ("117\tT1\tGENE-Y\t0\t3\tAda\n", ["ChemProt or DrugProt", "brat's .txt and .ann"]),
        ("117\tAGONIST\tArg1:T6\tArg2:T15\n", ["ChemProt or DrugProt"]),
        # Marked-up text.
        ("<!DOCTYPE html>\n<html><body>Log in</body></html>", ["a web page", "download the file"]),
        ("<?xml version='1.0'?>\n<TEI><text/></TEI>", ["outermost element <TEI>", "bioc (<coll"]),
        ('<typeSystemDescription xmlns="x"/>', ["the type system of a CAS", "give the .xmi file"]),
        ("#id=1\n#text=Ada left .\n1\tAda\tB-PER\n", ["WebAnno TSV 2", "export WebAnno TSV v3.3"]),
        # What is no text.
        (b"%PDF-1.7\n\xff", ["is a PDF"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ["is a Word or Excel file"]),
        (b"SQLite format 3\x00", ["is a SQLite database"]),
        (b"\x28\xb5\x2f\xfd\x00", ["compressed with zstd"]),
        (b"ARROW1\x00\x00", ["is an Arrow table; write it as Parquet"]),
        ("1 NEG Nothing.\n".encode("utf-16-le"), ["UTF-16 without a byte order mark", "UTF-16LE"]),
        ("1 NEG Nothing.\n".encode("utf-16-be"), ["iconv -f UTF-16BE -t UTF-8"]),
        (archive("word/document.xml"), ["is a Word document"]),
        (archive("xl/workbook.xml"), ["is an Excel workbook"]),
        (archive("a.txt", "a.ann"), ["holds 'a.ann', 'a.txt'", "as a directory"]),
    ],
)  # fmt: skip
def test_what_nearly_fits_is_named_with_the_way_out(put, content, expected):
    with pytest.raises(CorpusFormatError) as caught:
        detect_format(put(content))
    assert caught.value.line == 1
    for part in expected:
        assert part in caught.value.reason
