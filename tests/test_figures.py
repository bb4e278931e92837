"""Figures become PNG files that other programs read."""

import struct

import pytest

from joint_ner_re import requirements
from joint_ner_re.figures import COLOURS, new_figure, save_figure

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_figure_becomes_a_png_of_its_size(tmp_path):
    figure, axes = new_figure("A line", size=(5.0, 3.0))
    axes.plot([0, 1], [0, 1])
    save_figure(figure, tmp_path / "line.png")
    data = (tmp_path / "line.png").read_bytes()
    assert data[:8] == PNG
    assert struct.unpack(">II", data[16:24]) == (600, 360)


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        figure, axes = new_figure("A bar")
        axes.bar(["x"], [1])
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'joint_ner_re\[plots\]'"):
        new_figure("None")


def test_several_axes_stand_in_rows_and_columns():
    _, axes = new_figure("Four", rows=2, columns=3)
    assert axes.shape == (2, 3)


def test_lines_take_the_colours_in_turn():
    _, axes = new_figure("Two lines")
    assert [axes.plot([0, 1])[0].get_color() for _ in range(2)] == list(COLOURS[:2])
