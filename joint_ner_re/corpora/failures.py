"""Documents that failed when they were predicted: the file that names them beside other formats."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from typing import Any

from joint_ner_re.corpora.errors import PathLike
from joint_ner_re.corpora.files import read_lines
from joint_ner_re.streams import is_stream
from joint_ner_re.writing import replacing

logger = logging.getLogger(__name__)

# So many are named in the log where there is no place for a file.
_MAX_LOGGED = 20


def errors_path(target: PathLike) -> str:
    """The file of the failed documents beside an output that lacks them: `OUTPUT.errors.jsonl`."""
    return f"{os.fspath(target).rstrip('/')}.errors.jsonl"


def write_errors(lines: PathLike, target: PathLike) -> int:
    """Write the error records among predictions to a file beside an output that lacks them.

    Without errors there is no file, and that of an earlier run is removed. Beside a stream, the log
    names the documents.

    # Parameters

    lines : `str`
        JSON lines of predictions.
    target : `str`
        The output that was made of them, in another format.

    # Returns

    `int`
        The number of error records.

    # Raises

    `OSError`
        If the file cannot be written.
    """
    failed = [
        line
        for _, line in read_lines(lines, may_be_empty=True)
        if '"error"' in line and _failed(line)
    ]
    path = errors_path(target)
    if is_stream(target):
        for line in failed[:_MAX_LOGGED]:
            logger.warning("%s", line)
        if len(failed) > _MAX_LOGGED:
            logger.warning("... and %d more documents failed", len(failed) - _MAX_LOGGED)
    elif failed:
        with replacing(path) as file:
            file.writelines(f"{line}\n" for line in failed)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)
    return len(failed)


def _failed(line: str) -> bool:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "error" in record and "tokens" not in record
