import json

import pytest

from joint_ner_re.checking import Part
from joint_ner_re.commands.check import parts_of


def test_a_corpus_without_errors(allennlp, fixtures, tmp_path, capsys):
    allennlp(
        "check", f"train={fixtures / 'own/brat'}", f"dev={fixtures / 'own/doccano.jsonl'}",
        "--json", tmp_path / "a.json", "--markdown", tmp_path / "a.md",
    )  # fmt: skip
    out = capsys.readouterr().out
    assert "train  dev\n" in out and "Works_For" in out and "Errors: 0\n" in out
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["parts"]["dev"]["sentences"] == 30
    assert "| relations by type | train | dev |" in (tmp_path / "a.md").read_text()


def test_losses_at_sentence_ends_are_reported(allennlp, tmp_path, capsys):
    text = "Rosa testis pv. alba met Bob in Fig. 2 and Orm. Kest left."
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text(text)
    (tmp_path / "in/a.ann").write_text(
        "T1\tPer 0 20\tRosa testis pv. alba\nT2\tPer 25 28\tBob\nT3\tPer 43 46\tOrm\n"
        "T4\tPer 48 52\tKest\nR1\tMet Arg1:T1 Arg2:T2\nR2\tMet Arg1:T2 Arg2:T3\n"
        "R3\tMet Arg1:T3 Arg2:T4\n"
    )
    crossing = "relations from one sentence to another, left out"
    joined = "sentence ends inside a mention, where the sentences were joined"
    for rules, changes, finding in (
        ("punctuation", {crossing: 2, joined: 1}, "a: 2 of 3 relations (67 %) cross the end of"),
        ("abbreviations", {crossing: 1}, ""),
    ):
        allennlp("check", f"a={tmp_path / 'in'}", "--sentence-rules", rules,
                 "--json", tmp_path / "report.json")  # fmt: skip
        out = capsys.readouterr().out
        assert (
            json.loads((tmp_path / "report.json").read_text())["parts"]["a"]["changes"] == changes
        )
        rows = [line.rsplit(None, 1) for line in out.splitlines()]
        assert all([what, str(count)] in rows for what, count in changes.items())
        assert (joined in out) == (joined in changes)
        assert finding in out and ("many relations from one" in out) == bool(finding)


def test_errors_end_with_one(allennlp, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a"]}\n{"tokens": 2}\n')
    with pytest.raises(SystemExit) as caught:
        allennlp("check", tmp_path / "a.jsonl")
    assert caught.value.code == 1
    assert f"{tmp_path / 'a.jsonl'}:2: the key 'tokens'" in capsys.readouterr().out


def test_suspicious_annotations_end_with_one_if_strict(allennlp, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a"]}\n{"tokens": ["a"]}\n')
    allennlp("check", tmp_path / "a.jsonl", "--granularity", "fine")
    with pytest.raises(SystemExit) as caught:
        allennlp("check", tmp_path / "a.jsonl", "--strict", "--format", "jsonl")
    assert caught.value.code == 1
    assert "sentences that occur twice, within a part: 1" in capsys.readouterr().out


def test_mistakes_are_one_line(allennlp, tmp_path):
    with pytest.raises(SystemExit, match="allennlp check: the parts are named a, a"):
        allennlp("check", "a=x", "a=y")


def test_a_file_with_an_equals_sign_is_itself(tmp_path):
    path = tmp_path / "a=b"
    path.touch()
    assert parts_of([str(path), "a=b", "c"]) == [
        Part(str(path), str(path)),
        Part("a", "b"),
        Part("c", "c"),
    ]
