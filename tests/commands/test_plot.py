import json
from functools import partial

import pytest

import joint_ner_re.plugin  # noqa: F401
from joint_ner_re.corpora import write_corpus
from joint_ner_re.sentence import Entity, Sentence


@pytest.fixture
def plot(allennlp):
    return partial(allennlp, "plot")


def test_plot_scores(plot, tmp_path, capsys):
    gold = [Sentence(["a"], [Entity("X", 0, 1)], id="1"), Sentence(["b"], id="2")]
    predicted = [Sentence(["b"], id="2"), Sentence(["a"], [Entity("X", 0, 1, 0.5)], id="1")]
    write_corpus(gold, tmp_path / "gold.json", "spert")
    write_corpus(predicted, tmp_path / "predicted.jsonl", "jsonl")
    out = tmp_path / "figures"
    plot("scores", tmp_path / "predicted.jsonl", tmp_path / "gold.json", out)
    names = ["scores.png", "confusion.png", "precision_recall.png"]
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)


def test_plot_learning(plot, tmp_path, capsys):
    metrics = {"training_loss": 1.5, "best_epoch": 0}
    (tmp_path / "metrics_epoch_0.json").write_text(json.dumps(metrics))
    plot("learning", tmp_path, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"{tmp_path / 'out.png'}\n"


def test_plot_needs_to_know_what(plot, capsys):
    with pytest.raises(SystemExit):
        plot()
    assert "scores|learning" in capsys.readouterr().err
