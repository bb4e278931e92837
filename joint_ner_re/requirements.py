"""Errors that say how to install a missing optional dependency."""

from __future__ import annotations

from importlib.util import find_spec

ALLENNLP = (
    "training and model archives need AllenNLP, which is not installed. Its own requirements "
    "exclude current versions of PyTorch, so it takes two commands:\n"
    "  pip install 'joint_ner_re[train]'\n"
    "  pip install --no-deps allennlp==2.10.1"
)


def require_allennlp() -> None:
    """Make sure that AllenNLP is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the commands that install it.
    """
    if find_spec("allennlp") is None:
        raise ModuleNotFoundError(ALLENNLP, name="allennlp")
