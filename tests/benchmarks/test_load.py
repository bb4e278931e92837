"""The script that puts a load on the service."""

import copy
import sys

import load
import pytest

import joint_ner_re

RECORD = {
    "id": "", "text": "Ada in Kesh", "tokens": ["Ada", "in", "Kesh"],
    "offsets": [[0, 3], [4, 6], [7, 11]], "sentences": [[0, 3]],
    "entities": [
        {"type": "Peop", "start": 0, "end": 1, "score": 0.9},
        {"type": "Loc", "start": 2, "end": 3, "score": 0.8},
    ],
    "relations": [{"type": "Live_In", "head": 0, "tail": 1, "score": 0.7}],
}  # fmt: skip


def changed(name, place, key, value):
    record = copy.deepcopy(RECORD)
    record[name][place][key] = value
    return record


def test_answers_may_differ_by_rounding_only():
    assert load.is_same(RECORD, RECORD)
    assert load.is_same(changed("entities", 0, "score", 0.90001), RECORD)
    for other in (
        changed("entities", 0, "score", 0.901),
        changed("entities", 1, "type", "Org"),
        changed("relations", 0, "head", 1),
        {**RECORD, "relations": []},
        {**RECORD, "text": "Ada"},
    ):
        assert not load.is_same(other, RECORD)


def test_a_short_load(tiny_exported, fixtures, monkeypatch, capfd):
    monkeypatch.setattr(
        sys, "argv",
        ["load.py", str(tiny_exported), str(fixtures / "conll04_spert.json"), "--seconds",
         "0.5", "--clients", "2", "--kills", "0"],
    )  # fmt: skip
    load.main()
    row, *_, end = capfd.readouterr().out.partition("| ---: |\n")[2].splitlines()
    clients, rate, p50, p99, errors, different, memory = map(float, row.strip("| ").split("|"))
    assert (clients, errors, different) == (2, 0, 0)
    assert rate > 1 and 0 < p50 <= p99 and memory > 50
    assert end == "The service ended with the status 0."


def test_a_model_that_does_not_load_ends_the_script(tmp_path):
    (tmp_path / "joint_ner_re.json").write_text("{}")
    with pytest.raises(SystemExit, match="the service ended with the status 1"):
        load.started(str(tmp_path))


def test_a_service_that_is_killed_gives_no_wrong_answer(tiny_exported, fixtures):
    texts = ["Ada left Kesh.", "It rained."]
    extractor = joint_ner_re.load(tiny_exported)
    expected = [document.to_dict() for document in extractor.extract_many(texts)]
    found = load.load_with_kills(str(tiny_exported), texts, expected, 1, 2, 0.5)
    # Both clients were refused until the service was there again, and then answered.
    assert found.errors > 1 and found.different == 0
    assert len(found.seconds) > 2
