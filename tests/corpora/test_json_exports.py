import json

import pytest

from joint_ner_re.corpora import CorpusFormatError, detect_format, read_corpus

DOCCANO = {"id": 1, "text": "Ada left.", "entities": [], "relations": []}
STUDIO = {"id": 1, "data": {"text": "Ada left."}, "annotations": [{"result": []}]}


@pytest.mark.parametrize(
    "content, reason",
    [
        (json.dumps(DOCCANO, indent=2), r"JSON printed over several lines; .*jq -c \."),
        (json.dumps({"tokens": ["a"]}, indent=1), r"JSON printed over several lines"),
        ("\n".join(json.dumps(DOCCANO, indent=2) for _ in range(2)), "over several lines"),
        (json.dumps([DOCCANO]), "keys 'id', 'text', .*Doccano exports as JSON; choose its JSONL"),
        (json.dumps([DOCCANO], indent=2), r"JSON list of documents .*jq -c '\.\[\]'"),
        (json.dumps([{"text": "a", "spans": []}]), "Prodigy's examples; use its JSONL"),
        (json.dumps([{"text": "a"}]), "JSON list of documents with the keys 'text', or write"),
        (json.dumps([STUDIO], indent=2), "Label Studio's export as a JSON list"),
    ],
)
def test_json_that_is_not_by_line_is_named(tmp_path, content, reason):
    path = tmp_path / "export.json"
    path.write_text(content)
    with pytest.raises(CorpusFormatError, match=rf"export\.json:1: .*{reason}"):
        list(read_corpus(path))


def test_what_the_message_advises_can_be_read(tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text(json.dumps(DOCCANO) + "\n")
    assert detect_format(path) == "doccano"
    # A line that is broken has its own error.
    path.write_text('{"tokens": ["a"\n{"tokens": ["b"]}\n')
    with pytest.raises(CorpusFormatError, match=":1: the JSON ends too early"):
        list(read_corpus(path))
