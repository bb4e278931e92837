"""What AllenNLP's programs show while they run: a line for each step, and warnings, once.

AllenNLP logs every parameter and draws bars into files. Its complete log of a training stays in
`out.log`. Whoever sets `ALLENNLP_LOG_LEVEL` or `ALLENNLP_DEBUG` gets AllenNLP's own messages.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Any

from allennlp.common import logging as allennlp_logging
from allennlp.common.tqdm import Tqdm
from tqdm import tqdm as Bar

from joint_ner_re.allennlp_changes import make

# How AllenNLP formats what its programs show; in distributed training a number stands before it.
_ALLENNLPS = "%(asctime)s - %(levelname)s - %(name)s - %(message)s"
# What AllenNLP warns of although it is as it should be: the shipped configurations, and each epoch
# of a distributed training.
_AS_IT_SHOULD_BE = (
    "You provided a validation dataset but patience was set to None",
    "Parameter local_rank for class GradientDescentTrainer was found in both",
    "Worker 0 completed its entire epoch",
)


class Formatter(logging.Formatter):
    """`10:42:33 message`, with the level before a warning or an error."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (Python's name)
        """One line, except for a traceback."""
        message = record.message
        if record.name == "py.warnings":
            # The second line is the source code.
            message = message.partition("\n")[0]
        level = f"{record.levelname} " if record.levelno >= logging.WARNING else ""
        return f"{record.asctime} {level}{message}"


class Handler(logging.StreamHandler):
    """Writes above the progress bars, which are drawn again below."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        with Bar.external_write_mode(file=self.stream):
            super().emit(record)


def is_wanted(record: logging.LogRecord) -> bool:
    """Whether a record is shown: not what AllenNLP says of its own work."""
    if record.levelno >= logging.WARNING:
        return not record.getMessage().startswith(_AS_IT_SHOULD_BE)
    name = record.name
    return not name.startswith("allennlp.") or (
        name.startswith("allennlp.commands.") and name != "allennlp.commands.train"
    )


def is_left_to_allennlp() -> bool:
    """Whether the user has chosen what AllenNLP shows."""
    return any(os.environ.get(name) for name in ("ALLENNLP_LOG_LEVEL", "ALLENNLP_DEBUG"))


def tidy() -> None:
    """Put handlers of this module in the place of those by which AllenNLP writes to the console."""
    if is_left_to_allennlp():
        return
    root = logging.getLogger()
    # Those of the log's file, too: of several processes only the first writes to the console.
    allennlps = [handler for handler in root.handlers if _is_allennlps(handler)]
    for old in allennlps:
        if type(old) is logging.StreamHandler:
            new = Handler(old.stream)
            new.setLevel(old.level)
            new.setFormatter(Formatter())
            new.filters = [*old.filters, is_wanted]
            root.handlers[root.handlers.index(old)] = new
    if allennlps:
        logging.captureWarnings(True)
        # Of what AllenNLP and its libraries call in PyTorch.
        warnings.filterwarnings("ignore", category=FutureWarning, module="allennlp|fairscale")


def _is_allennlps(handler: logging.Handler) -> bool:
    form = getattr(handler.formatter, "_fmt", None) or ""
    return form.endswith(_ALLENNLPS)


def prepare_global_logging(*arguments: Any, **options: Any) -> None:
    """AllenNLP's function, followed by `tidy`."""
    _prepare_global_logging(*arguments, **options)
    tidy()


def bar(*arguments: Any, **options: Any) -> Any:
    """AllenNLP's progress bar, which shows on a terminal only and leaves no line behind."""
    if is_left_to_allennlp() or allennlp_logging.FILE_FRIENDLY_LOGGING:
        return _bar(*arguments, **options)
    options = {"file": sys.stderr, "leave": False, "disable": None, **options}
    return _bar(*arguments, **options)


# AllenNLP's functions, before they are replaced.
_prepare_global_logging = allennlp_logging.prepare_global_logging
_bar = Tqdm.tqdm

make(__name__)
