"""Errors that say how to install a missing optional dependency."""

from __future__ import annotations

from importlib.util import find_spec

ALLENNLP = (
    "training and model archives need AllenNLP, which is not installed. Its own requirements "
    "exclude current versions of PyTorch, so it takes two commands:\n"
    "  pip install 'joint_ner_re[train]'\n"
    "  pip install --no-deps allennlp==2.10.1"
)


def has_allennlp() -> bool:
    """Whether AllenNLP is installed."""
    return find_spec("allennlp") is not None


def require_allennlp() -> None:
    """Make sure that AllenNLP is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the commands that install it.
    """
    if not has_allennlp():
        raise ModuleNotFoundError(ALLENNLP, name="allennlp")


def require_runtime() -> None:
    """Make sure that what exported models need is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    _require("exported models need", "runtime", "numpy", "onnxruntime", "tokenizers")


def require_plots() -> None:
    """Make sure that what draws plots is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    _require("plots need", "plots", "matplotlib")


def require_service() -> None:
    """Make sure that what the service needs is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    _require("serving a model needs", "runtime,serve", "fastapi", "uvicorn")


def require_hub() -> None:
    """Make sure that what fetches models of the Hugging Face hub is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    _require("models of the Hugging Face hub need", "hub", "huggingface_hub")


def require_export() -> None:
    """Make sure that what writing exported models needs is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the commands that install it.
    """
    require_allennlp()
    require_runtime()
    _require("exporting a model needs", "export,runtime", "onnx")


def _require(need: str, extras: str, *names: str) -> None:
    for name in names:
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"{need} {name}, which is not installed:\n  pip install 'joint_ner_re[{extras}]'",
                name=name,
            )
