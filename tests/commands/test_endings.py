"""How commands end: by a mistake, by Ctrl-C, by a closed pipe."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from programs import Program

from joint_ner_re import requirements
from joint_ner_re.commands.endings import ending
from joint_ner_re.corpora import read_corpus
from joint_ner_re.sentence import Entity, Sentence


@pytest.fixture
def allennlp(allennlp, few_threads, in_root):
    return allennlp


def code_of(error):
    """What the process ends with: a status, or a message and the status 1."""
    with pytest.raises(SystemExit) as caught, ending("allennlp x", "Try again."):
        raise error
    return caught.value.code


@pytest.mark.parametrize(
    "error, message",
    [
        (ConfigurationError("no key\nat all"), "no key at all"),
        (OSError("in words"), "in words"),
        (FileNotFoundError(2, "No such file or directory", "a"), "a: No such file or directory"),
        (BrokenPipeError(32, "Broken pipe", "fifo"), "fifo: Broken pipe"),
        (ModuleNotFoundError("no", name="allennlp"), requirements.ALLENNLP),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(error, message):
    assert code_of(error) == f"allennlp x: {message}"


@pytest.mark.parametrize(
    "fail, message",
    [
        (lambda: Sentence(["a"], [Entity("X", 2, 3)]), "tokens"),
        (lambda: list(read_corpus("nowhere", "jsonl")), "nowhere: there is no such file"),
        (lambda: read_corpus("nowhere", "pdf"), "unknown format 'pdf'"),
    ],
)
def test_value_errors_that_the_package_raises_are_mistakes(fail, message):
    with pytest.raises(SystemExit, match=f"^allennlp x: .*{message}"), ending("allennlp x", ""):
        fail()


@pytest.mark.parametrize("fail", [lambda: json.loads("{"), lambda: int("x"), lambda: {}["a"]])
def test_bugs_keep_their_traceback(fail):
    with pytest.raises((ValueError, KeyError)), ending("allennlp x", ""):
        fail()


@pytest.mark.parametrize(
    "error, status, word",
    [(KeyboardInterrupt(), 130, "interrupted"), (SigTermReceived(), 143, "terminated")],
)
def test_a_signal_says_how_to_continue(error, status, word, capsys):
    assert code_of(error) == status
    assert capsys.readouterr().err.lstrip("\n") == f"allennlp x: {word}. Try again.\n"


# AllenNLP's own commands


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "nowhere.jsonnet", "-s", "OUT"], "nowhere.jsonnet"),
        (["train", "BROKEN", "-s", "OUT"], "cannot be understood: .*broken.jsonnet"),
        (["train", "fixtures/tiny.jsonnet", "-s", "OUT", "-o", "{"], "cannot be understood"),
        (["train", "fixtures/tiny.jsonnet", "-s", "OUT", "-o", '{"train_data_path": "no"}'],
         "no: there is no such file"),
        (["train", "fixtures", "-s", "OUT"], "fixtures: this is a directory; expected a conf"),
        (["train", "fixtures/tiny.jsonnet", "-s", "OUT", "-o", "[1]"], "expected a JSON object"),
        (["train", "fixtures/tiny.jsonnet", "-s", "OUT", "-o", '{"data_loader": {}}'],
         "batch_size is required"),
        (["train", "fixtures/tiny.jsonnet", "-s", "OUT", "-o", '{"random_seed": "x"}'], "'x'"),
        (["evaluate", "fixtures/conll04.corp", "fixtures/sample/dev.jsonl"],
         "fixtures/conll04.corp: it cannot be read as a model"),
        (["evaluate", "fixtures", "fixtures/sample/dev.jsonl"], "fixtures: config.json"),
        (["predict", "fixtures", "fixtures/sample/dev.jsonl"], "fixtures: config.json"),
        (["build-vocab", "fixtures/tiny.jsonnet", "OUT/v.tgz"], "should end with"),
        (["evaluate", "nowhere.tar.gz", "fixtures/sample/dev.jsonl"], "nowhere.tar.gz"),
        (["predict", "nowhere.tar.gz", "fixtures/sample/dev.jsonl"], "nowhere.tar.gz"),
    ],
)  # fmt: skip
def test_a_mistake_in_allennlps_commands_is_one_line(allennlp, tmp_path, arguments, message):
    (tmp_path / "broken.jsonnet").write_text("{\n")
    places = {"OUT": tmp_path / "out", "BROKEN": tmp_path / "broken.jsonnet"}
    with pytest.raises(SystemExit) as caught:
        allennlp(*(places.get(argument, argument) for argument in arguments))
    # Without a line end.
    assert re.fullmatch(f"allennlp {arguments[0]}: .*{message}.*", caught.value.code)


def test_predicting_a_directory_is_one_line(allennlp, tiny_archive, tmp_path):
    with pytest.raises(SystemExit, match=f"^allennlp predict: {tmp_path}"):
        allennlp("predict", tiny_archive, tmp_path)


def test_recovering_with_another_configuration_is_one_line(allennlp, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"trainer": {"old": 1}}')
    with pytest.raises(SystemExit, match="^allennlp train: .*out was begun with another conf"):
        allennlp("train", "fixtures/tiny.jsonnet", "-s", tmp_path / "out", "--recover")


def test_metrics_of_several_files_in_one_are_one_line(allennlp, tiny_archive):
    data = "fixtures/conll04_spert.json,fixtures/conll04_spert.json"
    with pytest.raises(SystemExit, match="^allennlp evaluate: .*must be equal to the number"):
        allennlp("evaluate", tiny_archive, data, "--output-file", "x")


def test_each_of_allennlps_commands_ends_so():
    from joint_ner_re.commands.allennlp_endings import allennlp_functions

    functions = allennlp_functions()
    ours = {name for name in Subcommand.list_available() if "joint_ner_re" in
            Subcommand.by_name(name).__module__}  # fmt: skip
    assert {"train", "predict", "evaluate", "find-lr"} <= functions.keys()
    assert functions.keys() | ours == set(Subcommand.list_available())
    assert all(set(function.__kwdefaults__) == {"run"} for function in functions.values())


@pytest.mark.parametrize(
    "arguments, advice",
    [
        (["train", "-s", "OUT"], "Run the same command with --recover"),
        (["repeat", "--seeds", "1", "-s", "OUT"], "Run the same command again to continue in OUT"),
        (["search", "--trials", "1", "-s", "OUT"], "Run the same command again to continue in OUT"),
    ],
)
def test_control_c_in_a_training(allennlp, interrupt, tmp_path, capsys, arguments, advice):
    interrupt(0)
    out = str(tmp_path / "out")
    name, *options = [out if argument == "OUT" else argument for argument in arguments]
    with pytest.raises(SystemExit) as caught:
        allennlp(name, "fixtures/tiny.jsonnet", *options)
    assert caught.value.code == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"allennlp {name}: interrupted. {advice.replace('OUT', out)}")


# Processes of their own


def started(root, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "joint_ner_re", *map(str, arguments)],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has them ignore Ctrl-C; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_control_c_in_a_process_that_waits_for_its_input(root, tmp_path):
    fifo, out = tmp_path / "fifo", tmp_path / "out.jsonl"
    os.mkfifo(fifo)
    process = started(root, "convert", fifo, out)
    with open(fifo, "wb") as file:
        # Now the other end is open: the command runs.
        file.write(b'{"tokens": ["a"]}\n')
        file.flush()
        # Python misses a signal that comes just before it waits for the next bytes.
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1].startswith("joint-ner-re convert: interrupted. ")
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_a_closed_pipe_ends_a_conversion_silently(root, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"tokens": ["a"]}\n' * 20_000)
    process = started(root, "convert", tmp_path / "in.jsonl", "-")
    assert json.loads(process.stdout.readline())["tokens"] == ["a"]
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(60) == 141
    assert "Traceback" not in err and "BrokenPipe" not in err and "convert:" not in err


def test_predict_ends_at_control_c_and_extract_at_a_closed_pipe(root, tiny_archive):
    predict = Program("allennlp", "predict", tiny_archive, "-", directory=root)
    extract = Program(
        "allennlp", "extract", tiny_archive, "-", "-", "--batch-documents", 1, directory=root
    )
    for process in (predict, extract):
        process.stdin.write(b"Ada left Kesh.\n" * 2)
        process.stdin.flush()
    # A line of output: the commands run, and wait for more.
    assert predict.stdout.readline() == b"input 0:  Ada left Kesh.\n"
    assert json.loads(extract.stdout.readline())["text"] == "Ada left Kesh."
    time.sleep(0.2)
    predict.send_signal(signal.SIGINT)
    extract.stdout.close()
    extract.stdin.write(b"Ada left Kesh.\n" * 2)
    extract.stdin.flush()
    errors = [process.stderr.read().decode() for process in (predict, extract)]
    assert [process.wait(60) for process in (predict, extract)] == [130, 141]
    assert "Traceback" not in "".join(errors)
    assert errors[0].splitlines()[-1].startswith("allennlp predict: interrupted. ")
    assert "extract:" not in errors[1]
    for process in (predict, extract):
        process.stdin.close()
