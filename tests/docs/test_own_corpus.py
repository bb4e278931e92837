"""docs/own-corpus.md, done as it says, but with a short training."""

import shutil
from pathlib import Path

import pytest
from fences import follow

GUIDE = Path(__file__).parents[2] / "docs" / "own-corpus.md"


@pytest.fixture
def directory(root, tmp_path, monkeypatch):
    shutil.copytree(root / "fixtures" / "own", tmp_path / "annotations")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_works_as_written(directory, few_threads):
    done = [line.split()[:2] for line in follow(GUIDE, epochs="2", trials="1")]
    commands = [words[1] for words in done if words[0] == "allennlp"]
    wanted = ["convert", "check", "init", "train", "tune-threshold", "evaluate", "extract", "draw"]
    assert [name for name in wanted if name not in commands] == []
    assert ["python", "serve.py"] in done
    written = (directory / "firms/config.jsonnet").read_text()
    assert written.replace("epochs:: 2", "epochs:: 20") in GUIDE.read_text("utf-8")
    assert (directory / "relations.csv").read_text().startswith("document,sentence_start")
    assert len(list((directory / "predictions").glob("*.ann"))) == 6
