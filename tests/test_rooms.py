"""Doors open downwards only: which module may import what."""

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import joint_ner_re

ROOT = Path(joint_ner_re.__file__).parent
PACKAGE = "joint_ner_re"

# A room is a module or a package right under joint_ner_re, with all that is in it.
BELOW = {
    "version": set(),
    "messages": set(),
    "places": set(),
    "records": {"messages"},
    "lazy": set(),
    "requirements": set(),
    "configuration": {"allennlp_changes", "messages"},
    "weight_files": set(),
    "allennlp_changes": set(),
    "console": {"allennlp_changes"},
    "streams": set(),
    "resumable": {"messages", "writing"},
    "writing": {"streams"},
    "tables": set(),
    "figures": {"requirements", "writing"},
    "sentence": {"messages", "records"},
    "casing": set(),
    "gazetteer": {"messages", "sentence"},
    "labels": {"gazetteer", "messages", "sentence"},
    "tag_codec": {"sentence"},
    "token_agreement": {"messages", "sentence"},
    "spacy_import": set(),
    "spacy_tokenizers": set(),
    "sentence_rules": set(),
    "tokenization": {"sentence_rules", "spacy_import", "spacy_tokenizers"},
    "corpora": {
        "messages",
        "records",
        "sentence",
        "streams",
        "tag_codec",
        "tokenization",
        "writing",
    },
    "checking": {
        "corpora",
        "messages",
        "sentence",
        "tables",
        "tag_codec",
        "token_agreement",
        "tokenization",
    },
    "documents": {"corpora", "messages", "sentence", "tokenization"},
    "halving": set(),
    "metrics": {"corpora", "lazy", "sentence"},
    "archives": {"allennlp_changes", "configuration", "messages", "weight_files", "writing"},
    "modules": {"tag_codec", "casing", "configuration", "labels"},
    "pretrained": {"configuration", "metrics", "modules", "weight_files"},
    "dataset_readers": {
        "configuration",
        "corpora",
        "tag_codec",
        "sentence",
        "casing",
        "gazetteer",
        "labels",
        "tokenization",
    },
    "models": {
        "configuration",
        "documents",
        "modules",
        "metrics",
        "tag_codec",
        "sentence",
        "labels",
    },
    "training": {
        "allennlp_changes",
        "configuration",
        "metrics",
        "modules",
        "pretrained",
        "token_agreement",
        "weight_files",
        "writing",
    },
    "runtime": {
        "casing",
        "corpora",
        "documents",
        "gazetteer",
        "halving",
        "messages",
        "sentence",
        "sentence_rules",
        "tag_codec",
        "tokenization",
    },
}
# What comes last may use every room above, and of its own kind only what stands before it.
LAST = [
    "predictors",
    "exporting",
    "review",
    "hub",
    "extractor",
    "spacy_component",
    "extraction",
    "service",
    "experiments",
    "commands",
    "plugin",
    "__main__",
]
for number, room in enumerate(LAST):
    BELOW[room] = {*BELOW, *LAST[:number]}

# What else, by the beginning of a module's path.
STANDARD_LIBRARY_ONLY = [
    "__init__", "lazy", "messages", "places", "records", "requirements", "sentence",
    "sentence_rules", "streams", "writing", "casing", "gazetteer", "tag_codec", "metrics/pairing",
    "metrics/score", "tokenization", "commands/base", "commands/endings",
]  # fmt: skip
# Importing these rooms needs no library that computes; see test_core.py.
CORE = [
    *STANDARD_LIBRARY_ONLY, "corpora", "checking", "review",
    *(f"commands/{name}" for name in ("check", "convert", "draw", "plot")),
]  # fmt: skip
# Where torch, transformers and AllenNLP are not even installed.
RUNTIME = ["runtime", "documents", "halving"]
TENSOR_LIBRARIES = {"torch", "allennlp", "transformers", "numpy"}
# spaCy imports PyTorch where that is installed.
KNOW_SPACY = ["spacy_tokenizers", *LAST]


def module_name(path, root=ROOT):
    """`joint_ner_re.corpora.spert` for `corpora/spert.py`, `joint_ner_re.corpora` for its init."""
    parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exists(name, root=ROOT):
    path = root.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports_of(path, root=ROOT):
    """Everything a file imports, inside functions and for type checking, too, as full names.

    `from package import name` is `package.name` where that is a module of ours.
    """
    found = set()
    name = module_name(path, root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                ours = base.split(".")[0] == PACKAGE and exists(inner, root)
                found.add(inner if ours else base)
    return found


FILES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))]
each_file = pytest.mark.parametrize("file", [file for file in FILES if file != "__init__.py"])


@cache
def imports(file):
    return imports_of(ROOT / file)


def room_of(file):
    return file.split("/")[0].removesuffix(".py")


def rooms_in(names):
    """The rooms of ours among imported names; the package itself is the room `""`."""
    return {(name.split(".") + [""])[1] for name in names if name.split(".")[0] == PACKAGE}


def others_in(names):
    return {name.split(".")[0] for name in names} - {PACKAGE}


def lies_in(file, rooms):
    return any(file == f"{room}.py" or file.startswith(f"{room}/") for room in rooms)


@each_file
def test_doors_open_downwards_only(file):
    room = room_of(file)
    assert room in BELOW, f"{room} is a new room: say here what it may import"
    assert rooms_in(imports(file)) <= {room, *BELOW[room]}


def test_the_front_door_imports_rooms_and_nothing_else():
    assert others_in(imports("__init__.py")) <= set(sys.stdlib_module_names)
    assert rooms_in(imports("__init__.py")) <= set(BELOW)


def test_no_room_stands_above_itself():
    # A circle raises a CycleError.
    assert set(TopologicalSorter(BELOW).static_order()) == set(BELOW)


@each_file
def test_the_core_imports_no_tensor_library(file):
    if lies_in(file, CORE):
        assert not others_in(imports(file)) & TENSOR_LIBRARIES


@each_file
def test_the_runtime_imports_nothing_of_training(file):
    if lies_in(file, RUNTIME):
        known = {*sys.stdlib_module_names, "numpy", "onnxruntime", "tokenizers"}
        assert others_in(imports(file)) <= known


@each_file
def test_the_lowest_rooms_import_the_standard_library_only(file):
    foreign = others_in(imports(file)) - set(sys.stdlib_module_names)
    if lies_in(file, ["tokenization"]):
        # For the type checker alone.
        foreign -= {"spacy"}
    if lies_in(file, STANDARD_LIBRARY_ONLY):
        assert not foreign
    elif not lies_in(file, KNOW_SPACY):
        assert "spacy" not in foreign


def test_only_corpora_knows_its_parsers():
    """Others enter by `read_corpus`; a parser is a module that the room's own door imports."""
    parsers = {
        name for name in imports("corpora/__init__.py")
        if name.startswith(f"{PACKAGE}.corpora.")
        and name.split(".")[-1] not in ("annotations", "documents", "errors", "files")
    }  # fmt: skip
    assert f"{PACKAGE}.corpora.ade_rel" in parsers
    users = {file for file in FILES if imports(file) & parsers}
    assert all(file.startswith("corpora/") for file in users)


# The walk itself


def test_the_walk_sees_what_is_there():
    assert "joint_ner_re.sentence" in imports("tag_codec.py")
    assert "torch" in imports("modules/crf.py")
    assert {"models", "modules"} <= rooms_in(imports("plugin.py"))


def test_the_walk_sees_every_kind_of_import(tmp_path):
    for file in ("a.py", "room/__init__.py", "room/b.py", "room/deep/__init__.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    path = tmp_path / "room" / "deep" / "c.py"
    path.write_text(
        "import torch.nn as nn, json\n"
        "from joint_ner_re import a, missing\n"
        "from joint_ner_re.room import b\n"
        "from joint_ner_re.room.b import name\n"
        "def later():\n"
        "    from spacy.tokens import Doc\n"
        "    from . import d\n"
        "    from .. import b\n"
        "    from ...a import x\n"
    )
    assert imports_of(path, tmp_path) == {
        "torch.nn", "json", "spacy.tokens", "joint_ner_re.a", "joint_ner_re",
        "joint_ner_re.room.b", "joint_ner_re.room.deep",
    }  # fmt: skip
    inside = tmp_path / "room" / "__init__.py"
    inside.write_text("from . import b\nfrom .b import x\nfrom ..a import y\n")
    assert imports_of(inside, tmp_path) == {"joint_ner_re.room.b", "joint_ner_re.a"}
