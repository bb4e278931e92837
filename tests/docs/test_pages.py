"""The pages of docs/: what they say works, their links lead somewhere, and what is made from the
code is complete."""

import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from fences import blocks, commands, follow
from notebooks import cells, run_notebook
from programs import printed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTEBOOK = DOCS / "notebook.ipynb"
LIBRARY = ROOT / "joint_ner_re/configurations/joint_ner_re.libsonnet"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Blocks of languages that MkDocs highlights.
LANGUAGES = {"bash", "console", "csv", "json", "jsonnet", "python", "text", "xml"}


def name_of(path):
    return path.name


def without_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def scripts():
    """docs/scripts, whose modules import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS / "scripts")
        yield


@pytest.fixture(scope="module")
def reference(scripts):
    import reference

    return reference


# What the pages say works


def like_a_checkout(directory):
    """The directory, with what the pages need of a checkout."""
    for name in (".allennlp_plugins", "fixtures", "training_config"):
        (directory / name).symlink_to(ROOT / name)
    return directory


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory, few_threads):
    """The directory of the quick start, done; other pages use its model."""
    directory = like_a_checkout(tmp_path_factory.mktemp("checkout"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        follow(DOCS / "quickstart.md")
    return directory


def test_the_quick_start_works_as_written(quickstart):
    for name in ("texts.txt", "found.jsonl", "found.html", "runs/first/metrics.json"):
        assert (quickstart / name).stat().st_size


@pytest.mark.parametrize("page", ["predict.md", "evaluate.md"])
def test_a_how_to_works_as_written(page, quickstart, monkeypatch):
    monkeypatch.chdir(quickstart)
    assert follow(DOCS / page)


def test_the_notebook_works_as_written(quickstart, monkeypatch):
    monkeypatch.chdir(quickstart)

    def run(command, check, capture_output, text):
        assert command[:2] == [sys.executable, "-m"] and check and capture_output and text
        return SimpleNamespace(stdout=printed(*command[2:], directory=quickstart))

    monkeypatch.setattr(subprocess, "run", run)
    ran = run_notebook(NOTEBOOK)
    assert ran.shown["load"] == (["Drug", "Adverse-Effect", "Dose"], ["Causes", "Has_Dose"])
    doc = ran.shown["draw"]
    assert "Methotrexate<b>Drug</b></mark>" in doc._repr_html_()
    assert [line.rpartition(" ")[0] for line in ran.printed["entities"].splitlines()] == [
        "Drug Methotrexate 0 to 12", "Adverse-Effect pneumonitis 36 to 47",
    ]  # fmt: skip
    assert ran.printed["relations"].startswith("Methotrexate Causes pneumonitis 0.")
    assert ran.shown["record"] == doc.to_dict()["relations"] and len(ran.shown["record"]) == 1
    # Two entities, two types, two directions.
    assert ran.printed["lower"] == "1 relation from 0.5 on, 4 from 0 on\n"
    both = [["a", "Metformin", "Causes", "lactic acidosis"],
            ["c", "Methotrexate", "Causes", "pneumonitis"]]  # fmt: skip
    assert ran.shown["frame"].iloc[:, :4].values.tolist() == both
    # The patient of b has no relation, and so no row; the wards came back.
    assert ran.shown["read"].values.tolist() == [
        [both[0][0], "north", *both[0][1:]],
        [both[1][0], "south", *both[1][1:]],
    ]
    assert ran.printed["extract"] == "relations.csv: 3 documents\n\n"
    assert ran.names["extractor"].relation_threshold == ran.names["before"]


def test_the_notebook_holds_no_outputs():
    """They would have paths and figures of one machine."""
    content = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert len(code) == 10
    assert {(cell["execution_count"], len(cell["outputs"])) for cell in code} == {(None, 0)}
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    for text in cells(NOTEBOOK, "markdown").values():
        for target in LINK.findall(text):
            assert (DOCS / target).exists(), target


def test_looking_at_predictions_works_as_written(quickstart, monkeypatch):
    monkeypatch.chdir(quickstart)
    (quickstart / "runs/conll04").symlink_to("first")
    (quickstart / "dev.jsonl").symlink_to("fixtures/sample/dev.jsonl")
    assert follow(DOCS / "review.md")
    for name in ("dev.html", "figures/precision_recall.png", "learning.png", "dev.all.jsonl"):
        assert (quickstart / name).stat().st_size


def test_training_works_as_written(tmp_path, few_imports, monkeypatch):
    monkeypatch.chdir(like_a_checkout(tmp_path))
    paths = [f"train_data_path: 'fixtures/sample/train.jsonl',\n{end}" for end in ("  valid", "}")]
    # With a quarter of the texts.
    assert follow(DOCS / "train.md", {path: path.replace("train.", "dev.") for path in paths})
    assert (tmp_path / "runs/rates/lr-losses.png").exists()


TINY = """(import 'joint_ner_re.libsonnet') + {
  hidden_size:: 8,
  epochs:: 1,
  dataset_reader+: { type: 'joint_ner_re', num_folds: 2, fold: 0 },
  train_data_path: 'fixtures/sample/dev.jsonl#train',
  validation_data_path: 'fixtures/sample/dev.jsonl#dev',
}
"""


def test_experiments_work_as_written(tmp_path, few_threads, pictures, is_png, monkeypatch):
    """With fewer seeds and trials, and with tiny configurations in the place of those shown."""
    for name in (".allennlp_plugins", "fixtures"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "training_config").mkdir()
    for name in ("ade_scratch.jsonnet", "sample_scratch.jsonnet"):
        (tmp_path / "training_config" / name).write_text(TINY)
    (tmp_path / "training_config/joint_ner_re.libsonnet").symlink_to(LIBRARY)
    monkeypatch.chdir(tmp_path)
    assert follow(DOCS / "experiments.md", seeds="13", trials="1")
    for name in (
        "runs/ade/scores", "runs/seeds/scores", "runs/search/study", "runs/ablation/ablation",
        "runs/threshold/threshold", "runs/mix/natural_mix",
    ):  # fmt: skip
        for kind in ("json", "md"):
            assert (tmp_path / f"{name}.{kind}").stat().st_size
        assert is_png(tmp_path / f"{name}.png")
    assert (tmp_path / "tuned.tar.gz").stat().st_size
    assert (tmp_path / "careful.tar.gz").stat().st_size


def test_training_names_every_short_setting():
    library = LIBRARY.read_text("utf-8")
    text = (DOCS / "train.md").read_text("utf-8")
    for name in re.findall(r"^  (\w+)::", library, re.MULTILINE):
        assert f"`{name}`" in text


def test_every_command_that_is_shown_exists(reference):
    from allennlp.commands.subcommand import Subcommand

    known = {*Subcommand.list_available(), "--help"}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in TEXTS:
        shown = [block for block in blocks(path.read_text("utf-8")) if block.language == "bash"]
        for line in chain.from_iterable(commands(block.content) for block in shown):
            words = line.split()
            if words[0] in ("allennlp", "joint-ner-re"):
                assert words[1] in known, f"{path}: {line}"
            elif words[0] == "make":
                assert words[1] in targets, f"{path}: {line}"
            for config in re.findall(r"(?:training_config|fixtures)/[\w/.-]+", line):
                assert (ROOT / config).exists(), f"{path}: {line}"


# Links and blocks


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_links_and_pictures_lead_somewhere(path, reference):
    from api import MODULES, file_name

    made = {"configuration.md", "commands.md", *map(file_name, MODULES)}
    for target in LINK.findall(without_blocks(path.read_text("utf-8"))):
        file = target.partition("#")[0]
        if "://" in target or not file:
            continue
        assert (path.parent / file).exists() or (path.parent == DOCS and file in made), target


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_block_has_a_language(path):
    for block in blocks(path.read_text("utf-8")):
        assert block.language in LANGUAGES, f"{path}:{block.line}"


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:\n")[1]
    assert [page.name for page in PAGES if f": {page.name}\n" not in nav] == []


# What is made from the code


def test_every_option_is_documented(reference):
    """Each constructor's parameters are those of its docstring, in name, default and text."""
    from docstrings import parse

    parts = [part for _, members in reference.parts() for part in members]
    assert len(parts) >= 17
    for part in parts:
        taken = reference.constructor(part.cls)
        entries = [name for e in parse(part.cls).sections.get("Parameters", []) for name in e.names]
        shown = [f"**{n}" if p.kind is p.VAR_KEYWORD else n for n, p in taken.items()]
        assert entries == shown, part.cls
        for option in reference.options(part.cls):
            assert option.text, f"{part.cls}: {option.name}"
            default = taken[option.name.lstrip("*")].default
            if isinstance(default, (bool, int, float, str)):
                entry = parse(part.cls).parameter(option.name)
                assert type(default)(eval(entry.default)) == default, f"{part.cls}: {option.name}"


def test_the_configuration_page_holds_every_option(reference):
    page = reference.configuration_page()
    for part in (part for _, members in reference.parts() for part in members):
        _, _, section = page.partition(f"{{ #{reference.anchor(part)} }}")
        section = re.split(r"^###? ", section, maxsplit=1, flags=re.MULTILINE)[0]
        for option in reference.options(part.cls):
            row = f"| `{option.name}` |"
            assert (f"`{option.name}`" if option.given else row) in section, part.cls
            assert option.given == (row not in section)


def test_the_page_of_commands_holds_every_command_and_option(reference):
    page = reference.commands_page()
    assert len(reference.commands()) >= 10
    for name, parser in reference.commands().items():
        assert f"\n## {name}\n" in page
        for action in parser._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or f"`{option}" in page


def test_the_api_holds_every_public_name(scripts):
    import api

    for module in api.MODULES:
        page = api.api_page(module)
        for name in api.MODULES[module]:
            assert f"\n## {name}\n" in page
        # A docstring's own headings, such as "# Raises", would be those of pages.
        assert without_blocks(page).count("\n# ") == 0


def test_docstrings_are_taken_apart(scripts):
    from docstrings import Entry, one_line, parse, with_fences

    described = parse(
        """What it is.

        # Parameters

        head, tail : `int`, optional (default = `0`)
            Where.

            And why | how.
        **kwargs
            As for all.

        # Returns

        `str`
            A name.
        """
    )
    assert described.text == "What it is."
    head, rest = described.sections["Parameters"]
    assert head == Entry(["head", "tail"], "int", True, "0", "Where.\n\nAnd why | how.")
    assert rest == Entry(["**kwargs"], "", False, None, "As for all.")
    assert described.sections["Returns"] == [Entry([], "str", False, None, "A name.")]
    assert described.parameter("tail") is head and described.parameter("other") is None
    assert one_line(head.text) == r"Where.<br>And why \| how."
    assert with_fences("As\n\n    a = b\n\nand so on") == "As\n\n```text\na = b\n```\n\nand so on"


def test_the_pictures_are_those_that_the_script_draws(scripts):
    import pictures

    for name, text in pictures.drawings().items():
        assert (DOCS / "images" / name).read_text("utf-8") == text, (
            f"{name} is not what docs/scripts/pictures.py draws: run it"
        )


# The built pages


def test_the_documentation_is_built_and_needs_no_network(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    # As `make docs` does: a warning is an error.
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    pages = list((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "configuration.html", "sentence.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.findall(r"""(?:src|srcset)=["']?(?:https?:)?//""", text), page
        assert not re.findall(r"<link[^>]+href=[\"']?(?:https?:)?//", text), page
