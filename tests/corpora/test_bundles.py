"""Archives: what INCEpTION exports, and what strangers make of them."""

import io
import logging
import zipfile

import pytest

from joint_ner_re.corpora import CorpusFormatError, bundles, detect_format, read_corpus

DOCUMENT = """#FORMAT=WebAnno TSV 3.3
#T_SP=webanno.custom.Name|value

#Text=Ada left
1-1\t0-3\tAda\tPeop\t
1-2\t4-8\tleft\t_\t
"""


def packed(files, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def ids(path):
    return [sentence.id.rpartition(":")[0] for sentence in read_corpus(path)]


def test_the_only_document_has_the_name_of_the_archive(put):
    path = put(packed({"admin.tsv": DOCUMENT, "__MACOSX/admin.tsv": "x"}))
    assert detect_format(path) == "webanno" and ids(path) == ["corpus"]
    (sentence,) = read_corpus(path)
    assert sentence.source == f"{path}/admin.tsv:5"


def test_several_documents_and_archives_in_archives(put):
    files = {"one.tsv": DOCUMENT, "two.zip": packed({"x.tsv": DOCUMENT, "y.tsv": DOCUMENT})}
    assert ids(put(packed(files))) == ["corpus/one", "corpus/two/x", "corpus/two/y"]


def test_the_export_of_a_project(put, caplog):
    files = {
        "exportedproject.json": "{}",
        "source/a.txt": "Ada left",
        "source/c.tsv": DOCUMENT,
        "annotation/a.txt/INITIAL_CAS.tsv": DOCUMENT,
        "annotation/a.txt/eve.tsv": DOCUMENT,
        "annotation/a.txt/bob.tsv": DOCUMENT,
        "annotation/b.txt/eve.zip": packed({"eve.tsv": DOCUMENT}),
        "curation/b.txt/CURATION_USER.tsv": DOCUMENT,
    }
    with caplog.at_level(logging.WARNING):
        assert ids(put(packed(files))) == ["a.txt/bob", "a.txt/eve", "b.txt/CURATION_USER"]
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "documents as they were before anybody annotated, left out: 1",
        "documents of annotators that were curated, left out: 1",
        "files of a project beside its documents, not used: 1",
    ]


@pytest.mark.parametrize(
    "content, reason",
    [
        (
            packed({"a.txt": "Ada"}),
            "a zip archive without a document of INCEpTION; it holds 'a.txt'",
        ),
        (packed({"a.tsv": DOCUMENT})[:-30], "the zip archive cannot be unpacked"),
        (packed({"a.tsv": "x" * (2**26 + 1)}), "is longer than 67108864 bytes"),
        # The checksum is another one.
        (packed({"a.tsv": DOCUMENT}, zipfile.ZIP_STORED).replace(b"Ada l", b"Bob l"), "cannot be"),
    ],
)
def test_damaged_and_huge_archives_are_errors(put, content, reason):
    path = put(content)
    with pytest.raises(CorpusFormatError) as caught:
        list(read_corpus(path))
    assert reason in caught.value.reason and caught.value.path.startswith(path)


def test_archives_nested_too_deep_are_errors(put):
    content = packed({"a.tsv": DOCUMENT})
    for _ in range(bundles.MAX_NESTED):
        content = packed({"a.zip": content})
    assert len(ids(put(content))) == 1
    path = put(packed({"a.zip": content}))
    for format in (None, "webanno"):
        with pytest.raises(CorpusFormatError, match="nested more than 3 deep"):
            list(read_corpus(path, format))


def test_too_many_files_are_an_error(put, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_FILES", 3)
    assert len(ids(put(packed({f"{n}.tsv": DOCUMENT for n in range(3)})))) == 3
    with pytest.raises(CorpusFormatError, match="a zip archive of more than 3 files"):
        list(read_corpus(put(packed({f"{n}.tsv": DOCUMENT for n in range(4)}))))
    with pytest.raises(CorpusFormatError, match="a zip archive of more than 3 files"):
        list(read_corpus(put(packed({f"{n}.tsv": DOCUMENT for n in range(40)}))))


def test_all_files_together_have_a_limit(put, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_TOTAL_BYTES", 2 * len(DOCUMENT))
    assert len(ids(put(packed({f"{n}.tsv": DOCUMENT for n in range(2)})))) == 2
    path = put(packed({f"{n}.tsv": DOCUMENT for n in range(3)}))
    errors = []
    assert len(list(read_corpus(path, on_error=errors.append))) == 2
    assert len(errors) == 1 and "or all of it" in errors[0].reason
