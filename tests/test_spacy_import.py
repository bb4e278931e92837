"""spaCy is imported without its command line, and nobody misses it."""

import subprocess
import sys

import pytest

BEFORE = """
import sys
# It is not needed, and takes long.
sys.modules["torch"] = None
from joint_ner_re.tokenization import TextTokenizer
assert list(TextTokenizer().tokenize(["So it is."]))
assert "spacy.cli" not in sys.modules and "spacy.cli.info" not in sys.modules
import spacy
"""


@pytest.mark.parametrize(
    "program",
    [
        "assert callable(spacy.cli.download)",
        "assert spacy.info(silent=True)['spacy_version'] == spacy.__version__",
        "from spacy import info; assert info.__module__ == 'spacy.cli.info'",
        "from spacy.cli.info import info; assert spacy.info is info",
        "assert not hasattr(spacy, 'nothing'); assert spacy.blank('en')('So.')[0].text == 'So'",
    ],
)
def test_what_spacy_has_is_there_when_it_is_asked_for(root, program):
    subprocess.run([sys.executable, "-c", BEFORE + program], cwd=root, check=True, timeout=100)


def test_a_spacy_that_is_there_already_stays_as_it_is(root):
    program = "import spacy, sys; info = spacy.info\n" + BEFORE.replace("not in", "in")
    program += "assert spacy.info is info and not hasattr(spacy, '__getattr__')"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=100)
