"""`allennlp predict` on lines of which some cannot be processed."""

import gzip
import io
import json
import sys

import pytest

from joint_ner_re.extraction import extract
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.predictors.loading import load_predictor

GOOD = "Karl Vik was a guard at the Bank of Tarnia."
LINES = [
    GOOD.encode(),
    b"{broken",
    b"   ",
    json.dumps({"id": "j", "text": 3}).encode(),
    GOOD.encode(),
    b"caf\xe9",
    b'{"text": "half \\ud800 a character"}',
    b'{"id": "n", "words": []}',
    b'{"text": "x", "n": NaN}',
    b'{"text": ' + b"[" * 100_000,
    json.dumps({"id": "last", "tokens": ["Zo\u00eb", "left"]}).encode(),
]
BAD = {2: "", 4: "j", 6: "", 7: "", 8: "n", 9: "", 10: ""}
BLANK = {"tokens": [], "entities": [], "relations": [], "id": "", "offsets": [], "sentences": []}


@pytest.fixture(autouse=True)
def quick(few_threads):
    pass


def without_scores(record):
    return json.loads(json.dumps(record), object_hook=lambda o: {**o, "score": None})


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_bad_line_gives_an_error_record_and_the_status_tells(
    allennlp, tiny_archive, tmp_path, batch
):
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join(LINES) + b"\n")
    arguments = ["--output-file", out, "--silent", "--batch-size", batch]
    with pytest.raises(SystemExit, match="predict: 7 of 11 documents could not be processed"):
        allennlp("predict", tiny_archive, source, *arguments)
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(records) == len(LINES)
    assert records[2] == {**BLANK, "text": "   "}
    errors = {r["line"]: r["id"] for r in records if "error" in r}
    assert errors == BAD
    assert all(r["error"]["type"] and r["error"]["message"] for r in records if "error" in r)
    # What stands around the bad lines is as it is on its own.
    predictor = load_predictor(str(tiny_archive))
    alone = without_scores(predictor.predict_json({"text": GOOD}))
    assert [without_scores(records[n]) for n in (0, 4)] == [alone, alone]
    assert (records[10]["id"], records[10]["tokens"]) == ("last", ["Zo\u00eb", "left"])


def test_the_records_are_those_of_extract(allennlp, tiny_archive, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    # Blank lines also at the beginning and at the end.
    source.write_bytes(b"\n".join([b"", *LINES, b"\t", b"", b""]) + b"\n")
    with pytest.raises(SystemExit):
        allennlp("predict", tiny_archive, source, "--output-file", out, "--silent")
    load = lambda: load_predictor(str(tiny_archive))  # noqa: E731
    # AllenNLP predicts one at a time if nothing else is said.
    extract(load, tiny_archive, source, tmp_path / "e.jsonl", batch_documents=1, progress=False)
    assert out.read_bytes() == (tmp_path / "e.jsonl").read_bytes()
    assert out.read_bytes().count(b"\n") == source.read_bytes().count(b"\n")


def test_good_lines_end_well_compressed_or_from_standard_input(
    allennlp, tiny_archive, tmp_path, monkeypatch, capsys
):
    content = (GOOD + "\n\n" + GOOD + "\n").encode()
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(content))
    out = tmp_path / "out.jsonl"
    allennlp("predict", tiny_archive, tmp_path / "in.txt.gz", "--output-file", out, "--silent")
    assert len(out.read_text().splitlines()) == 3
    # A pipe cannot tell where it is.
    stdin = io.BytesIO(content)
    monkeypatch.setattr(stdin, "seekable", lambda: False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
    allennlp("predict", tiny_archive, "-")
    shown = capsys.readouterr().out
    assert f"input 2:  {GOOD}\n" in shown and shown.count("prediction: ") == 3


def test_an_output_that_exists_is_not_replaced(allennlp, tiny_archive, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text(GOOD + "\n")
    out.write_text("precious")
    with pytest.raises(SystemExit, match=f"predict: {out} exists, .* extract, which has --over"):
        allennlp("predict", tiny_archive, source, "--output-file", out, "--silent")
    assert out.read_text() == "precious"
    out.unlink()
    allennlp("predict", tiny_archive, source, "--output-file", out, "--silent")
    assert json.loads(out.read_text())["text"] == GOOD


def test_a_table_whose_texts_are_not_known_leads_to_extract(allennlp, tiny_archive, tmp_path):
    source, out = tmp_path / "cases.csv", tmp_path / "out.jsonl"
    source.write_text(f"case,narrative\n7,{GOOD}\n")
    columns = "a table with the columns 'case', 'narrative'; say which one holds the texts: "
    with pytest.raises(SystemExit, match=f"{columns}--text-column NAME .allennlp extract., or"):
        allennlp("predict", tiny_archive, source, "--output-file", out, "--silent")
    assert not out.exists()
    source.write_text(f"case,text\n7,{GOOD}\n")
    allennlp("predict", tiny_archive, source, "--output-file", out, "--silent")
    record = json.loads(out.read_text())
    assert (record["text"], record["meta"]) == (GOOD, {"case": "7"})


@pytest.mark.parametrize("option", [[], ["--include-package", "joint_ner_re"]])
def test_a_document_too_large_for_memory_gives_an_error_record(
    allennlp, tiny_archive, tmp_path, monkeypatch, option
):
    predict = JointPredictor.predict_batch_json

    def small(self, records):
        if len(records) > 2 or any("Bank" in str(record) for record in records):
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
            )
        return predict(self, records)

    monkeypatch.setattr(JointPredictor, "predict_batch_json", small)
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("It rained.\nAda left.\n" + GOOD + "\nIt rained.\nAda left.\n")
    arguments = ["--output-file", out, "--silent", "--batch-size", 5, *option]
    with pytest.raises(SystemExit, match="1 of 5 documents"):
        allennlp("predict", tiny_archive, source, *arguments)
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["error" in record for record in records] == [False, False, True, False, False]
    assert records[2]["line"] == 3 and "can't allocate" in records[2]["error"]["message"]
