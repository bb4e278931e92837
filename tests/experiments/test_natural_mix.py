"""Scores at the natural mix, worked out by hand."""

import json

import numpy
import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from joint_ner_re import archives
from joint_ner_re.corpora import read_corpus, write_corpus
from joint_ner_re.experiments import natural_mix as module
from joint_ner_re.experiments import runs
from joint_ner_re.experiments.natural_mix import figures_at, natural_mix
from joint_ner_re.experiments.plots import plot_natural_mixes
from joint_ner_re.experiments.thresholds import Candidates
from joint_ner_re.metrics import score
from joint_ner_re.sentence import Sentence


def candidates(sentences, scores, correct, gold):
    return Candidates(
        numpy.array(sentences), numpy.zeros(len(scores), dtype=int), numpy.array(scores),
        numpy.array(correct, dtype=bool), numpy.array(gold), ["Causes"],
    )  # fmt: skip


# Two sentences with four relations; of the three predicted from 0.5 on two are right.
POSITIVES = candidates([0, 0, 1, 1], [0.9, 0.6, 0.7, 0.2], [True, False, True, True], [2, 2])
# Ten sentences; from 0.5 on two have a relation, one of them two.
NEGATIVES = candidates([3, 3, 7, 8], [0.8, 0.5, 0.55, 0.1], [False] * 4, [0] * 10)


def test_what_is_wrong_in_negative_sentences_counts_in_proportion():
    # Four negative sentences for each of the two: eight tenths of the three wrong relations, 2.4.
    figures = figures_at(POSITIVES, NEGATIVES, 4, 0.5)
    assert figures == pytest.approx(
        {
            "precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7,
            "false_sentences": 0.2, "false_relations": 300,
            "mix_precision": 2 / 5.4, "mix_f1": 4 / 9.4,
        }
    )  # fmt: skip
    assert figures_at(POSITIVES, NEGATIVES, 4, {"Causes": 0.5}) == figures


def test_where_all_text_has_relations_the_mix_changes_nothing():
    figures = figures_at(POSITIVES, NEGATIVES, 0, 0.5)
    assert figures["mix_precision"] == figures["precision"]
    assert figures["mix_f1"] == figures["f1"]


def test_where_nothing_is_predicted_all_is_zero():
    assert set(figures_at(POSITIVES, NEGATIVES, 4, 0.95).values()) == {0}


@pytest.mark.parametrize(
    "max_false, chosen",
    [
        # At 0.75 one relation is right and one negative sentence has one: 2 / (1 + 0.8 + 4). At
        # 0.6 two of three are right: 4 / (3 + 0.8 + 4), the highest. At 0.9 it is 2 / (1 + 4).
        (None, 0.6),
        (0.1, 0.6),
        (0.05, 0.9),
        # None finds so few: the last one, which finds the fewest.
        (-1, 0.95),
    ],
)
def test_the_threshold_has_the_highest_f1_of_those_that_find_few_enough(max_false, chosen):
    curve = [
        {"threshold": limit, **figures_at(POSITIVES, NEGATIVES, 4, limit)}
        for limit in (0.3, 0.6, 0.75, 0.9, 0.95)
    ]
    assert module._choose(curve, max_false) == chosen


@pytest.fixture
def negatives(fixtures, tmp_path):
    """The sentences that the model knows by heart, turned round and said to hold nothing."""
    path = tmp_path / "negatives.jsonl"
    sentences = read_corpus(fixtures / "conll04_spert.json")
    write_corpus((Sentence(s.tokens[::-1], id=s.id) for s in sentences), path, "jsonl")
    return path


def predicted(archive, data):
    with runs.quiet():
        loaded = load_archive(str(archive))
        return runs.predict(loaded.model, loaded.validation_dataset_reader, str(data))


def test_the_command_says_what_evaluation_says(
    learned, fixtures, negatives, is_png, tmp_path, in_root, allennlp, capsys
):
    positives, output = fixtures / "conll04_spert.json", tmp_path / "chosen.tar.gz"
    allennlp(
        "natural-mix", learned, positives, negatives, "--negatives-for-each", 4, "--max-false", 0.5,
        "--output-archive", output, "-s", tmp_path / "mix",
    )  # fmt: skip
    result = json.loads((tmp_path / "mix" / "natural_mix.json").read_text())
    assert is_png(tmp_path / "mix" / "natural_mix.png")
    table = (tmp_path / "mix" / "natural_mix.md").read_text()
    assert f"| chosen | {result['chosen']:g} |" in table
    assert f"the archive with the threshold {result['chosen']:g}" in capsys.readouterr().out
    assert (result["before"], result["negatives_for_each"]) == (0.5, 4)
    for archive, name in ((learned, "before"), (output, "chosen")):
        figures, expected = result["figures"][name], score(*predicted(archive, positives))
        for figure in ("precision", "recall", "f1"):
            assert figures[figure] == pytest.approx(expected[f"relation_{figure}"])
        _, false = predicted(archive, negatives)
        # Turned round, there must be something to find, or the figures would show nothing.
        assert name == "chosen" or any(s.relations for s in false)
        count = len(false)
        assert figures["false_relations"] == 1000 * sum(len(s.relations) for s in false) / count
        assert figures["false_sentences"] == sum(bool(s.relations) for s in false) / count
        assert result["false_entities"] == 1000 * sum(len(s.entities) for s in false) / count


def test_data_of_the_wrong_kind_is_an_error(learned, fixtures, negatives, in_root):
    positives = str(fixtures / "conll04_spert.json")
    with pytest.raises(
        ConfigurationError, match=r"spert.json has \d+ sentences with relations; exp"
    ):
        natural_mix(str(learned), positives, positives)
    with pytest.raises(ConfigurationError, match="negatives.jsonl has no relations; expected"):
        natural_mix(str(learned), str(negatives), str(negatives))
    with pytest.raises(ConfigurationError, match="max_false is -1; expected 0 or more"):
        natural_mix(str(learned), positives, str(negatives), max_false=-1)


def test_with_the_probability_of_the_whole(learned, fixtures, negatives, tmp_path, in_root):
    positives, output = fixtures / "conll04_spert.json", tmp_path / "whole.tar.gz"
    arguments = (str(learned), str(positives), str(negatives), 4)
    pair = natural_mix(*arguments)
    whole = natural_mix(*arguments, None, str(output), None, "whole")
    assert (pair["relation_probability"], whole["relation_probability"]) == ("pair", "whole")
    assert whole["curve"] != pair["curve"]
    with archives.extracted(str(output)) as extracted:
        model = archives.read_config(extracted)["model"]
    assert (model["relation_probability"], model["relation_threshold"]) == (
        "whole", whole["chosen"],
    )  # fmt: skip
    expected = score(*predicted(output, positives))
    for figure in ("precision", "recall", "f1"):
        assert whole["figures"]["chosen"][figure] == pytest.approx(expected[f"relation_{figure}"])


def test_several_models_in_one_table_and_one_figure(
    learned, fixtures, negatives, is_png, tmp_path, in_root, allennlp
):
    data = (learned, fixtures / "conll04_spert.json", negatives)
    pair, whole = tmp_path / "pair", tmp_path / "whole"
    allennlp("natural-mix", *data, "-s", pair)
    before = (pair / "natural_mix.json").read_bytes()
    allennlp("natural-mix", *data, "--relation-probability", "whole", "-s", whole, "--beside", pair)
    table = (whole / "natural_mix.md").read_text().splitlines()
    rows = [line for line in table if line.startswith(f"| {tmp_path}")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {pair}"] * 2 + [f"| {whole}"] * 2
    assert set(rows[:2]) <= set((pair / "natural_mix.md").read_text().splitlines())
    assert is_png(whole / "natural_mix.png")
    # The other result is left as it was, and each file holds one model's.
    assert (pair / "natural_mix.json").read_bytes() == before
    assert json.loads((whole / "natural_mix.json").read_text())["relation_probability"] == "whole"


def test_the_figure_of_several_models_shows_the_curves_of_each():
    def result(thresholds):
        curve = [{"threshold": t, **figures_at(POSITIVES, NEGATIVES, 4, t)} for t in thresholds]
        return {
            "positives": {"data": "p", "sentences": 2}, "negatives": {"data": "n", "sentences": 10},
            "negatives_for_each": 4, "curve": curve, "figures": {"chosen": curve[0]},
        }  # fmt: skip

    figure = plot_natural_mixes({"one": result([0.5, 0.95]), "two": result([0.6])})
    by_threshold, against_recall = figure.axes
    names = against_recall.get_legend_handles_labels()[1]
    assert names == ["one", "two", "the chosen threshold"]
    curves = {line.get_label(): line.get_xydata() for line in against_recall.lines}
    # As in the tests above: 2 of 4 found and 2 of 5.4 right at 0.5, and nothing at 0.95.
    assert curves["one"] == pytest.approx(numpy.array([[50, 100 * 2 / 5.4]]))
    assert curves["two"] == pytest.approx(numpy.array([[50, 100 * 2 / 3.8]]))
    precisions, recalls = (by_threshold.lines[place].get_xydata() for place in (0, 1))
    assert precisions == pytest.approx(numpy.array([[0.5, 100 * 2 / 5.4]]))
    assert recalls == pytest.approx(numpy.array([[0.5, 50]]))


def test_a_result_of_other_data_is_not_compared(learned, fixtures, negatives, tmp_path, in_root):
    data = (str(learned), str(fixtures / "conll04_spert.json"), str(negatives))
    other = tmp_path / "other"
    natural_mix(*data, negatives_for_each=2, directory=other)
    with pytest.raises(ConfigurationError, match="other has 2 as negatives_for_each; expected 4"):
        natural_mix(*data, negatives_for_each=4, beside=[other])


@pytest.mark.parametrize("content", [None, "", "[]", '{"curve": []}'])
def test_what_is_no_result_of_the_command_is_an_error(content, tmp_path):
    if content is not None:
        (tmp_path / "natural_mix.json").write_text(content)
    with pytest.raises(ConfigurationError, match="natural_mix.json is missing or no result of"):
        natural_mix("no such model", "p", "n", beside=[tmp_path])
