from __future__ import annotations

import gzip

import pytest

from joint_ner_re.corpora import files
from joint_ner_re.corpora.errors import CorpusFormatError


def test_lines_are_numbered_from_one_and_lose_their_ends(put):
    assert list(files.read_lines(put(b"a b\r\n\nc\n"))) == [(1, "a b"), (2, ""), (3, "c")]
    assert list(files.read_lines(put(b"a\nb"))) == [(1, "a"), (2, "b")]


def test_only_line_feeds_end_a_line(put):
    text = "one\u2028still one\x85still\x0b\x0cone"
    assert list(files.read_lines(put(text + "\n"))) == [(1, text)]


def test_a_byte_order_mark_is_dropped_at_the_beginning_only(put):
    lines = list(files.read_lines(put("\ufeffa\n\ufeffb\n")))
    assert lines == [(1, "a"), (2, "\ufeffb")]


@pytest.mark.parametrize(
    "content, line, reason",
    [
        (b"", None, "the file is empty"),
        (b" \n\t\n\r\n", None, "the file is empty"),
        (b"fine\nab\x00c\n", 2, "NUL byte at byte 3"),
        (
            "fine\nna\u00efve\n".encode("latin-1"),
            2,
            "byte 3 of the line is 0xef, which is not UTF-8",
        ),
        (b"fine\ncut in a character \xc3", 2, "byte 20 of the line is 0xc3, which is not UTF-8"),
        (
            gzip.compress(gzip.compress(b"text", mtime=0), mtime=0),
            1,
            "compressed with gzip twice; unpack it once",
        ),
        (
            gzip.compress(b"text\n" * 99, mtime=0)[:-4],
            None,
            "the gzip file is damaged or incomplete",
        ),
        (b"\x1f\x8b\x08nonsense", None, "the gzip file is damaged or incomplete"),
        (b"BZh91AY&SY", 1, "compressed with bzip2"),
        (b"PK\x03\x04....", 1, "zip archive"),
        ("text".encode("utf-16"), 1, "UTF-16; convert it"),
        ("text\n".encode("utf-16-le"), 1, "NUL byte at byte 2"),
        (b"old\rmac\rlines", 1, "carriage return inside the line"),
    ],
)
@pytest.mark.parametrize("read", [files.read_text, files.read_head, files.read_ids])
def test_what_is_not_text_is_refused(put, read, content, line, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        read(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert reason in caught.value.reason


def test_damage_inside_a_gzip_file_is_found_where_it_is_met(put):
    content = bytearray(gzip.compress(bytes(range(32, 127)) * 50))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(CorpusFormatError, match="the gzip file is damaged or incomplete"):
        files.read_document(put(bytes(content)))


def test_a_document_is_read_as_it_stands(put):
    text = "\ufeffone\r\ntwo\u2028\n"
    assert files.read_document(put(text)) == text
    assert files.read_document(put(gzip.compress(text.encode()))) == text
    assert files.read_document(put("")) == ""
    with pytest.raises(CorpusFormatError, match=":2: byte 3 of the line is 0xff, which is not UTF"):
        files.read_document(put(b"one\ntw\xff"))
    with pytest.raises(CorpusFormatError, match=":2: a NUL byte"):
        files.read_document(put(b"one\ntw\0"))


def test_a_huge_document_is_refused(put, monkeypatch):
    monkeypatch.setattr(files, "_MAX_LINE_BYTES", 10)
    with pytest.raises(CorpusFormatError, match="a document of more than 10 bytes"):
        files.read_document(put("1234\n123456"))


def test_output_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.output(tmp_path / "a.gz") as file:
        file.write("text")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(CorpusFormatError, match="no such file; check the path"):
        files.read_text(tmp_path / "nowhere")
    with pytest.raises(CorpusFormatError, match="this is a directory; expected a file"):
        files.read_text(tmp_path)


def test_an_unreadable_file_is_refused(put, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path = put("text")
    monkeypatch.setattr(files, "open_to_read", refuse)
    with pytest.raises(CorpusFormatError, match="the file cannot be read: .*Permission denied"):
        files.read_text(path)


def test_a_line_without_end_is_refused(put, monkeypatch):
    monkeypatch.setattr(files, "_MAX_LINE_BYTES", 10)
    assert list(files.read_lines(put("12345678\n"))) == [(1, "12345678")]
    with pytest.raises(CorpusFormatError, match=":2: a line of more than 10 bytes"):
        files.read_text(put("123\n1234567890123\n"))


def test_rows_allow_blank_lines_at_the_end_only(put):
    assert list(files.read_rows(put("a\nb\n\n  \n"))) == [(1, "a"), (2, "b")]
    for content, line in (("a\n\n\nb\n", 2), ("\na\n", 1)):
        with pytest.raises(CorpusFormatError, match="a blank line inside the file") as caught:
            list(files.read_rows(put(content)))
        assert caught.value.line == line


def test_the_head_of_a_long_line_is_cut_between_characters(put, monkeypatch):
    monkeypatch.setattr(files, "_HEAD_BYTES", 4)
    assert files.read_head(put("abc\u00e9def")) == ["abc"]
    assert files.read_head(put("a\nbcdef\n")) == ["a"]
    assert files.read_head(put("a\nb")) == ["a", "b"]


def test_ids_are_unique(put):
    assert files.read_ids(put("17\n18 \nx\n\n")) == {"17": 1, "18": 2, "x": 3}
    with pytest.raises(CorpusFormatError, match=":3: the id '17' is already in line 1"):
        files.read_ids(put("17\n18\n17\n"))


def test_columns_are_counted():
    assert files.columns("f", 1, "a|b", "|", "x, y") == ["a", "b"]
    with pytest.raises(
        CorpusFormatError, match=r"f:9: 3 columns separated by '\|'; expected 2 \(x"
    ):
        files.columns("f", 9, "a|b|c", "|", "x, y")


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "1_0", "x", "\u0663", "\u00b2", "1" * 10])
def test_only_plain_numbers_are_numbers(text):
    with pytest.raises(CorpusFormatError, match="f:2: the row is .*expected a number of up to 9"):
        files.parse_int("f", 2, text, "the row")


def test_numbers_are_read():
    assert files.parse_int("f", 2, "0", "the row") == 0
    assert files.parse_int("f", 2, "999999999", "the row") == 999_999_999
