import csv
import gzip
import io

import pytest

from joint_ner_re.corpora import write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

PREDICTED = Sentence(
    ["Ada", "left", "Kesh", "."],
    [Entity("P", 0, 1, 0.9), Entity("L", 2, 3, 0.5), Entity("X", 1, 2)],
    [Relation("Live_In", 0, 1, 0.75)],
    "report:100-115",
    " Ada left Kesh.",
    [(1, 4), (5, 9), (10, 14), (14, 15)],
)


def rows(path):
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_row_for_each_relation_with_positions_in_the_document(tmp_path):
    assert write_corpus([PREDICTED, Sentence([])], tmp_path / "a.csv", "csv") == 2
    head, row = rows(tmp_path / "a.csv")
    assert dict(zip(head, row)) == {
        "document": "report", "sentence_start": "100", "sentence_end": "115",
        "relation": "Live_In", "score": "0.75",
        "head": "Ada", "head_type": "P", "head_start": "101", "head_end": "104",
        "head_score": "0.9",
        "tail": "Kesh", "tail_type": "L", "tail_start": "110", "tail_end": "114",
        "tail_score": "0.5",
        "head_start_in_sentence": "1", "head_end_in_sentence": "4",
        "tail_start_in_sentence": "10", "tail_end_in_sentence": "14",
        "sentence": " Ada left Kesh.",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_entities_have_a_table_of_their_own(tmp_path, suffix):
    path, entities = tmp_path / f"a.csv{suffix}", tmp_path / f"b.csv{suffix}"
    write_corpus([PREDICTED], path, "csv", entities=entities)
    head, *found = rows(entities)
    assert head[:4] == ["document", "sentence_start", "sentence_end", "entity"]
    assert [row[3:8] for row in found] == [
        ["Ada", "P", "101", "104", "0.9"],
        ["Kesh", "L", "110", "114", "0.5"],
        ["left", "X", "105", "109", ""],
    ]
    assert [row[8:] for row in found] == [
        [begin, end, " Ada left Kesh."] for begin, end in (("1", "4"), ("10", "14"), ("5", "9"))
    ]
    assert len(rows(path)) == 2


@pytest.mark.parametrize("text", ['=cmd|"/C calc"!A0', "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_a_formula(tmp_path, text):
    pair = [Entity(text, 0, 1), Entity("X", 1, 2)]
    sentence = Sentence([text, "b"], pair, [Relation(text, 0, 1)], id=text)
    write_corpus([sentence], tmp_path / "a.csv", "csv", entities=tmp_path / "b.csv")
    row = dict(zip(*rows(tmp_path / "a.csv")))
    names = ("document", "relation", "head", "head_type")
    assert [row[name] for name in names] == [f"'{text}"] * 4
    assert rows(tmp_path / "b.csv")[1][3] == f"'{text}"


def test_commas_quotes_and_line_ends_are_kept(tmp_path):
    words = ['a,"b"', "c\nd"]
    sentence = Sentence(words, [Entity("X", 0, 1), Entity("X", 1, 2)], [Relation("R", 0, 1)])
    write_corpus([sentence], tmp_path / "a.csv", "csv")
    row = dict(zip(*rows(tmp_path / "a.csv")))
    assert [row["head"], row["tail"]] == words


def test_the_line_stands_for_an_id(tmp_path):
    sentence = Sentence(["a"], [Entity("X", 0, 1)], source="dir:x/f.jsonl:12")
    write_corpus([sentence], tmp_path / "a.csv", "csv", entities=tmp_path / "b.csv")
    assert rows(tmp_path / "b.csv")[1][0] == "line 12"


def test_a_failure_leaves_neither_table(tmp_path):
    def broken():
        yield PREDICTED
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(broken(), tmp_path / "a.csv", "csv", entities=tmp_path / "b.csv")
    assert not list(tmp_path.iterdir())


def with_meta(meta, id="d"):
    return Sentence(
        ["a", "b"], [Entity("X", 0, 1), Entity("Y", 1, 2)], [Relation("R", 0, 1)], id, meta=meta
    )


def test_meta_has_columns_behind_the_others(tmp_path):
    sentences = [with_meta({"ward": 3}), with_meta({"=x": "=1", "score": [1, "ü"]}), with_meta({})]
    write_corpus(sentences, tmp_path / "a.csv", "csv", entities=tmp_path / "b.csv")
    for name in ("a.csv", "b.csv"):
        found = rows(tmp_path / name)
        assert [row[-3:] for row in found[:1]] == [["ward", "'=x", "meta_score"]]
        each = 1 if name == "a.csv" else 2
        assert [row[-3:] for row in found[1::each]] == [
            ["3", "", ""], ["", "'=1", '[1, "ü"]'], ["", "", ""]
        ]  # fmt: skip


def test_the_mark_that_excel_needs(tmp_path):
    write_corpus([PREDICTED], tmp_path / "a.csv", "csv", mark=True, entities=tmp_path / "b.csv")
    for name in ("a.csv", "b.csv"):
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbfdocument,")


def test_a_workbook_has_both_tables_and_no_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    evil = Sentence(
        ["=1+1", "+b"], [Entity("@T", 0, 1), Entity("Y", 1, 2)], [Relation("R", 0, 1)], "-d"
    )
    assert write_corpus([PREDICTED, evil], tmp_path / "a.xlsx", "xlsx") == 2
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["relations", "entities"]
    head, first, second = book["relations"].iter_rows()
    values = dict(zip((cell.value for cell in head), (cell.value for cell in first)))
    assert (values["document"], values["head"], values["tail_end"]) == ("report", "Ada", 114)
    assert (values["score"], values["sentence"]) == (0.75, " Ada left Kesh.")
    found = {cell.value: cell.data_type for cell in second if isinstance(cell.value, str)}
    assert set(found.values()) == {"s"} and {"-d", "=1+1", "+b", "@T"} <= set(found)
    assert [row[3] for row in book["entities"].iter_rows(values_only=True)] == [
        "entity", "Ada", "Kesh", "left", "=1+1", "+b"
    ]  # fmt: skip


def test_what_excel_does_not_hold_is_counted(tmp_path, caplog):
    openpyxl = pytest.importorskip("openpyxl")
    long = "x" * 40_000
    sentence = Sentence(["a\x01", long], [Entity("X", 0, 1), Entity("Y", 1, 2)])
    write_corpus([sentence], tmp_path / "a.xlsx", "xlsx")
    found = list(openpyxl.load_workbook(tmp_path / "a.xlsx")["entities"].iter_rows())
    assert found[1][3].value == "a\ufffd" and len(found[2][3].value) == 32_767
    # One entity, and the sentence's text in two rows.
    assert [message.split(": ", 1)[1] for message in caplog.messages] == [
        "cells of more than 32,767 characters, cut: 3",
        "cells with characters that Excel does not allow, changed: 3",
    ]
