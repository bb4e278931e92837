"""The program `joint-ner-re`."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
from allennlp.commands.subcommand import Subcommand
from missing import LARGE, PROGRAM, without

from joint_ner_re import __main__ as main
from joint_ner_re.commands.catalogue import COMMANDS
from joint_ner_re.version import VERSION

# Runs the program as it is where nothing heavy is installed.
LIGHT = without(*LARGE, "spacy", "matplotlib") + PROGRAM


@pytest.fixture
def program(monkeypatch):
    """Runs `joint-ner-re` with these arguments, in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["joint-ner-re", *map(str, arguments)])
        main.main()

    return run


def light(root, *arguments):
    return subprocess.run(
        [sys.executable, "-c", LIGHT, *map(str, arguments)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [["convert", "--help"], ["convert", "IN", "OUT"], ["check", "IN"], ["draw", "IN", "OUT"],
     ["plot", "--help"], ["--version"]],
)  # fmt: skip
def test_nothing_heavy_is_imported_and_the_start_is_quick(root, fixtures, tmp_path, arguments):
    places = {"IN": fixtures / "conll04_spert.json", "OUT": tmp_path / "out.jsonl"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = light(root, *(places.get(argument, argument) for argument in arguments))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
    if arguments[0] == "convert" and "OUT" in arguments:
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 11


@pytest.mark.parametrize("name", ["extract", "repeat", "export"])
def test_the_help_of_a_command_that_needs_allennlp_imports_nothing_heavy(root, name):
    done = light(root, name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: joint-ner-re {name} " in done.stdout and "--include-package" in done.stdout


# Ends like the program, and then tells which libraries it has imported.
IMPORTED = """
import sys
from joint_ner_re.__main__ import main
slow = ("spacy", "spacy.cli", "torch", "allennlp")
try:
    main()
finally:
    print([name for name in slow if sys.modules.get(name)], file=sys.stderr)
"""


@pytest.mark.parametrize("options, imported", [
    # The tokens are compared with those that spaCy makes.
    ([], "['spacy']"),
    # A pipeline may need PyTorch.
    (["--tokenizer-pipeline", "en"], "['spacy', 'torch']"),
])  # fmt: skip
def test_spacy_brings_only_what_is_needed(root, fixtures, options, imported):
    corpus = fixtures / "sample/dev.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, "check", str(corpus), *options],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Where it goes into a file, there is no progress bar.
    assert done.stderr == f"{imported}\n"


def test_an_exported_model_needs_no_pytorch(root, tiny_exported, tmp_path):
    (tmp_path / "in.txt").write_text("Ada Marek left Kesh.\n")
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, "extract", tiny_exported, "in.txt", "out.jsonl"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("['spacy']\n")


def test_pytorch_is_there_for_whatever_may_need_it(tiny_exported, tmp_path):
    def spared(name, *arguments):
        command = {command.name: command for command in COMMANDS}[name]
        return command.spares_torch(main.make_parser(command).parse_args([name, *arguments]))

    copy = shutil.copytree(tiny_exported, tmp_path / "model")
    manifest = copy / "joint_ner_re.json"
    assert spared("serve", str(copy), "--port", "0")
    assert not spared("extract-ray", str(copy), "in", "out")
    assert not spared("extract", "model.tar.gz", "in", "out")
    # A spaCy pipeline.
    content = json.loads(manifest.read_text()) | {"pipeline": "en_core_web_trf"}
    manifest.write_text(json.dumps(content))
    assert not spared("extract", str(copy), "in", "out")
    manifest.write_text("{")
    assert not spared("extract", str(copy), "in", "out")


@pytest.mark.parametrize(
    "arguments",
    # A file that exists may be an archive.
    [["train", "setup.cfg"], ["extract", "setup.cfg", "in", "out"], ["serve", "setup.cfg"]],
)
def test_without_allennlp_the_error_says_what_to_install(root, arguments):
    done = light(root, *arguments)
    assert done.returncode == 1
    start = f"joint-ner-re {arguments[0]}: training and model archives need AllenNLP"
    assert done.stderr.startswith(start)
    assert done.stderr.endswith("pip install --no-deps allennlp==2.10.1\n")


@pytest.mark.parametrize(
    "model, reason",
    [
        ("x", "x: no such file or directory; expected a model.tar.gz"),
        ("fixtures", "there is no joint_ner_re.json in fixtures; expected a directory"),
    ],
)
def test_where_allennlp_would_not_help_the_error_says_so(root, model, reason):
    done = light(root, "extract", model, "in", "out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"joint-ner-re extract: {reason}")


@pytest.mark.parametrize("arguments, status, message", [
    (["extract", "setup.cfg"], 2, "error: the following arguments are required: input, output"),
    (["extract", "setup.cfg", "in", "out", "--bits", "8"], 2, "error: unrecognized arguments"),
    (["extract", "frist.tar.gz", "in", "out"], 1, "extract: frist.tar.gz: no such file"),
    (["export", "frist.tar.gz", "out"], 1, "export: frist.tar.gz: no such file"),
    (["tune-threshold", "frist.tar.gz", "dev"], 1, "tune-threshold: frist.tar.gz: no such file"),
    (["natural-mix", "frist.tar.gz", "a", "b"], 1, "natural-mix: frist.tar.gz: no such file"),
    (["train", "frist.jsonnet", "-s", "x"], 1, "'frist.jsonnet' is not a file"),
    (["predict", "frist.tar.gz", "in"], 1, "predict: frist.tar.gz: no such file"),
    (["repeat", "frist.jsonnet", "-s", "x", "--seeds", "1"], 1, "'frist.jsonnet' is not a file"),
])  # fmt: skip
def test_mistyped_arguments_are_errors_before_anything_slow_is_imported(
    root, arguments, status, message
):
    """Where AllenNLP is installed, too."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == status
    assert message in done.stderr and "[]\n" in done.stderr


def test_version(program, capsys):
    with pytest.raises(SystemExit) as caught:
        program("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"joint-ner-re {VERSION}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_lists_every_command(program, capsys, arguments):
    try:
        program(*arguments)
    except SystemExit as ended:
        assert ended.code == 0
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {command.name for command in COMMANDS} | set(main.ALLENNLP_COMMANDS) <= set(words)


def test_a_usage_mistake_ends_with_two(program, capsys):
    for arguments in (["frobnicate"], ["convert"], ["repeat", "x"]):
        with pytest.raises(SystemExit) as caught:
            program(*arguments)
        assert caught.value.code == 2
    assert "joint-ner-re repeat: error: " in capsys.readouterr().err


def test_a_command_without_allennlp_is_named_as_it_was_called(program, tmp_path):
    with pytest.raises(SystemExit, match="^joint-ner-re convert: nowhere: there is no such file"):
        program("convert", "nowhere", tmp_path / "out.jsonl")


def test_a_command_that_needs_allennlp_is_handed_over(
    program, tiny_archive, tmp_path, monkeypatch, capsys, few_threads
):
    # Where no .allennlp_plugins names the package.
    monkeypatch.chdir(tmp_path)
    program("print-results", tiny_archive.parent.parent, "--keys", "epoch")
    assert "model_run, epoch" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="^joint-ner-re evaluate: .*nowhere"):
        program("evaluate", tiny_archive, "nowhere.json")


@pytest.mark.parametrize("name", ["train", "predict", "extract"])
def test_the_processes_of_a_training_import_the_package(program, monkeypatch, name):
    import allennlp.commands

    def run(prog):
        _, args = allennlp.commands.parse_args(prog)
        found.append(args.include_package)

    found = []
    monkeypatch.setattr(allennlp.commands, "main", run)
    # A file that exists may be an archive.
    arguments = {"train": ["-s", "c"], "predict": ["b"], "extract": ["b", "c"]}[name]
    program(name, __file__, *arguments)
    assert found == [["joint_ner_re.plugin"]]


def test_each_command_is_offered_by_both_programs():
    assert {command.name for command in COMMANDS} <= set(Subcommand.list_available())
    assert set(main.ALLENNLP_COMMANDS) <= set(Subcommand.list_available())


def test_convert_from_a_pipe_to_a_pipe(root, fixtures):
    corpus = (fixtures / "conll04_spert.json").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, "convert", "-", "-"],
        cwd=root,
        input=corpus,
        capture_output=True,
    )
    tokens = [json.loads(line)["tokens"] for line in done.stdout.splitlines()]
    assert tokens == [sentence["tokens"] for sentence in json.loads(corpus)]
    assert done.stderr.endswith(b"/dev/stdout: 11 sentences\n")


def test_the_programs_own_commands_do_not_import_a_directorys_plugins(root, fixtures, tmp_path):
    # `allennlp` does: with it, whoever made the working directory runs code.
    (tmp_path / ".allennlp_plugins").write_text("hostile\n")
    (tmp_path / "hostile.py").write_text("open('ran', 'w')\n")
    for command in (
        ["convert", fixtures / "conll04_spert.json", "out.jsonl"],
        ["check", fixtures / "conll04_spert.json"],
        ["draw", fixtures / "conll04_spert.json", "page.html"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "joint_ner_re", *map(str, command)],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
