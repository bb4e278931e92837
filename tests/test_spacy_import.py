"""spaCy is imported without its command line, and nobody misses it."""

import os
import subprocess
import sys

import pytest
from missing import without

BEFORE = """
from joint_ner_re.tokenization import TextTokenizer
assert list(TextTokenizer().tokenize(["So it is."]))
assert "spacy.cli" not in sys.modules and "spacy.cli.info" not in sys.modules
import spacy
"""


# Each statement is the first in a copy of the process.
EACH_FIRST = """
import os
for statement in sys.argv[1:]:
    copy = os.fork()
    if copy == 0:
        exec(statement)
        os._exit(0)
    assert os.waitpid(copy, 0)[1] == 0, statement
"""
STATEMENTS = (
    "assert callable(spacy.cli.download)",
    "assert spacy.info(silent=True)['spacy_version'] == spacy.__version__",
    "from spacy import info; assert info.__module__ == 'spacy.cli.info'",
    "from spacy.cli.info import info; assert spacy.info is info",
    "assert not hasattr(spacy, 'nothing'); assert spacy.blank('en')('So.')[0].text == 'So'",
)


def python(code, root, *arguments):
    done = subprocess.run(
        # PyTorch is not needed, and takes long to import.
        [sys.executable, "-c", without("torch") + code, *arguments],
        cwd=root, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork with")
def test_what_spacy_has_is_there_when_it_is_asked_for(root):
    python(BEFORE + EACH_FIRST, root, *STATEMENTS)


def test_a_spacy_that_is_there_already_stays_as_it_is(root):
    program = "import spacy; info = spacy.info\n" + BEFORE.replace("not in", "in")
    program += "assert spacy.info is info and not hasattr(spacy, '__getattr__')"
    python(program, root)
