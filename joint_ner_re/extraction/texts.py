"""The texts of an input file for other uses than the commands, such as a spaCy pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from joint_ner_re.extraction.checks import ExtractionError
from joint_ner_re.extraction.inputs import text_of_file
from joint_ner_re.extraction.source import Source
from joint_ner_re.messages import quote
from joint_ner_re.writing import PathLike


def read_texts(
    path: PathLike, text_column: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The texts of a file or directory as `allennlp extract` reads it, for `nlp.pipe`.

    # Parameters

    path : `str`
        Lines of text, JSON lines, a JSON array, a table, or a directory of texts.
    text_column : `str`, optional (default = `None`)
        The column of the texts, for a table.

    # Returns

    `Iterator[tuple[str, dict[str, Any]]]`
        Each text with what else is known of it, such as its `id` and the other columns.

    # Raises

    `ExtractionError`
        If the file cannot be read, or a document has no text.
    """
    for document in Source(path, text_column).documents():
        if document.file:
            yield text_of_file(document.file), {"id": document.name}
            continue
        record: dict[str, Any] = {}
        text: Any = None
        try:
            line = document.content.decode("utf-8").rstrip("\r\n").lstrip("\ufeff")
            record = json.loads(line) if line.lstrip().startswith("{") else {"text": line}
            text = record.pop("text", None)
            text = record.pop("sentence", None) if text is None else text
        except (ValueError, RecursionError) as error:
            raise ExtractionError(
                f"{os.fspath(path)}: document {document.number} cannot be read ({error})"
            ) from error
        if not isinstance(text, str):
            raise ExtractionError(
                f"{os.fspath(path)}: the text of document {document.number} is {quote(text)}; "
                "expected a string"
            )
        yield text, record
