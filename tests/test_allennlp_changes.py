"""That the list of what is changed in AllenNLP is the truth."""

import json

from programs import printed

from joint_ner_re.allennlp_changes import CHANGES, REGISTRATIONS

# Attributes of AllenNLP's modules and classes, and registered names, before and after.
COMPARE = """
import importlib, inspect, json, pkgutil, sys
import allennlp.commands, allennlp.predictors, allennlp.interpret, allennlp.sanity_checks
from allennlp.common.registrable import Registrable

for package in ("common", "data", "models", "training", "modules", "nn", "commands", "evaluation"):
    module = importlib.import_module(f"allennlp.{package}")
    for one in pkgutil.walk_packages(module.__path__, module.__name__ + "."):
        try:
            importlib.import_module(one.name)
        except ImportError:  # Of an extra that is not installed.
            pass

def attributes():
    found = {}
    for name, module in list(sys.modules.items()):
        if not name.startswith("allennlp.") or module is None:
            continue
        for key, value in list(vars(module).items()):
            if key.startswith("__") or inspect.ismodule(value):
                continue
            found[f"{name}:{key}"] = value
            if inspect.isclass(value) and value.__module__ == name:
                for inner, attribute in list(vars(value).items()):
                    if not inner.startswith("_abc_") and (inner[:2] != "__" or callable(attribute)):
                        found[f"{name}:{key}.{inner}"] = attribute
    return found

def registered():
    return {
        (f"{base.__module__}:{base.__qualname__}", name): value
        for base, names in Registrable._registry.items() for name, value in names.items()
    }

before, names = attributes(), registered()
import joint_ner_re.plugin
after, later = attributes(), registered()
print(json.dumps([
    sorted(key for key in before if after.get(key) is not before[key]),
    sorted([base, name, f"{later[base, name][0].__module__}:{later[base, name][0].__qualname__}"]
           for base, name in names if later.get((base, name)) != names[base, name]),
    sorted(key for key in after if key not in before and key.split(":")[0] in
           {place.split(":")[0] for place in before}),
]))
"""


def test_the_list_is_what_differs_in_a_process_without_the_package(root):
    lines = printed("-c", COMPARE, directory=root).splitlines()
    changed, registered, added = json.loads(lines[-1])
    # A class that is replaced has other attributes, too.
    changed = [place for place in changed if place.rpartition(".")[0] not in changed]
    assert changed == sorted(change.place for change in CHANGES)
    assert [tuple(entry) for entry in registered] == sorted(
        (entry.base, entry.name, entry.replacement) for entry in REGISTRATIONS
    )
    assert added == []


def test_every_change_has_a_reason():
    assert all(len(entry.reason.split()) > 3 for entry in [*CHANGES, *REGISTRATIONS])
