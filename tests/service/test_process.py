"""The command as a process: it serves, and ends when it has finished what is running."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from missing import LARGE, PROGRAM, without

import joint_ner_re
from joint_ner_re.commands.serve import PORT, Serve
from joint_ner_re.service.limits import Limits
from joint_ner_re.service.scores import scores_beside
from joint_ner_re.service.server import ServerError, address_of, bound_socket, is_loopback

TEXT = "Ada Marek lives in Kesh. Oleg Hart joined the Navy in 1961."
LIGHT = without(*LARGE) + PROGRAM


@contextmanager
def serving(root, model, *options):
    """The process and its address."""
    command = [sys.executable, "-c", LIGHT, "serve", str(model), "--port", "0", *options]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"serving at (http://127\.0\.0\.1:\d+/)\n", line)
        assert found, line + process.stderr.read()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def test_it_serves_and_sigterm_finishes_what_is_running(root, tiny_exported):
    expected = joint_ner_re.load(tiny_exported, relation_threshold=0.0)(TEXT).to_dict()
    options = ("--relation-threshold", "0", "--max-texts", "400", "--allowed-hosts", "demo.org,x")
    with serving(root, tiny_exported, *options) as (process, address), httpx.Client() as client:
        assert client.get(address + "health").json() == {"status": "ok"}
        assert client.get(address + "model").json()["limits"]["max_texts"] == 400
        statuses = [
            client.get(address, headers={"Host": host}).status_code
            for host in ("localhost:1", "demo.org", "evil.example")
        ]
        assert statuses == [200, 200, 421]
        assert client.post(address + "extract", json={"text": TEXT}).json() == expected
        body = {"texts": [TEXT] * 400}
        with client.stream("POST", address + "extract-lines", json=body, timeout=60) as stream:
            lines = stream.iter_lines()
            found = [json.loads(next(lines))]
            process.send_signal(signal.SIGTERM)
            found += map(json.loads, lines)
        assert len(found) == 400 and all(len(one["entities"]) for one in found)
        assert process.wait(20) == 0
        assert process.stdout.read() == "stopped\n"
        assert process.stderr.read() == ""
        with pytest.raises(httpx.ConnectError):
            httpx.get(address + "health")


def test_a_taken_port_and_a_strange_host_are_one_line(root, tiny_exported):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"cannot listen at port {port} of 127.0.0.1: .*--p"):
            bound_socket("127.0.0.1", port)
        done = subprocess.run(
            [sys.executable, "-c", LIGHT, "serve", str(tiny_exported), "--port", str(port)],
            cwd=root, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"joint-ner-re serve: cannot listen at port {port}")
    assert done.stderr.count("\n") == 1
    with pytest.raises(ServerError, match="'no such host' is no address of this machine"):
        bound_socket("no such host", 0)
    with pytest.raises(ServerError, match="port is 65536; expected 0 to 65535"):
        bound_socket("127.0.0.1", 65536)


def test_who_can_reach_it():
    with bound_socket("127.0.0.1", 0) as inner, bound_socket("0.0.0.0", 0) as outer:
        assert is_loopback(inner) and not is_loopback(outer)
        assert address_of(inner) == f"http://127.0.0.1:{inner.getsockname()[1]}/"


def test_the_options_begin_with_the_limits_and_loopback():
    import argparse

    parser = argparse.ArgumentParser()
    Serve().add_arguments(parser)
    args = parser.parse_args(["model"])
    assert (args.host, args.port) == ("127.0.0.1", PORT)
    assert Limits(args.max_characters, args.max_texts, args.max_waiting, args.timeout) == Limits()


def test_without_fastapi_the_error_says_what_to_install(root, tiny_exported):
    code = without(*LARGE, "fastapi") + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", str(tiny_exported)],
        cwd=root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "joint-ner-re serve: serving a model needs fastapi, which is not installed:   "
        "pip install 'joint_ner_re[runtime,serve]'\n"
    )


def test_a_name_that_is_none_is_one_line(root, tiny_exported):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, "serve", str(tiny_exported), "--allowed-hosts", "http://demo.org"],
        cwd=root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("joint-ner-re serve: --allowed-hosts has 'http://demo.org'; exp")
    assert done.stderr.count("\n") == 1


def test_an_archive_is_served_by_allennlp(allennlp, tiny_archive, capfd):
    """In this process, which gets the signal as soon as an answer was given."""
    answers = []

    def ask():
        printed = ""
        end = time.monotonic() + 60
        while "serving at " not in printed and time.monotonic() < end:
            time.sleep(0.05)
            printed += capfd.readouterr().out
        address = re.search(r"serving at (\S+)", printed)[1]
        answers.append(httpx.post(address + "extract", json={"text": TEXT}).json())
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    asking = threading.Thread(target=ask)
    asking.start()
    allennlp("serve", tiny_archive, "--port", "0")
    asking.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert answers == [joint_ner_re.load(tiny_archive)(TEXT).to_dict()]


def test_scores_come_along_with_an_exported_model(tiny_archive, tiny_exported, tmp_path):
    found = scores_beside(tiny_exported)
    measured = json.loads((tiny_archive.parent / "metrics.json").read_text())
    assert set(found) == {
        f"{task}_{name}"
        for task in ("entity", "relation")
        for name in ("precision", "recall", "f1")
    }
    assert found["entity_f1"] == measured["best_validation_entity_f1"]
    assert found == scores_beside(tiny_archive) == scores_beside(tiny_archive.parent)
    assert scores_beside(tmp_path) == {}
    for content in ("", "[1]", "[" * 100_000, '{"best_validation_entity_f1": "high"}'):
        (tmp_path / "metrics.json").write_text(content)
        assert scores_beside(tmp_path) == {}
