"""Configurations and weights with the names of release 0.1."""

import re
from collections import OrderedDict

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from joint_ner_re.models.old_names import current_options
from joint_ner_re.sentence import Entity, Relation, Sentence

CORPUS = [
    Sentence(
        ["Acute", "lithium", "toxicity"],
        [Entity("Effect", 1, 3), Entity("Drug", 1, 2)],
        [Relation("Causes", 1, 0)],
    )
]


def test_old_options_are_those_of_the_entity_finder():
    old = {"tag_scorer": {"hidden_size": 3}, "tag_scheme": "BIO", "tag_levels": 2, "bfloat16": True}
    finder = {"scorer": {"hidden_size": 3}, "tag_scheme": "BIO", "tag_levels": 2}
    assert current_options(old) == {"entity_finder": finder, "bfloat16": True}
    today = {"entity_finder": finder}
    assert current_options(today) == today


def test_an_old_option_wins_and_leaves_the_others():
    finder = {"type": "crf", "scorer": {"hidden_size": 3, "dropout": 0.5}, "tag_scheme": "BIOUL"}
    mixed = {"entity_finder": finder, "tag_scheme": "BIO", "tag_scorer": {"hidden_size": 4}}
    assert current_options(mixed)["entity_finder"] == {
        "type": "crf", "scorer": {"hidden_size": 4, "dropout": 0.5}, "tag_scheme": "BIO",
    }  # fmt: skip
    assert current_options({"entity_finder": "crf", "tag_levels": 2}) == {
        "entity_finder": {"type": "crf", "tag_levels": 2}
    }


def test_both_spellings_make_the_same_model(make):
    old = {"model.tag_scheme": "BIO", "model.tag_levels": 2, "model.tag_scorer": {"hidden_size": 5}}
    new = {
        "model.entity_finder.tag_scheme": "BIO",
        "model.entity_finder.tag_levels": 2,
        "model.entity_finder.scorer.hidden_size": 5,
    }
    models = [make(CORPUS, options).model for options in (old, new)]
    states = [model.state_dict() for model in models]
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model.tag_scheme": "IOB"}, "unknown tag scheme 'IOB'"),
        ({"model.tag_levels": "2"}, "entity_finder.tag_levels is '2'; expected a whole number"),
        ({"model.entity_finder": 5, "model.tag_levels": 2}, "entity_finder is 5"),
    ],
)
def test_an_impossible_old_option_is_an_error(make, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make(CORPUS, options)


def test_old_weights_are_loaded_level_by_level(make):
    source, target = (
        make(CORPUS, {"model.entity_finder.tag_levels": 3}, seed=seed).model for seed in (1, 2)
    )
    old = OrderedDict()
    for name, weight in source.state_dict().items():
        name = re.sub(r"^entity_finder\.levels\.0\.scorer\.", "tag_scorer.", name)
        name = re.sub(r"^entity_finder\.levels\.0\.crf\.", "crf.", name)
        for level in (1, 2):
            name = name.replace(f"entity_finder.levels.{level}.crf", f"further_crfs.{level - 1}")
            name = name.replace(
                f"entity_finder.levels.{level}.scorer", f"further_tag_scorers.{level - 1}"
            )
        old[name] = weight
    assert not any("entity_finder" in name for name in old)
    target.load_state_dict(old)
    for name, weight in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], weight), name
    # Also inside another module, as in distributed training.
    wrapped = torch.nn.Sequential(make(CORPUS, {"model.entity_finder.tag_levels": 3}).model)
    wrapped.load_state_dict({f"0.{name}": weight for name, weight in old.items()})
    assert torch.equal(wrapped[0].entity_finder.levels[2].crf.start, old["further_crfs.1.start"])
