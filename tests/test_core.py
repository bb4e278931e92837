"""The core works without AllenNLP, PyTorch and transformers, and is quick to import."""

import subprocess
import sys

import pytest
from missing import LARGE, without
from programs import printed

CORE = (
    "joint_ner_re, joint_ner_re.corpora, joint_ner_re.metrics, joint_ner_re.sentence, "
    "joint_ner_re.checking, joint_ner_re.review"
)


def python(code, cwd, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def without_libraries(root):
    def run(code, *arguments):
        done = python(without(*LARGE) + code, root, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_core_reads_scores_checks_and_draws_without_the_large_libraries(
    without_libraries, fixtures, tmp_path
):
    code = f"""
import {CORE}
from joint_ner_re.checking import Part, check_corpus
from joint_ner_re.review import match, write_page

sentences = list(joint_ner_re.read_corpus(sys.argv[1]))
print(len(sentences), joint_ner_re.score(sentences, sentences)["entity_f1"])
joint_ner_re.write_corpus(sentences, sys.argv[2] + "/out.jsonl", "jsonl")
report = check_corpus([Part("a", sys.argv[2] + "/out.jsonl", None)], lambda format: dict())
print(len(report.errors))
write_page(sys.argv[2] + "/page.html", "mine", match(sentences, sentences))
text = list(joint_ner_re.read_corpus(sys.argv[3]))
print(len(text))
"""
    found = without_libraries(
        code, fixtures / "conll04_spert.json", tmp_path, fixtures / "ade_neg.txt"
    )
    sentences, f1, errors, negatives = found.split()
    assert (int(sentences), float(f1), int(errors), int(negatives)) == (11, 1.0, 0, 9)
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_the_core_takes_less_than_a_third_of_a_second(without_libraries):
    code = f"""
import time

begin = time.process_time()
import {CORE}
print(time.process_time() - begin)
"""
    # The best of three: the first may have to compile the modules.
    assert min(float(without_libraries(code)) for _ in range(3)) < 0.3


def test_without_allennlp_the_error_says_how_to_install_it(root):
    for code in (
        "import joint_ner_re.plugin",
        "import joint_ner_re; joint_ner_re.load('setup.cfg')",
    ):
        done = python(without("allennlp") + code, root)
        assert done.returncode == 1
        assert "pip install --no-deps allennlp==2.10.1" in done.stderr
        assert "joint_ner_re[train]" in done.stderr


def test_a_model_that_is_not_there_is_an_error_before_anything_is_imported(without_libraries):
    code = """
import joint_ner_re

try:
    joint_ner_re.load("frist.tar.gz")
except FileNotFoundError as error:
    print(error)
"""
    expected = "frist.tar.gz: no such file or directory; expected a model.tar.gz, "
    assert without_libraries(code).startswith(expected)


def test_an_unknown_name_is_an_attribute_error():
    import joint_ner_re
    from joint_ner_re import metrics

    for module in (joint_ner_re, metrics):
        with pytest.raises(AttributeError, match=f"{module.__name__!r} has no attribute 'nothing'"):
            getattr(module, "nothing")  # noqa: B009
        assert all(getattr(module, name) is not None for name in module.__all__)


def test_the_package_is_a_plugin_like_its_module(root, tmp_path):
    """The checkout's `.allennlp_plugins` has the module, with which tests/test_cli.py trains."""
    (tmp_path / ".allennlp_plugins").write_text("joint_ner_re\n")
    code = """
from allennlp.common.plugins import import_plugins
import_plugins()
from allennlp.models import Model
print("joint_ner_re" in Model.list_available())
"""
    found = printed("-c", code, directory=tmp_path, variables={"PYTHONPATH": str(root)})
    assert found.split() == ["True"]
