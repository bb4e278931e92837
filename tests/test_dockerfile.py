"""The Dockerfile, without Docker: its steps are done in a directory, its server is started.

Two things differ. The places in the image lie in a directory of the test. And the step that
downloads packages is not done: exactly the packages that it names are linked from this environment
instead, so what the server needs beyond them is missing, as it would be in the image.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from joint_ner_re.exporting import export

# What the image is; the lock's markers and requirements are read for it.
IMAGE = {
    "python_version": "3.12",
    "python_full_version": "3.12.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
EXTRAS = ("runtime", "serve", "hub")
DOWNLOAD = "--require-hashes"


class Step(NamedTuple):
    """An instruction of the Dockerfile."""

    name: str
    rest: str


def steps_of(text):
    """The instructions, without remarks, each on one line."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]


def entries(path):
    """The entries of a lock by the names of the packages."""
    found = re.split(r"\n(?=\w)", path.read_text("utf-8").strip())
    return {canonicalize_name(re.match(r"[\w.-]+", entry)[0]): entry for entry in found}


@pytest.fixture(scope="module")
def steps(root):
    return steps_of((root / "Dockerfile").read_text("utf-8"))


@pytest.fixture(scope="module")
def locked(root):
    return entries(root / "requirements" / "serve.txt")


def test_the_steps_of_a_dockerfile_are_read():
    text = "# a\nFROM x AS y\n\nRUN one \\\n    two\nCMD [1]\n"
    assert [(step.name, step.rest.split()) for step in steps_of(text)] == [
        ("FROM", ["x", "AS", "y"]), ("RUN", ["one", "two"]), ("CMD", ["[1]"]),
    ]  # fmt: skip


# What is installed


def test_the_lock_of_the_image_is_a_part_of_the_lock(root, locked):
    whole = entries(root / "requirements" / "lock.txt")
    assert {name: whole.get(name) for name in locked} == locked
    assert all("--hash=sha256:" in entry for entry in locked.values())


def test_the_lock_of_the_image_has_all_that_is_needed_and_nothing_else(root, locked):
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in EXTRAS]
    lines = [line for text in texts for line in text.splitlines()]
    waiting = [Requirement(line) for line in lines if line and not line.startswith("#")]
    done = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) in done:
                continue
            done.add((name, extra))
            needed = map(Requirement, distribution(name).requires or [])
            waiting += [
                one
                for one in needed
                if one.marker is None or one.marker.evaluate({**IMAGE, "extra": extra})
            ]
    assert {name for name, _ in done} == set(locked)
    assert not {"torch", "transformers", "allennlp"} & set(locked)


def test_nothing_is_compiled_and_everything_is_pinned(steps):
    runs = [step.rest for step in steps if step.name == "RUN"]
    installs = [run for run in runs if "pip" in run.split() and "install" in run.split()]
    assert len(installs) == 2
    for run in installs:
        # Either wheels with hashes, or this package with the build tools that are there.
        words = run.split()
        assert "--no-deps" in words and "--no-cache-dir" in words
        assert {"--only-binary", DOWNLOAD} <= set(words) or "--no-build-isolation" in words
    assert not any(word in run for run in runs for word in ("apt", "curl", "wget", "gcc"))


def test_the_image_runs_as_nobody_special(steps):
    assert [step.rest for step in steps if step.name == "FROM"] == [
        "python:3.12-slim AS build", "python:3.12-slim",
    ]  # fmt: skip
    (user,) = [step.rest for step in steps if step.name == "USER"]
    assert int(user) > 1000
    (made,) = [step.rest for step in steps if step.name == "RUN" and "useradd" in step.rest]
    assert f"--uid {user}" in made
    # A docker stop is a SIGTERM for the server itself, not for a shell around it.
    (command,) = [json.loads(step.rest) for step in steps if step.name == "CMD"]
    assert command[:2] == ["joint-ner-re", "serve"]


def test_what_is_copied_is_not_left_out(root, steps):
    """`.dockerignore` leaves out everything but what it names."""
    ignored = (root / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = [step.rest.split()[:-1] for step in steps if step.name == "COPY"]
    sources = {source for words in copied if "--from=build" not in words for source in words}
    assert "*" in ignored and sources == kept
    assert all((root / source).exists() for source in sources)


# The steps, done


def link_packages(names, target):
    """Put the packages of this environment that have these names, and no others, into another."""
    for name in names:
        files = distribution(name).files
        base = Path(distribution(name).locate_file(""))
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (target / top).exists():
                (target / top).symlink_to(base / top)


@pytest.fixture(scope="module")
def image(root, steps, locked, tmp_path_factory):
    """A directory with what the image would have, and the path of its environment in it."""
    place = tmp_path_factory.mktemp("image")
    build = steps[: [step.name for step in steps].index("FROM", 1)]
    environment = None
    for step in build:
        if step.name == "COPY":
            *sources, target = step.rest.split()
            for source in sources:
                into = place / target.lstrip("/")
                into = into / Path(source).name if target.endswith("/") else into
                into.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (root / source).is_dir() else shutil.copy
                copy(root / source, into)
        elif step.name == "RUN":
            words = [
                str(place / word.lstrip("/")) if word.startswith("/") else word
                for word in shlex.split(step.rest)
            ]
            assert words[0] == "python"
            words[0] = sys.executable
            if "venv" in words:
                environment = Path(words[-1])
            if DOWNLOAD in words:
                (packages,) = environment.glob("lib/python3*/site-packages")
                link_packages(locked, packages)
                continue
            clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            done = subprocess.run(words, capture_output=True, text=True, cwd=place, env=clean)
            assert done.returncode == 0, done.stderr
    return environment


@contextmanager
def started(image, steps, model):
    """The server of the image with a model, at a free port."""
    (command,) = [json.loads(step.rest) for step in steps if step.name == "CMD"]
    assert command[2:] == ["/model", "--host", "0.0.0.0", "--port", "8000"]
    words = [str(image / "bin" / command[0]), *command[1:]]
    words[words.index("/model")] = str(model)
    words[words.index("8000")] = "0"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.Popen(
        words, cwd=image, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def health(image, steps, port):
    """The status of the command by which Docker looks after the server."""
    (check,) = [step.rest for step in steps if step.name == "HEALTHCHECK"]
    words = json.loads(check.partition(" CMD ")[2])
    assert words[0] == "python"
    words = [str(image / "bin" / "python"), *words[1:]]
    words[-1] = words[-1].replace("8000", str(port))
    return subprocess.run(words, capture_output=True, timeout=20).returncode


def test_the_image_serves_a_model_and_can_be_looked_after(image, steps, tiny_archive, tmp_path):
    export(tiny_archive, tmp_path / "model")
    with started(image, steps, tmp_path / "model") as process:
        line = process.stdout.readline()
        found = re.fullmatch(r"serving at http://0\.0\.0\.0:(\d+)/\n", line)
        assert found, line + process.stderr.read()
        port = found[1]
        answer = httpx.post(f"http://127.0.0.1:{port}/extract", json={"text": "Ada left Kesh."})
        assert answer.json()["tokens"] == ["Ada", "left", "Kesh", "."]
        # A proxy in front of the container may have any name.
        named = httpx.get(f"http://127.0.0.1:{port}/health", headers={"Host": "demo.example.org"})
        assert named.status_code == 200
        assert health(image, steps, port) == 0
        process.terminate()
        assert process.wait(20) == 0
    assert health(image, steps, port) != 0


def test_without_a_model_the_image_says_so(image, steps, tmp_path):
    for model, reason in (
        (tmp_path / "none", f"{tmp_path}/none: no such file or directory; expected a model.tar.gz"),
        (tmp_path, f"there is no joint_ner_re.json in {tmp_path}; expected a directory that"),
    ):
        with started(image, steps, model) as process:
            assert process.wait(60) == 1
            message = process.stderr.read()
            assert message.startswith(f"joint-ner-re serve: {reason}")
            assert message.count("\n") == 1


def test_the_image_has_no_more_than_the_lock(image):
    code = "import importlib.util as u; print([n for n in ('torch', 'allennlp') if u.find_spec(n)])"
    done = subprocess.run([image / "bin/python", "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"
