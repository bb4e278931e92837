"""Processes for which libraries are missing that are installed here."""

LARGE = ("allennlp", "torch", "transformers", "onnx")

_HIDING = """
import importlib.util, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in NAMES else found(name, *more)
"""
# The program with the arguments of the process.
PROGRAM = """
sys.argv[0] = "joint-ner-re"
from joint_ner_re.__main__ import main
main()
"""


def without(*names: str) -> str:
    """Code at whose begin these libraries are as if they were not installed.

    It imports `sys`, which the code behind it can use.
    """
    return f"NAMES = {names!r}\n{_HIDING}"
