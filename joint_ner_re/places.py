"""Whether there is what a path names, which is said before seconds of imports."""

from __future__ import annotations

import os

MODEL = (
    "a model.tar.gz, its directory, one that `allennlp export` wrote, or owner/name@REVISION on "
    "the hub"
)
ARCHIVE = "a model.tar.gz or its directory"


def check_model(path: str | os.PathLike[str], expected: str = MODEL) -> None:
    """Make sure that a model's path exists, unless it is an address.

    # Parameters

    path : `str`
    expected : `str`, optional (default = `MODEL`)
        What it may be, for the message.

    # Raises

    `FileNotFoundError`
        If there is nothing.
    """
    text = os.fspath(path)
    if "://" not in text and not os.path.exists(os.path.expanduser(text)):
        raise FileNotFoundError(f"{text}: no such file or directory; expected {expected}")


def check_configuration(path: str) -> None:
    """Make sure that there is a configuration.

    # Raises

    `FileNotFoundError`
        If this is no file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"the configuration {path!r} is not a file; expected a jsonnet file such as "
            "training_config/sample.jsonnet"
        )
