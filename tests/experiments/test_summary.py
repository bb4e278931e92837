"""Means and tables."""

import statistics

import pytest

from joint_ner_re.experiments.reports import command_line, percents
from joint_ner_re.experiments.summary import spread


def test_the_spread_is_the_statistics_modules():
    values = [0.5, 0.75, 0.4, 0.9]
    found = spread(values)
    assert found["mean"] == pytest.approx(statistics.mean(values))
    assert found["standard_deviation"] == pytest.approx(statistics.stdev(values))
    assert found["runs"] == 4


def test_one_value_has_no_deviation():
    assert spread([0.5]) == {"mean": 0.5, "standard_deviation": None, "runs": 1}
    assert percents(spread([0.5])) == "50.0"
    assert percents(spread([0.5, 0.6])) == "55.0 ± 7.1"


def test_a_command_can_be_pasted():
    assert (
        command_line("repeat", "a b", "-o", '{"x": 1}') == "allennlp repeat 'a b' -o '{\"x\": 1}'"
    )
