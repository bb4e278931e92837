"""Models of the Hugging Face hub, fetched by its own library from a stand-in on this machine."""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import huggingface_hub
import pytest
import spacy
from missing import LARGE, PROGRAM, without

import joint_ner_re
from joint_ner_re import hub
from joint_ner_re.hub import HubError, HubModel, hub_model, local_model
from joint_ner_re.runtime.files import MANIFEST, ExportedModelError, files_of, read_manifest

TEXT = "Ada Marek lives in Kesh. Oleg Hart joined the Navy in 1961."
SPLIT = {"split_sentences": True}
FIRST, SECOND = "1" * 40, "2" * 40


class Hub(ThreadingHTTPServer):
    """Answers as the hub does to those who fetch files.

    `models` has by name and commit the directory with the files, `branches` by name and branch the
    commit, `asked` what was asked for: the method, the revision and the file.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.models, self.branches, self.asked = {}, {}, []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def fetched(self):
        return sorted(name for method, _, name in self.asked if method == "GET")


class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        name, revision, file = map(unquote, found.groups())
        self.server.asked.append((self.command, revision, file))
        commit = self.server.branches.get((name, revision), revision)
        directory = self.server.models.get((name, commit))
        headers = {"X-Repo-Commit": commit, "Content-Length": "0"}
        if name not in {known for known, _ in self.server.models}:
            self.send(401, {**headers, "X-Error-Code": "RepoNotFound"})
        elif directory is None:
            self.send(404, {**headers, "X-Error-Code": "RevisionNotFound"})
        elif file == "broken":
            self.send(500, headers)
        elif not (directory / file).is_file():
            self.send(404, {**headers, "X-Error-Code": "EntryNotFound"})
        else:
            content = (directory / file).read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.send(200, {**headers, "Content-Length": str(len(content)), "ETag": etag}, content)

    def send(self, status, headers, content=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    # Other tests were offline, which the library's connections remember.
    huggingface_hub.utils.reset_sessions()
    huggingface_hub.utils.disable_progress_bars()
    with Hub() as server:
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        module = "huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE"
        monkeypatch.setattr(module, template)
        # By default its end takes half a second.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    huggingface_hub.utils.enable_progress_bars()


@pytest.fixture
def repository(tiny_exported, tmp_path):
    """The exported model beside files that others put into their models."""
    target = tmp_path / "repository"
    shutil.copytree(tiny_exported, target)
    for name in (".gitattributes", "train.py", "model.safetensors"):
        (target / name).write_text("not needed")
    return target


# Names


@pytest.mark.parametrize(
    "path, revision, expected",
    [
        ("hf://ann/ade@v1", None, HubModel("ann/ade", "v1")),
        (f"hf://ann/ade.small-2@{FIRST}", None, HubModel("ann/ade.small-2", FIRST)),
        ("hf://ann/ade@refs/pr/1", None, HubModel("ann/ade", "refs/pr/1")),
        ("hf://ann/ade", "v1", HubModel("ann/ade", "v1")),
        ("ann/ade@v1", None, HubModel("ann/ade", "v1")),
        ("ann/ade", "v1", HubModel("ann/ade", "v1")),
        ("model.tar.gz", None, None),
        ("runs/first/model.tar.gz", None, None),
        ("/runs/first@2", None, None),
        ("https://example.org/model.tar.gz", None, None),
    ],
)
def test_which_paths_are_models_of_the_hub(path, revision, expected):
    assert hub_model(path, revision) == expected


@pytest.mark.parametrize(
    "path, revision, message",
    [
        ("hf://ann/ade", None, "hf://ann/ade has no revision; expected hf://ann/ade@COMMIT"),
        ("hf://ann", None, "hf://ann is no model of the hub; expected hf://owner/name@REVISION"),
        ("hf://ann/ade/model.tar.gz", None, "is no model of the hub"),
        ("hf://../ade@v1", None, "is no model of the hub"),
        ("hf://ann/ade@v1", "v2", "has a revision, and 'v2' is another; give one"),
        ("hf://ann/ade@../v1", None, "the revision of .* is '../v1'; expected a commit"),
        ("hf://ann/ade@a/../../v1", None, "expected a commit"),
        ("model.tar.gz", "v1", "the revision 'v1' is for models of the hub, and model.tar.gz"),
    ],
)
def test_impossible_names(path, revision, message):
    with pytest.raises(HubError, match=message):
        hub_model(path, revision)


def test_a_path_that_exists_is_no_model_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann").mkdir()
    for name in ("ade@v1", "ade"):
        (tmp_path / "ann" / name).touch()
        assert hub_model(f"ann/{name}") is None
    with pytest.raises(FileNotFoundError, match="no file or directory ann/other; for a model of"):
        joint_ner_re.load("ann/other")


# Fetching


def test_only_what_is_needed_is_fetched_and_the_answers_are_the_same(
    server, repository, tiny_exported, caplog
):
    server.models["ann/tiny", FIRST] = repository
    expected = joint_ner_re.load(tiny_exported)(TEXT).to_dict()
    assert joint_ner_re.load(f"hf://ann/tiny@{FIRST}")(TEXT).to_dict() == expected
    assert server.fetched() == [
        "entities.onnx", "feature_1.onnx", "feature_2.onnx", "joint_ner_re.json", "metrics.json",
        "pairs.onnx", "states.onnx", "transitions.json", "vocabulary.json",
    ]  # fmt: skip
    assert not [record for record in caplog.records if record.name == hub.__name__]
    # The second time there is nothing to ask.
    server.asked.clear()
    for path, revision in (("ann/tiny", FIRST), (f"ann/tiny@{FIRST}", None)):
        assert joint_ner_re.load(path, revision=revision)(TEXT).to_dict() == expected
    assert server.asked == []


def test_a_branch_is_followed_and_its_commit_logged(server, repository, tmp_path, caplog):
    server.models["ann/tiny", FIRST] = repository
    server.branches["ann/tiny", "main"] = FIRST
    with caplog.at_level(logging.WARNING, hub.__name__):
        first = local_model("hf://ann/tiny@main")
    assert os.path.basename(first) == FIRST
    assert caplog.messages == [
        f"hf://ann/tiny@main is today the model hf://ann/tiny@{FIRST}, which never changes"
    ]
    # Everything but the first file is asked for by this commit.
    assert {name for _, revision, name in server.asked if revision == "main"} == {MANIFEST}
    assert {revision for _, revision, name in server.asked if name != MANIFEST} == {FIRST}
    newer = tmp_path / "newer"
    shutil.copytree(repository, newer)
    server.models["ann/tiny", SECOND] = newer
    server.branches["ann/tiny", "main"] = SECOND
    assert os.path.basename(local_model("hf://ann/tiny@main")) == SECOND
    assert local_model(f"hf://ann/tiny@{FIRST}") == first


def test_an_archive_is_fetched_where_there_is_no_exported_model(server, tiny_archive, tmp_path):
    target = tmp_path / "archive"
    target.mkdir()
    shutil.copy(tiny_archive, target)
    (target / "train.py").touch()
    server.models["ann/archive", FIRST] = target
    expected = joint_ner_re.load(tiny_archive)(TEXT).to_dict()
    assert joint_ner_re.load(f"hf://ann/archive@{FIRST}")(TEXT).to_dict() == expected
    assert server.fetched() == ["model.tar.gz"]
    server.shutdown()
    server.server_close()
    assert local_model(f"hf://ann/archive@{FIRST}").endswith("model.tar.gz")


def test_without_a_network_the_cache_is_used(server, repository):
    server.models["ann/tiny", FIRST] = repository
    server.branches["ann/tiny", "main"] = FIRST
    (repository / "metrics.json").unlink()
    found = local_model("hf://ann/tiny@main")
    server.shutdown()
    server.server_close()
    assert local_model(f"hf://ann/tiny@{FIRST}") == local_model("hf://ann/tiny@main") == found
    with pytest.raises(HubError, match="the hub cannot be reached, and joint_ner_re.json is not"):
        local_model(f"hf://ann/other@{FIRST}")
    os.unlink(os.path.join(found, "states.onnx"))
    with pytest.raises(HubError, match="cannot be reached, and states.onnx is not in its cache"):
        local_model(f"hf://ann/tiny@{FIRST}")


def test_what_is_not_there_is_named(server, repository, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    server.models["ann/empty", FIRST] = empty
    with pytest.raises(HubError, match="has neither joint_ner_re.json, as .* nor model.tar.gz"):
        local_model(f"hf://ann/empty@{FIRST}")
    with pytest.raises(HubError, match="^ann/empty has no revision v9$"):
        local_model("hf://ann/empty@v9")
    with pytest.raises(HubError, match="^the hub shows no model bob/tiny: correct the name or"):
        local_model(f"hf://bob/tiny@{FIRST}")
    server.models["ann/tiny", FIRST] = repository
    (repository / "pairs.onnx").unlink()
    with pytest.raises(HubError, match="has no pairs.onnx; its owner has to export it again"):
        local_model(f"hf://ann/tiny@{FIRST}")


@pytest.mark.parametrize("graph", ["../../secret", "/etc/passwd", "..", ".", ""])
def test_a_strangers_manifest_passes_the_same_checks(server, repository, graph):
    manifest = json.loads((repository / "joint_ner_re.json").read_text())
    manifest["features"][1]["graph"] = graph
    (repository / "joint_ner_re.json").write_text(json.dumps(manifest))
    server.models["ann/evil", FIRST] = repository
    with pytest.raises(ExportedModelError, match="which leads out of the directory; do not trust"):
        joint_ner_re.load(f"hf://ann/evil@{FIRST}")
    assert server.fetched() == ["joint_ner_re.json", "metrics.json"]


def test_a_damaged_graph_is_an_error(server, repository):
    (repository / "states.onnx").write_bytes(b"no graph")
    server.models["ann/damaged", FIRST] = repository
    with pytest.raises(ExportedModelError, match="states.onnx is damaged"):
        joint_ner_re.load(f"hf://ann/damaged@{FIRST}")


def test_a_server_that_fails_is_one_error(server, repository):
    manifest = json.loads((repository / "joint_ner_re.json").read_text())
    manifest["features"][1]["graph"] = "broken"
    (repository / "joint_ner_re.json").write_text(json.dumps(manifest))
    server.models["ann/tiny", FIRST] = repository
    with pytest.raises(HubError, match="cannot be reached, and broken is not in its cache"):
        local_model(f"hf://ann/tiny@{FIRST}")


def test_without_huggingface_hub_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("joint_ner_re.requirements.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'joint_ner_re\[hub\]'"):
        joint_ner_re.load(f"hf://ann/tiny@{FIRST}")


# Those who use it


def test_spacy_takes_a_model_of_the_hub_and_keeps_all_of_it(server, repository, tmp_path):
    server.models["ann/tiny", FIRST] = repository
    nlp = spacy.blank("en")
    nlp.add_pipe("joint_ner_re", config={"archive": f"hf://ann/tiny@{FIRST}", **SPLIT})
    found = nlp(TEXT)._.joint_entities
    assert found
    nlp.to_disk(tmp_path / "pipeline")
    content = nlp.to_bytes()
    # The cache, whose files are links, is not needed any more.
    shutil.rmtree(tmp_path / "cache")
    server.models.clear()
    assert spacy.load(tmp_path / "pipeline")(TEXT)._.joint_entities == found
    other = spacy.blank("en")
    other.add_pipe("joint_ner_re", config=SPLIT)
    assert other.from_bytes(content)(TEXT)._.joint_entities == found


def test_the_command_needs_no_allennlp(server, repository, tiny_exported, tmp_path):
    server.models["ann/tiny", FIRST] = repository
    (tmp_path / "texts.txt").write_text(TEXT)
    environment = {
        **os.environ, "HF_ENDPOINT": server.address, "HF_HUB_CACHE": str(tmp_path / "other"),
    }  # fmt: skip

    def extract(target, **changed):
        command = [
            sys.executable,
            "-c",
            without(*LARGE) + PROGRAM,
            "extract",
            f"hf://ann/tiny@{FIRST}",
        ]
        subprocess.run(
            [*command, "texts.txt", target],
            cwd=tmp_path, check=True, env={**environment, **changed}, timeout=60,
        )  # fmt: skip
        return json.loads((tmp_path / target).read_text())

    expected = joint_ner_re.load(tiny_exported)(TEXT).to_dict()
    assert extract("found.jsonl") == expected
    server.shutdown()
    server.server_close()
    assert extract("offline.jsonl", HF_HUB_OFFLINE="1") == expected


def test_every_file_that_export_writes_is_needed_or_for_people(tiny_exported):
    needed = set(files_of(read_manifest(str(tiny_exported))))
    assert {path.name for path in tiny_exported.iterdir()} == {
        *needed, "joint_ner_re.json", "README.md", "metrics.json",
    }  # fmt: skip
