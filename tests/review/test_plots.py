import json

import pytest

from joint_ner_re.metrics.score import Scores, score
from joint_ner_re.review.plots import (
    NONE,
    Evidence,
    Point,
    TrainingError,
    confusion_matrix,
    curve,
    draw_scores,
    learning_curves,
    precision_recall,
    read_epochs,
    score_bars,
)
from joint_ner_re.sentence import Entity, Relation, Sentence

TOKENS = ["a", "b", "c", "d", "e", "f"]
GOLD = Sentence(
    TOKENS,
    [Entity("X", 0, 1), Entity("Y", 1, 2), Entity("X", 2, 4), Entity("Y", 5, 6)],
    [Relation("R", 0, 1)],
)
PREDICTED = Sentence(
    TOKENS,
    # Right, of another type, with other boundaries; and the last is missed.
    [Entity("X", 0, 1, 0.75), Entity("X", 1, 2, 0.5), Entity("Z", 2, 3, 0.25)],
    [Relation("R", 0, 2, 0.875)],
)


@pytest.fixture
def evidence():
    evidence = Evidence()
    evidence.add(PREDICTED, GOLD)
    return evidence


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_confusion_counts_exact_spans(evidence):
    assert evidence.confusion == {
        ("X", "X"): 1,
        ("Y", "X"): 1,
        ("X", NONE): 1,
        (NONE, "Z"): 1,
        ("Y", NONE): 1,
    }


def test_rows_of_the_confusion_are_gold_and_columns_predicted(evidence):
    figure = confusion_matrix(evidence.confusion, "t")
    axes = figure.axes[0]
    labels = ["X", "Y", "Z", "none\n(missed)"]
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    shares = axes.images[0].get_array().tolist()
    assert shares == [[0.5, 0, 0, 0.5], [0.5, 0, 0, 0.5], [0, 0, 0, 0], [0, 0, 1, 0]]
    places = {text.get_position(): text.get_text() for text in axes.texts}
    assert places == {(0, 0): "1", (3, 0): "1", (0, 1): "1", (3, 1): "1", (2, 3): "1"}


def test_predictions_are_scored_and_judged(evidence):
    assert sorted(evidence.scored["entity"]) == [(0.25, False), (0.5, False), (0.75, True)]
    assert evidence.scored["relation"] == [(0.875, False)]


def test_a_curve_has_a_point_for_every_score():
    points = curve([(0.5, True), (0.9, True), (0.5, False), (0.1, False)], support=4)
    assert points == [
        Point(0.9, Scores.of(1, 1, 4)),
        Point(0.5, Scores.of(2, 3, 4)),
        Point(0.1, Scores.of(2, 4, 4)),
    ]
    assert curve([], 4) == []


def test_the_best_threshold_is_marked(evidence):
    figure = precision_recall(evidence.scored, {"entity": 4, "relation": 1}, "t")
    entities = figure.axes[0]
    assert entities.get_legend().get_texts()[0].get_text() == "best F1: 40.0 at 0.75"
    assert "below 0.88, the lowest" in figure.axes[3].get_xlabel()


def test_what_has_no_scores_is_said():
    scored = {"entity": [(0.5, True)], "relation": []}
    figure = precision_recall(scored, {"entity": 1, "relation": 0}, "t")
    assert texts(figure.axes[2]) == ["The relations have no scores"]


def test_bars_are_the_scores_the_most_frequent_type_first(evidence):
    figure = score_bars(score([GOLD], [PREDICTED]), "t")
    entities = figure.axes[0]
    labels = [label.get_text() for label in entities.get_yticklabels()]
    assert labels == ["all (micro) (4)", "X (2)", "Y (2)", "Z (0)"]
    widths = [[bar.get_width() for bar in bars] for bars in entities.containers]
    assert widths[0] == pytest.approx([100 / 3, 50, 0, 0])
    assert widths[1] == pytest.approx([25, 50, 0, 0])
    assert texts(entities) == ["28.6", "50.0", "0.0", "0.0"]


def test_names_with_dollars_and_long_names_are_shown(tmp_path):
    long = "a_very_long_name_of_a_type_of_Drug"
    sentence = Sentence(TOKENS, [Entity("$x^$", 0, 1), Entity(long, 1, 2)])
    assert [path.name for path in draw_scores(tmp_path, "$_$", [(sentence, sentence)])] == [
        "scores.png",
        "confusion.png",
    ]
    evidence = Evidence()
    evidence.add(sentence, sentence)
    labels = confusion_matrix(evidence.confusion, "$_$").axes[0].get_yticklabels()
    assert [label.get_text() for label in labels][:2] == [r"\$x^\$", "a_very_long…type_of_Drug"]


def test_all_figures_of_predictions_are_written(is_png, tmp_path):
    paths = draw_scores(tmp_path / "new" / "figures", "t", [(PREDICTED, GOLD)])
    assert [path.name for path in paths] == ["scores.png", "confusion.png", "precision_recall.png"]
    assert all(map(is_png, paths))


def test_no_annotations_at_all_make_figures_too(tmp_path):
    assert len(draw_scores(tmp_path, "t", [(Sentence(["a"]), Sentence(["a"]))])) == 2


# Trainings


def epoch(number, **metrics):
    return {
        "best_epoch": 1,
        "training_loss": 3.0 - number,
        "validation_loss": 2.0,
        "validation_entity_f1": number / 10,
        **metrics,
    }


@pytest.fixture
def run(tmp_path):
    for number in range(12):
        (tmp_path / f"metrics_epoch_{number}.json").write_text(json.dumps(epoch(number)))
    (tmp_path / "metrics_epoch_x.json").write_text("not ours")
    return tmp_path


def test_epochs_are_read_in_the_order_of_their_numbers(run):
    assert [one["epoch"] for one in read_epochs(run)] == list(range(12))


def test_learning_curves_are_the_metrics_and_mark_the_best_epoch(run):
    losses, scores = learning_curves(read_epochs(run), "run").axes
    # A first epoch's loss of hundreds must not flatten the others, and 0 must have a place.
    places = [losses.transData.transform((0, loss))[1] for loss in (0, 1, 10, 100)]
    assert min(after - before for before, after in zip(places, places[1:])) > 5
    lines = {line.get_label(): line for line in losses.lines}
    assert list(lines["sum, training"].get_ydata()) == [3.0 - number for number in range(12)]
    assert list(lines["best epoch: 1"].get_xdata()) == [1, 1]
    # What the metrics do not have is not drawn.
    assert "entities, training" not in lines
    assert [line.get_label() for line in scores.lines] == ["entities", "best epoch: 1"]
    assert scores.lines[0].get_ydata()[3] == pytest.approx(30)


def test_metrics_without_anything_to_draw_make_empty_axes():
    assert learning_curves([{"epoch": 0}], "run").axes[0].get_legend() is None


def test_a_directory_without_epochs_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="has no metrics_epoch_0.json; expected the directory"):
        read_epochs(tmp_path)
    (tmp_path / "metrics_epoch_0.json").write_text("{")
    with pytest.raises(TrainingError, match="metrics_epoch_0.json is not JSON"):
        read_epochs(tmp_path)
