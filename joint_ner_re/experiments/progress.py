"""The progress messages of an experiment, and how the trainings inside it are silenced."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from joint_ner_re.console import Formatter, Handler
from joint_ner_re.training.progress import logger


@contextlib.contextmanager
def progress_on_stdout() -> Iterator[None]:
    """In the block, the experiment's messages go to standard output and nowhere else."""
    handler = Handler(sys.stdout)
    handler.setFormatter(Formatter())
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def say(text: str) -> None:
    """Report one line of progress; `progress_on_stdout` makes it visible."""
    logger.info(text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """In the block, AllenNLP logs only to files and shows progress bars only on a terminal."""
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        if not sys.stderr.isatty():
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        root.handlers = [logging.NullHandler()]
        try:
            yield
        finally:
            # AllenNLP's `train_model` has replaced the handlers and the hook by its own.
            for handler in root.handlers:
                handler.close()
            root.handlers, sys.excepthook = before[0], before[2]
            root.setLevel(before[1])
