"""Commands of `allennlp` in the tests' own process."""

import sys
from functools import cache
from pathlib import Path

import pytest


def run_allennlp(*arguments):
    """Run `allennlp` with these arguments.

    AllenNLP looks through all of its modules and its plugins' for each command, and asks the disk
    for every one of them. It does so once here: again and again it took a quarter of the time of
    all tests. Tests with processes of their own see it as it is.
    """
    from allennlp import commands
    from allennlp.common.plugins import LOCAL_PLUGINS_FILENAME

    listed = Path(LOCAL_PLUGINS_FILENAME)
    plugins = listed.read_text("utf-8") if listed.is_file() else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["allennlp", *map(str, arguments)])
        patch.setattr(commands, "import_plugins", lambda: _import_plugins(plugins))
        patch.setattr(commands, "import_module_and_submodules", _import_package)
        commands.main(prog="allennlp")


@cache
def _import_plugins(listed):
    from allennlp.common.plugins import import_plugins

    import_plugins()


def _import_package(name):
    from allennlp.common.util import import_module_and_submodules

    if name == "joint_ner_re":
        _import_this_package()
    else:
        import_module_and_submodules(name)


@cache
def _import_this_package():
    from allennlp.common.util import import_module_and_submodules

    import_module_and_submodules("joint_ner_re")
