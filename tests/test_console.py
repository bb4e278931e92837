"""What the programs show while they train and evaluate."""

import json
import logging
import os
import pty
import re
import termios

import pytest
from programs import Program

from joint_ner_re.console import Formatter, is_wanted
from joint_ner_re.experiments.crash_safe_files import headline

TIME = r"\d\d:\d\d:\d\d "
NUMBER = r"\d+\.\d{4}"
READ = TIME + r"fixtures/conll04_spert\.json \(overlap: keep\): 11 sentences"
SCORED = rf", entity_f1 {NUMBER}, relation_f1 {NUMBER}, mean_f1 {NUMBER} \(best {NUMBER}\)"
SCORES = ", ".join(
    f"{name} {NUMBER}"
    for name in (
        "entity_precision", "entity_recall", "entity_f1",
        "relation_precision", "relation_recall", "relation_f1", "mean_f1",
    )
)  # fmt: skip


# A model as it is made predicts something; what it learns in a moment may be to predict nothing.
STAYS_AS_MADE = {"model.relation_threshold": 0.0, "trainer.optimizer.lr": 0}
# What changes what is shown.
UNSET = dict.fromkeys(("ALLENNLP_LOG_LEVEL", "ALLENNLP_DEBUG", "PYTHONWARNINGS"))


def epoch(number, of, scores=SCORED):
    return rf"{TIME}training: {number} of {of} epochs, loss {NUMBER}{scores}, \d+ s"


def program(root, *arguments, **variables):
    """Runs `joint-ner-re` as a user does. Returns what it shows: two lists of lines."""
    done = Program("joint_ner_re", *arguments, directory=root, variables={**UNSET, **variables})
    shown, errors = done.communicate()
    assert done.returncode == 0, errors
    return shown.splitlines(), errors.splitlines()


def assert_lines(lines, patterns):
    assert len(lines) == len(patterns), "\n".join(lines)
    for line, pattern in zip(lines, patterns):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"


def test_a_training_shows_a_line_for_each_epoch_and_its_scores(root, tmp_path):
    run = tmp_path / "run"
    overrides = {"trainer.num_epochs": 3, **STAYS_AS_MADE}
    shown, errors = program(
        root, "train", "fixtures/tiny.jsonnet", "-s", run, "-o", json.dumps(overrides)
    )
    assert errors == []
    assert_lines(shown, [
        READ,
        READ,
        *(epoch(number, 3) for number in (1, 2, 3)),
        rf"{TIME}validation scores of the best epoch, 1: {SCORES}",
        rf"{TIME}archiving weights and vocabulary to {re.escape(str(run))}/model\.tar\.gz",
    ])  # fmt: skip
    # The file has everything.
    log = (run / "out.log").read_text()
    assert "INFO - allennlp.common.params - random_seed = 13" in log
    assert shown[-2].partition(" ")[2] in log


def test_an_evaluation_shows_its_scores(root, tiny_archive):
    shown, errors = program(root, "evaluate", tiny_archive, "fixtures/conll04_spert.json")
    assert shown == []
    assert_lines(errors, [
        rf"{TIME}Reading evaluation data from conll04_spert",
        READ,
        rf"{TIME}scores: {SCORES}",
        rf"{TIME}Finished evaluating\.",
    ])  # fmt: skip


def test_whoever_sets_the_level_gets_all_of_allennlps_messages(root, tmp_path):
    shown, errors = program(
        root, "train", "fixtures/tiny.jsonnet", "-s", tmp_path / "run", ALLENNLP_LOG_LEVEL="INFO"
    )
    assert any(
        line.endswith(" - INFO - allennlp.common.params - random_seed = 13") for line in shown
    )
    assert any("it/s" in line for line in errors)


def test_on_a_terminal_no_line_is_glued_to_a_bar(root, tmp_path):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 200))
    # A bar is drawn again after a tenth of a second, so an epoch has to take longer.
    slower = {"data_loader.batch_sampler.batch_size": 1, "model.encoder.shared.hidden_size": 400}
    overrides = {**slower, **STAYS_AS_MADE}
    process = Program(
        "joint_ner_re", "train", "fixtures/tiny.jsonnet", "-s", tmp_path / "run",
        "-o", json.dumps(overrides), directory=root, variables=UNSET, terminal=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            # The other end is closed.
            break
        written += part
        if not part:
            break
    os.close(ours)
    assert process.wait() == 0
    assert b"loss:" in written and b"%|" in written
    # What a terminal shows: a carriage return overwrites the line from its beginning.
    lines = [screen(line) for line in written.decode().replace("\r\n", "\n").split("\n")]
    kept = [line for line in lines if line.strip()]
    assert len(kept) == 6 and all(re.match(TIME, line) for line in kept), kept


def screen(line):
    """What remains of a line in which carriage returns lead back to its beginning."""
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip()


def record(name, level, message):
    return logging.LogRecord(name, level, "file.py", 1, message, (), None)


@pytest.mark.parametrize("name, level, message, wanted", [
    ("allennlp.common.params", "INFO", "random_seed = 13", False),
    ("allennlp.training.gradient_descent_trainer", "WARNING", "the loss is NaN", True),
    ("allennlp.training.gradient_descent_trainer", "WARNING",
     "You provided a validation dataset but patience was set to None, meaning", False),
    ("allennlp.commands.evaluate", "INFO", "Finished evaluating.", True),
    ("allennlp.commands.train", "INFO", "From dataset instances, train will be", False),
    ("joint_ner_re.progress", "INFO", "training: 1 of 2 epochs", True),
    # A user's own package.
    ("my_parts", "INFO", "reading", True),
    ("allennlp_like", "INFO", "reading", True),
])  # fmt: skip
def test_what_is_shown(name, level, message, wanted):
    assert is_wanted(record(name, getattr(logging, level), message)) is wanted


def test_a_warning_has_its_level_and_a_python_warning_no_source_code():
    formatted = Formatter().format
    assert re.fullmatch(TIME + "done", formatted(record("a", logging.INFO, "done")))
    assert re.fullmatch(TIME + "WARNING odd", formatted(record("a", logging.WARNING, "odd")))
    python = record("py.warnings", logging.WARNING, "a.py:3: UserWarning: odd\n  warn('odd')\n")
    assert re.fullmatch(TIME + "WARNING a.py:3: UserWarning: odd", formatted(python))


def test_the_headline():
    scores = {"entity_f1": 0.5, "relation_f1": 0.25, "mean_f1": 0.375, "entity_f1/Loc": 0.5}
    assert headline(scores) == "scores: entity_f1 0.5000, relation_f1 0.2500, mean_f1 0.3750"
    best = {f"best_validation_{name}": value for name, value in scores.items()}
    assert headline({"best_epoch": 4, "training_loss": 1.0, **best}) == (
        "validation scores of the best epoch, 5: "
        "entity_f1 0.5000, relation_f1 0.2500, mean_f1 0.3750"
    )
    # Another model's.
    assert headline({"perplexity": 2.0, "name": "x"}) == "scores: perplexity 2.0000"
