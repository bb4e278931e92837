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


def require_runtime() -> None:
    """Make sure that what exported models need is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    for name in ("numpy", "onnxruntime", "tokenizers"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"exported models need {name}, which is not installed:\n"
                "  pip install 'joint_ner_re[runtime]'",
                name=name,
            )


def require_plots() -> None:
    """Make sure that what draws plots is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    if find_spec("matplotlib") is None:
        raise ModuleNotFoundError(
            "plots need matplotlib, which is not installed:\n  pip install 'joint_ner_re[plots]'",
            name="matplotlib",
        )


def require_service() -> None:
    """Make sure that what the service needs is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the command that installs it.
    """
    for name in ("fastapi", "uvicorn"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"serving a model needs {name}, which is not installed:\n"
                "  pip install 'joint_ner_re[runtime,serve]'",
                name=name,
            )


def require_export() -> None:
    """Make sure that what writing exported models needs is installed.

    # Raises

    `ModuleNotFoundError`
        If it is not. The message has the commands that install it.
    """
    require_allennlp()
    require_runtime()
    if find_spec("onnx") is None:
        raise ModuleNotFoundError(
            "exporting a model needs onnx, which is not installed:\n"
            "  pip install 'joint_ner_re[export,runtime]'",
            name="onnx",
        )
