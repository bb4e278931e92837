import gzip
import io
import logging
import sys

import pyarrow
import pyarrow.parquet
import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus, write_corpus
from joint_ner_re.sentence import Entity, Relation, Sentence

ADA = Sentence(
    ["Ada", "left", "Kesh"],
    [Entity("Peop", 0, 1, 0.5), Entity("Loc", 2, 3)],
    [Relation("Live_In", 0, 1, 0.25)],
    "7",
    "Ada left  Kesh",
    [(0, 3), (4, 8), (10, 14)],
)
BARE = Sentence(["Kesh"], id="b")


def table(rows):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_was_written_reads_back_equal(tmp_path, put, compress, corpora):
    sentences = [ADA, BARE, *read_corpus(corpora / "sentences.jsonl")]
    assert write_corpus(sentences, tmp_path / "a.parquet", "parquet") == len(sentences)
    path = put(compress((tmp_path / "a.parquet").read_bytes()))
    assert detect_format(path) == "parquet"
    found = list(read_corpus(path))
    assert found == sentences
    assert [s.source for s in found[:2]] == [f"{path}:1", f"{path}:2"]


def test_meta_and_the_bounds_of_sentences_are_kept(tmp_path, caplog):
    sentence = Sentence(["a", "b"], id="n", bounds=[(0, 1), (1, 2)], meta={"n": [1, "é"]})
    with caplog.at_level(logging.WARNING):
        write_corpus([sentence, BARE], tmp_path / "a", "parquet")
    assert not caplog.messages
    found, bare = read_corpus(tmp_path / "a")
    assert (found.bounds, found.meta) == (sentence.bounds, {"n": [1, "é"]})
    assert (bare.bounds, bare.meta) == (None, None)


def test_more_rows_than_a_group_holds(tmp_path):
    sentences = [Sentence(["a"], id=str(number)) for number in range(2001)]
    assert write_corpus(iter(sentences), tmp_path / "a", "parquet") == 2001
    assert pyarrow.parquet.ParquetFile(tmp_path / "a").metadata.num_row_groups == 3
    assert [s.id for s in read_corpus(tmp_path / "a")] == [s.id for s in sentences]
    assert write_corpus([], tmp_path / "b", "parquet") == 0
    assert list(read_corpus(tmp_path / "b")) == []


def test_the_columns_of_spert(put, caplog):
    row = {"tokens": ["Ada"], "entities": [{"type": "P", "start": 0, "end": 1}], "relations": [],
           "orig_id": 18, "pos": ["NNP"]}  # fmt: skip
    path = put(table([row, {**row, "orig_id": None}]))
    with caplog.at_level(logging.WARNING):
        found = list(read_corpus(path))
    assert found == [Sentence(["Ada"], [Entity("P", 0, 1)], id="18"),
                     Sentence(["Ada"], [Entity("P", 0, 1)])]  # fmt: skip
    assert [m.partition(": ")[2] for m in caplog.messages] == ["columns called 'pos', not used: 1"]


def test_structs_of_lists_are_lists_of_structs(put):
    row = {"tokens": ["Ada", "Bob"], "entities": {"type": ["P", "Q"], "start": [0, 1],
                                                  "end": [1, 2]}}  # fmt: skip
    (found,) = read_corpus(put(table([row])))
    assert found.entities == (Entity("P", 0, 1), Entity("Q", 1, 2))


@pytest.mark.parametrize(
    "rows, line, reason",
    [
        ([{"words": ["Ada"]}], 1, "the columns 'words'; expected those of jsonl (id, tokens"),
        ([{"tokens": ["Ada"]}, {"tokens": None}], 2, "lacks the key 'tokens'"),
        ([{"tokens": "Ada"}], 1, "the key 'tokens' of a sentence holds \"Ada\"; expected a list"),
        ([{"tokens": ["Ada"], "entities": [{"type": "P", "start": 0, "end": 5}]}], 1, "0 to 5"),
        ([{"tokens": ["Ada"], "entities": [{"type": "P", "start": 0.0, "end": 1.0}]}], 1, "0.0"),
        ([{"tokens": ["Ada"], "entities": {"type": ["P"], "start": [0, 1], "end": [1]}}], 1,
         "expected a list"),
        ([{"tokens": ["Ada"], "meta": "{"}], 1, "the JSON ends too early"),
    ],
)  # fmt: skip
def test_errors_name_the_row_and_can_be_passed_over(put, rows, line, reason):
    path = put(table(rows))
    with pytest.raises(CorpusFormatError) as caught:
        list(read_corpus(path))
    assert caught.value.line == line and reason in caught.value.reason
    errors = []
    assert len(list(read_corpus(path, on_error=errors.append))) == len(rows) - 1
    assert [error.line for error in errors] == [line]


@pytest.mark.parametrize("cut", [4, 12, -20, -1])
def test_damaged_tables_are_errors(put, cut):
    path = put(table([{"tokens": ["Ada"]}])[:cut])
    with pytest.raises(CorpusFormatError, match="the Parquet file is damaged or incomplete"):
        list(read_corpus(path))
    errors = []
    assert list(read_corpus(path, on_error=errors.append)) == [] and len(errors) == 1


def test_a_gzip_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Parquet is compressed itself; leave out .gz"):
        write_corpus([BARE], tmp_path / "a.parquet.gz", "parquet")


def test_a_text_that_cannot_be_encoded_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError):
        write_corpus([Sentence(["\ud800"])], tmp_path / "a", "parquet")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_says_what_to_install(put, tmp_path, monkeypatch):
    path = put(table([{"tokens": ["Ada"]}]))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for use in (lambda: list(read_corpus(path)), lambda: write_corpus([], path, "parquet")):
        with pytest.raises(ImportError, match=r"pip install 'joint_ner_re\[formats\]'"):
            use()
