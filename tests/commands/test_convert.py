import gzip
import json

import pytest

from joint_ner_re.commands.convert import convert, format_of
from joint_ner_re.corpora import detect_format, read_corpus

SOURCES = [
    "ade.rel", "ade_neg.txt", "conll04.corp", "conll04_multihead.txt", "conll04_spert.json",
    "sentences.jsonl", "own/brat", "own/prodigy.jsonl", "own/doccano.jsonl",
    "tools/bioc.json", "tools/ddi.xml", "tools/pubtator.txt", "tools/tac_adr.xml",
]  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", ["a.jsonl", "a.json.gz"])
def test_every_format_becomes_what_keeps_everything(fixtures, tmp_path, name, target):
    gold = list(read_corpus(fixtures / name))
    assert convert(str(fixtures / name), str(tmp_path / target)) == len(gold)
    assert list(read_corpus(tmp_path / target)) == gold


@pytest.mark.parametrize("name", SOURCES)
def test_every_format_becomes_brats_without_a_loss_of_annotations(fixtures, tmp_path, name):
    convert(str(fixtures / name), str(tmp_path / "a"), to="brat")

    def counted(sentences):
        sentences = list(sentences)
        return sum(len(s.entities) for s in sentences), sum(len(s.relations) for s in sentences)

    # Splitting anew might put the two ends of a relation apart.
    again = read_corpus(tmp_path / "a", split_sentences=False)
    assert counted(again) == counted(read_corpus(fixtures / name))


def test_brat_documents_come_back_byte_by_byte(fixtures, tmp_path):
    convert(str(fixtures / "own/brat"), str(tmp_path / "a.jsonl"))
    convert(str(tmp_path / "a.jsonl"), str(tmp_path / "a"))
    for path in (fixtures / "own/brat").glob("*.txt"):
        assert (tmp_path / "a" / path.name).read_bytes() == path.read_bytes()
        used = [n for n in path.with_suffix(".ann").read_text().splitlines() if n[0] in "TR"]
        found = (tmp_path / "a" / path.name).with_suffix(".ann").read_text().splitlines()
        # The numbers differ where a sentence's relations come before the next one's entities.
        assert sorted(line.split("\t")[2] for line in found) == sorted(
            line.split("\t")[2] for line in used
        )


def test_the_command(allennlp, fixtures, tmp_path, capsys):
    out = tmp_path / "a.jsonl.gz"
    allennlp("convert", fixtures / "own/doccano.jsonl", out)
    assert capsys.readouterr().out == f"{out}: 30 sentences\n"
    assert json.loads(gzip.decompress(out.read_bytes()).splitlines()[0])["id"] == "41:0-48"


def test_mentions_in_pieces_are_read_as_asked_for(allennlp, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("small and large bowel")
    (tmp_path / "in/a.ann").write_text("T1\tPart 0 5;16 21\tsmall bowel\n")
    for way, spans in (("drop", []), ("cover", [(0, 4)]), ("first", [(0, 1)])):
        allennlp("convert", tmp_path / "in", tmp_path / way, "--to=jsonl", "--discontinuous", way)
        (sentence,) = read_corpus(tmp_path / way)
        assert [(entity.start, entity.end) for entity in sentence.entities] == spans


def test_parquet_by_the_name_of_the_output(allennlp, fixtures, tmp_path):
    allennlp("convert", fixtures / "sentences.jsonl", tmp_path / "a.parquet")
    assert detect_format(tmp_path / "a.parquet") == "parquet"
    allennlp("convert", tmp_path / "a.parquet", tmp_path / "b.jsonl")
    assert list(read_corpus(tmp_path / "b.jsonl")) == list(
        read_corpus(fixtures / "sentences.jsonl")
    )


def test_offsets_count_what_is_asked_for(allennlp, tmp_path):
    # 3 to 6 are the characters "b c" and the units " b ": the emoji is two units.
    (tmp_path / "in").write_text(json.dumps({"text": "😀a b c", "label": [[3, 6, "X"]]}))
    for offsets, words in (("codepoints", "b c"), ("utf-16", "b")):
        allennlp("convert", tmp_path / "in", tmp_path / "out", "--to=jsonl", "--offsets", offsets)
        (sentence,) = read_corpus(tmp_path / "out")
        assert sentence.surface(sentence.entities[0]) == words


def test_options_reach_reader_and_tokenizer(allennlp, tmp_path):
    line = {"text": "Amoxicillin/clavulanate helped. It rained.", "label": []}
    (tmp_path / "in").write_text(json.dumps(line))
    tokens = {}
    for name in ("standard", "fine"):
        allennlp(
            "convert", tmp_path / "in", tmp_path / "out", "--from", "doccano", "--to", "jsonl",
            "--granularity", name, "--whole-documents", "--tokenizer-pipeline", "en",
        )  # fmt: skip
        (sentence,) = read_corpus(tmp_path / "out")
        tokens[name] = sentence.tokens[:3]
    assert tokens["fine"] == ("Amoxicillin", "/", "clavulanate")
    allennlp("convert", tmp_path / "in", tmp_path / "out.jsonl", "--split-sentences")
    assert len(list(read_corpus(tmp_path / "out.jsonl"))) == 2
    # Corpora that come with tokens have no use for a tokenizer.
    allennlp("convert", tmp_path / "out", tmp_path / "b.json", "--granularity", "fine")


def test_sentences_end_as_the_rules_say(allennlp, tmp_path):
    text = "It is in Fig. 2. It rained."
    (tmp_path / "in").write_text(json.dumps({"text": text, "label": []}))
    for rules, ends in (("punctuation", 3), ("abbreviations", 2)):
        allennlp(
            "convert", tmp_path / "in", tmp_path / "out", "--from=doccano", "--to=jsonl",
            "--sentence-rules", rules,
        )  # fmt: skip
        found = list(read_corpus(tmp_path / "out"))
        assert len(found) == ends
        assert "".join(sentence.text for sentence in found) == text
    with pytest.raises(SystemExit, match="en_core_sci_sm' has sentence ends of its own"):
        allennlp(
            "convert", tmp_path / "in", tmp_path / "out", "--from=doccano", "--to=jsonl",
            "--sentence-rules=abbreviations", "--tokenizer-pipeline=en_core_sci_sm",
        )  # fmt: skip


def test_csv_of_predicted_documents_names_their_sentences(allennlp, tmp_path):
    record = {
        "tokens": ["Ada", ".", "Bob", "."], "text": "Ada. Bob.",
        "offsets": [[0, 3], [3, 4], [5, 8], [8, 9]], "sentences": [[0, 2], [2, 4]],
        "entities": [{"type": "P", "start": 2, "end": 3}], "relations": [],
    }  # fmt: skip
    (tmp_path / "in.jsonl").write_text(json.dumps(record))
    csv, entities = tmp_path / "a.csv", tmp_path / "b.csv"
    allennlp("convert", tmp_path / "in.jsonl", csv, "--entities", entities)
    assert entities.read_text().splitlines()[1] == "line 1,5,9,Bob,P,5,8,,0,3,Bob."


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["nowhere", "a.jsonl"], "nowhere: there is no such file"),
        (["IN", "a.xml"], "the name .*a.xml does not tell the format.* csv, dygie, gliner, jsonl"),
        (["IN", "a.gz"], "does not tell the format"),
        (["IN", "a.jsonl", "--entities", "b.csv"], "--entities is for csv"),
        (["IN", "a.jsonl", "--from", "spert"], "in.jsonl:1: expected a JSON list"),
        (["IN", "a.json", "--whole-documents", "--from", "spert"], "no option 'unit'"),
        (["IN", "."], "File exists|exists; expected a new"),
    ],
)
def test_mistakes_are_one_line(allennlp, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"tokens": ["a"]}\n')
    arguments = ["in.jsonl" if argument == "IN" else argument for argument in arguments]
    if arguments[1] == ".":
        arguments += ["--to", "brat"]
    with pytest.raises(SystemExit, match=f"allennlp convert: .*{reason}"):
        allennlp("convert", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    "name, format",
    [
        ("a.jsonl", "jsonl"), ("x.y/a.json", "spert"), ("a.csv.gz", "csv"), ("x.y/a", "brat"),
        ("a/", "brat"),
    ],
)  # fmt: skip
def test_the_name_tells_the_format(name, format):
    assert format_of(name) == format


def test_labels_symmetric_types_and_units_are_options(allennlp, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("Ada left. Bob left.")
    (tmp_path / "in/a.ann").write_text(
        "T1\tPer 0 3\tAda\nT2\tPer 10 13\tBob\nT3\tAct 4 8\tleft\nR1\tKnows Arg1:T2 Arg2:T1\n"
    )
    out = tmp_path / "out.jsonl"
    allennlp("convert", tmp_path / "in", out, "--unit", "2", "--label", "Per=Person",
             "--label", "Act=", "--symmetric", "Knows")  # fmt: skip
    (sentence,) = read_corpus(out)
    assert [(e.type, sentence.surface(e)) for e in sentence.entities] == [
        ("Person", "Ada"),
        ("Person", "Bob"),
    ]
    assert [(r.type, r.head, r.tail) for r in sentence.relations] == [("Knows", 0, 1)]


def test_errors_are_skipped_when_asked_for_and_the_status_tells(allennlp, tmp_path, capsys, caplog):
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text('{"tokens": ["a"]}\n{"tokens": 1}\n{"tokens": ["b"]}\n')
    with pytest.raises(SystemExit, match="a.jsonl:2"):
        allennlp("convert", source, out)
    with pytest.raises(SystemExit) as caught:
        allennlp("convert", source, out, "--on-error", "skip")
    assert caught.value.code == 1
    assert [sentence.tokens for sentence in read_corpus(out)] == [("a",), ("b",)]
    assert "skipped: " in caplog.text and "a.jsonl:2" in caplog.text
    assert "errors that were skipped: 1" in caplog.text


@pytest.mark.parametrize("arguments", [["--unit", "0"], ["--unit", "page"], ["--label", "X"]])
def test_impossible_options_are_refused(allennlp, tmp_path, capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        allennlp("convert", tmp_path, tmp_path / "out", *arguments)
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err


DOCUMENT = {
    "id": "d",
    "tokens": ["Ada", "left", ".", "It", "rained", "."],
    "entities": [{"type": "P", "start": 0, "end": 1}],
    "sentences": [[0, 3], [3, 6]],
    "meta": {"ward": 3},
}


def test_documents_keep_what_the_format_can_hold_and_the_rest_is_named(tmp_path, caplog):
    (tmp_path / "a.jsonl").write_text(json.dumps(DOCUMENT))
    convert(str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    again = json.loads((tmp_path / "b.jsonl").read_text())
    assert (again["sentences"], again["meta"]) == (DOCUMENT["sentences"], DOCUMENT["meta"])
    assert caplog.messages == []
    convert(str(tmp_path / "b.jsonl"), str(tmp_path / "c.json"))
    assert caplog.messages == [
        f"{tmp_path}/c.json: spert cannot hold {what}: left out 1 times"
        for what in ("the bounds of sentences in a document", "'meta'")
    ]


def test_exports_with_the_same_ids_can_be_put_together(allennlp, tmp_path):
    doccano = {"id": 1, "text": "Eve left. Tom came.", "label": [[0, 3, "P"]]}
    prodigy = {"text": "Ada left.", "spans": [{"start": 0, "end": 3, "label": "P"}]}
    ids = []
    for name, record in (("d", doccano), ("p", prodigy)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record))
        out = tmp_path / f"{name}-out.jsonl"
        allennlp("convert", tmp_path / f"{name}.jsonl", out, "--id-prefix", name)
        ids += [sentence.id for sentence in read_corpus(out)]
    assert ids == ["d-1:0-10", "d-1:10-19", "p-1:0-9"]
    (tmp_path / "n.jsonl").write_text('{"tokens": ["a"]}\n{"tokens": ["b"], "id": "x"}\n')
    convert(str(tmp_path / "n.jsonl"), str(tmp_path / "m.jsonl"), id_prefix="n")
    assert [sentence.id for sentence in read_corpus(tmp_path / "m.jsonl")] == ["n-1", "n-x"]
