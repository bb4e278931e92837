"""Tables in Markdown."""

from joint_ner_re.tables import markdown_table


def test_a_tables_cells_keep_to_themselves():
    table = markdown_table(["a", "b"], [["x|y", "1\n2"]])
    assert table == "| a | b |\n| --- | --- |\n| x\\|y | 1 2 |"


def test_figures_stand_on_the_right():
    table = markdown_table(["a", "b", "c"], [["x", 1, 2.5]], numbers=True)
    assert table == "| a | b | c |\n| --- | ---: | ---: |\n| x | 1 | 2.5 |"
