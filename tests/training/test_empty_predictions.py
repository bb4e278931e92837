"""Trainings whose last epochs predict nothing say so."""

import json
import logging

import pytest
from allennlp.commands.train import train_model_from_file

from joint_ner_re.metrics.joint_score import Totals
from joint_ner_re.training.empty_predictions import last_epochs, of_epochs, warning

# Steps that are so large that after three epochs the tiny model calls every token outside.
NOTHING = {
    "trainer.optimizer.lr": 0.05,
    "trainer.learning_rate_scheduler": None,
    "trainer.num_epochs": 3,
}
LEARNS = {**NOTHING, "trainer.optimizer.lr": 0.02, "trainer.num_epochs": 40}
BOTH = "no entity and no relation was predicted in"
# The fixture, counted: 33 entities and 18 relations.
GOLD = "which has 33 entities and 18 relations. Try fewer layers, such as layers:: { shared: 0"


@pytest.fixture
def warned(fixtures, in_root, few_threads, tmp_path):
    """Trains, and returns the lines of the log that say that nothing was predicted."""
    import joint_ner_re.plugin  # noqa: F401

    class Lines(logging.Handler):
        """Keeps what is logged, wherever AllenNLP's handlers write it."""

        def emit(self, record):
            lines.append(f"{record.levelname} - {record.name} - {record.getMessage()}")

    lines: list[str] = []
    logger = logging.getLogger("joint_ner_re.progress")
    handler = Lines()

    def trained(overrides, recover=False):
        lines.clear()
        train_model_from_file(
            fixtures / "tiny.jsonnet", tmp_path / "run", json.dumps(overrides), recover=recover
        )
        return [line for line in lines if " was predicted in " in line]

    logger.addHandler(handler)
    yield trained
    logger.removeHandler(handler)


def test_a_training_that_predicts_nothing_says_what_to_try(warned):
    (line,) = warned(NOTHING)
    assert f"WARNING - joint_ner_re.progress - training: in the last epoch {BOTH} " in line
    assert f"the development data, {GOLD}" in line
    assert "more epochs, a higher learning rate. joint-ner-re check tells" in line


def test_a_training_that_predicts_something_says_nothing(warned):
    assert warned(LEARNS) == []


def test_without_development_data_a_sample_of_the_training_data_is_predicted(warned):
    (line,) = warned({**NOTHING, "validation_data_path": None})
    assert f"at the end {BOTH} a sample of the training data, {GOLD}" in line


def test_without_development_data_a_training_that_learns_says_nothing(warned):
    assert warned({**LEARNS, "validation_data_path": None}) == []


def test_entities_without_relations(warned):
    # No probability is as high.
    (line,) = warned({**LEARNS, "model.relation_threshold": 1.0})
    assert "in the last 14 of 40 epochs no relation was predicted in the development data" in line
    assert "which has 18 relations. Try a lower relation_threshold (now 1), fewer layers" in line


def test_a_training_that_resumes_knows_the_epochs_before(warned, interrupt):
    six = {**NOTHING, "trainer.num_epochs": 6}
    interrupt(5)
    with pytest.raises(KeyboardInterrupt):
        warned(six)
    (line,) = warned(six, recover=True)
    assert f"in the last 2 of 6 epochs {BOTH} the development data, {GOLD}" in line


@pytest.mark.parametrize("epochs, last", [(1, 1), (2, 1), (3, 1), (4, 2), (20, 7)])
def test_the_last_epochs_are_a_third(epochs, last):
    history = [{"entity": Totals(n, 5), "relation": Totals(0, 0)} for n in range(epochs)]
    assert last_epochs(history) == history[epochs - last :]


def test_one_epoch_that_predicts_something_is_enough():
    history = [
        {"entity": Totals(found, 5), "relation": Totals(0, 2)} for found in (9, 0, 0, 3, 0, 0)
    ]
    assert of_epochs(history[3:]) == {"entity": (3, 5), "relation": (0, 2)}


@pytest.mark.parametrize("totals, expected", [
    ([(0, 0), (0, 0)], None),
    ([(3, 5), (1, 2)], None),
    # What gold has none of cannot be missing.
    ([(3, 5), (0, 0)], None),
    ([(0, 5), (0, 0)], "now no entity was predicted in the texts, which has 5 entities. Try"),
    ([(3, 5), (0, 2)], "now no relation was predicted in the texts, which has 2 relations. Try"),
])  # fmt: skip
def test_what_is_missing_is_named(totals, expected):
    entity, relation = (Totals(*pair) for pair in totals)
    found = warning({"entity": entity, "relation": relation}, "now", "the texts", 0.5)
    assert found is None if expected is None else found.startswith(expected)
