"""Whole trainings and their weights, for the tests of callbacks."""

import json

import pytest
import torch
from allennlp.commands.train import train_model_from_file


def weights_after(config, run, overrides, epochs, recover=False):
    """Train by a configuration, with overrides; the weights after so many epochs, by name."""
    train_model_from_file(config, run, json.dumps(overrides), recover=recover)
    return torch.load(run / f"model_state_e{epochs}_b0.th", map_location="cpu")


def same(first, second):
    """The names of equal values."""
    assert first.keys() == second.keys()
    return [name for name in first if torch.equal(first[name], second[name])]


def all_same(first, second):
    return len(same(first, second)) == len(first)


def check_recovery(train, interrupt, at, epochs, **options):
    """A training that is interrupted in an epoch, and resumed, ends as one that is not.

    `train` takes a name, the number of epochs and `recover`, and returns the last weights.
    """
    whole = train("whole", epochs=epochs, **options)
    begun = interrupt(at)
    with pytest.raises(KeyboardInterrupt):
        train("broken", epochs=epochs, **options)
    found = train("broken", epochs=epochs, recover=True, **options)
    assert begun == [*range(at + 1), *range(at, epochs)]
    assert all_same(found, whole)
