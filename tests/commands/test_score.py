"""`score`: tables of scores that were counted by hand."""

import json

import pytest

GOLD = [
    {"id": "a", "tokens": ["Ada", "met", "Bob"],
     "entities": [{"type": "Per", "start": 0, "end": 1}, {"type": "Per", "start": 2, "end": 3}],
     "relations": [{"type": "Met", "head": 0, "tail": 1}]},
    {"id": "b", "tokens": ["Kesh"], "entities": [{"type": "Loc", "start": 0, "end": 1}]},
]  # fmt: skip


def put(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def files(tmp_path):
    """Gold, and predictions in another order: a wrong direction, a wrong type, a missed entity."""
    wrong = json.loads(json.dumps(GOLD))
    wrong[0]["relations"][0] = {"type": "Met", "head": 1, "tail": 0}
    wrong[1]["entities"][0]["type"] = "Org"
    return put(tmp_path / "gold.jsonl", GOLD), put(tmp_path / "found.jsonl", wrong[::-1])


def cells(table):
    lines = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    return {tuple(line[:2]): line[2:] for line in lines}


def test_the_table_has_a_row_for_each_type(allennlp, files, capsys):
    allennlp("score", *files)
    assert cells(capsys.readouterr().out) == {
        ("entity", "Loc"): ["0.0", "0.0", "0.0", "1"],
        ("entity", "Org"): ["0.0", "0.0", "0.0", "0"],
        ("entity", "Per"): ["100.0", "100.0", "100.0", "2"],
        ("entity", "all, micro"): ["66.7", "66.7", "66.7", "3"],
        ("relation", "Met"): ["0.0", "0.0", "0.0", "1"],
        ("relation", "all, micro"): ["0.0", "0.0", "0.0", "1"],
    }


def test_criterion_direction_and_json(allennlp, files, capsys, tmp_path):
    out = tmp_path / "scores.json"
    allennlp("score", *files, "--criterion", "boundaries", "--symmetric", "Met", "--json", out)
    found = cells(capsys.readouterr().out)
    assert found["entity", "all, micro"] == ["100.0", "100.0", "100.0", "3"]
    assert found["relation", "all, micro"] == ["100.0", "100.0", "100.0", "1"]
    assert json.loads(out.read_text())["relation_f1"] == 1


def test_concepts_of_documents(allennlp, fixtures, tmp_path, capsys):
    gold, found = fixtures / "tools/pubtator.txt", tmp_path / "found.jsonl"
    allennlp("convert", gold, found, "--unit", "document", "--concept-relations", "all")
    capsys.readouterr()
    allennlp("score", gold, found, "--concepts")
    assert cells(capsys.readouterr().out)["relation", "all, micro"][0] == "100.0"


def test_mistakes_are_one_line(allennlp, files, fixtures):
    with pytest.raises(SystemExit, match="'jsonl' has no relations between concepts"):
        allennlp("score", *files, "--concepts")
    with pytest.raises(SystemExit, match="leave out --label"):
        allennlp("score", fixtures / "tools/pubtator.txt", files[1], "--concepts", "--label", "a=b")
