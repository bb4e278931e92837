import json
import re

import pytest

from joint_ner_re.commands.draw import draw
from joint_ner_re.corpora import CorpusFormatError, write_corpus
from joint_ner_re.review import MatchingError
from joint_ner_re.sentence import Entity, Sentence


def rows(path):
    html = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="rows">(.*?)</script>', html, re.S)[1])


def summary(path):
    html = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="summary">(.*?)</script>', html, re.S)[1])


@pytest.mark.parametrize(
    "name, sentences",
    [("sentences.jsonl", 8), ("ade.rel", 11), ("conll04_spert.json", 11), ("ade_neg.txt", 9)],
)
def test_every_corpus_can_be_drawn(fixtures, tmp_path, name, sentences):
    draw(str(fixtures / name), str(tmp_path / "out.html"))
    assert len(rows(tmp_path / "out.html")) == sentences
    assert not summary(tmp_path / "out.html")["checked"]


def test_predictions_are_compared_with_gold_of_another_format_and_order(tmp_path):
    gold = [Sentence(["a"], [Entity("X", 0, 1)], id="1"), Sentence(["b"], id="2")]
    predicted = [Sentence(["b"], [Entity("Y", 0, 1)], id="2"), gold[0]]
    write_corpus(gold, tmp_path / "gold.json", "spert")
    write_corpus(predicted, tmp_path / "predicted.jsonl", "jsonl")
    page = tmp_path / "out.html"
    draw(str(tmp_path / "predicted.jsonl"), str(page), gold=str(tmp_path / "gold.json"))
    assert [row[0] for row in rows(page)] == ["2", "1"]
    assert summary(page)["items"] == [
        ["entity", "spurious", "Y", "", 1],
        ["entity", "correct", "X", "X", 1],
    ]
    assert "<title>predicted.jsonl, compared with gold.json</title>" in page.read_text()


def test_documents_are_drawn_as_the_predictor_writes_them(tmp_path):
    document = {
        "id": "d",
        "text": "One. Two.",
        "tokens": ["One", ".", "Two", "."],
        "offsets": [[0, 3], [3, 4], [5, 8], [8, 9]],
        "entities": [{"type": "N", "start": 2, "end": 3, "score": 0.5}],
        "sentences": [[0, 2], [2, 4]],
        "meta": {"page": 3},
    }
    path, page = tmp_path / "in.jsonl", tmp_path / "out.html"
    path.write_text(json.dumps(document))
    draw(str(path), str(page), gold=str(path))
    assert rows(page)[0][1] == "One. Two."
    assert summary(page)["items"] == [["entity", "correct", "N", "N", 1]]


@pytest.mark.parametrize(
    "line, error", [('{"tokens": 1}', CorpusFormatError), ('{"tokens": ["q"]}', MatchingError)]
)
def test_a_corpus_that_cannot_be_read_or_matched_leaves_the_old_page(tmp_path, line, error):
    gold, predicted, page = (tmp_path / name for name in ("gold.jsonl", "in.jsonl", "out.html"))
    gold.write_text('{"tokens": ["a"]}\n{"tokens": ["b"]}\n')
    predicted.write_text('{"tokens": ["a"]}\n' + line + "\n")
    page.write_text("old")
    with pytest.raises(error, match=r"in\.jsonl:2"):
        draw(str(predicted), str(page), gold=str(gold))
    assert page.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gold.jsonl",
        "in.jsonl",
        "out.html",
    ]
