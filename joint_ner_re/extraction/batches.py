"""Turns a batch of input documents into lines of output; a bad document becomes an error record."""

import os
from collections.abc import Iterator

from joint_ner_re.documents import DocumentPredictor, Record
from joint_ner_re.extraction import inputs
from joint_ner_re.extraction.inputs import InputDocument, text_of_file
from joint_ner_re.halving import in_halves, is_out_of_memory

# In memory, tokens with their offsets take a hundred times as much as the document.
_MAX_BATCH_BYTES = 2**20


def batches_of(documents: Iterator[InputDocument], size: int) -> Iterator[list[InputDocument]]:
    """Batches of `size` documents, or fewer if they are long."""
    batch: list[InputDocument] = []
    held = 0
    for document in documents:
        batch.append(document)
        held += os.path.getsize(document.file) if document.file else len(document.content)
        if len(batch) == size or held >= _MAX_BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def predicted_lines(
    predictor: DocumentPredictor, batch: list[InputDocument]
) -> tuple[list[str], int]:
    """One line for each document, in order, and the number of error records among them."""
    outputs: dict[int, Record] = {}
    records: list[tuple[int, Record]] = []
    for document in batch:
        try:
            records.append((document.number, _record(predictor, document)))
        except (ValueError, RecursionError) as error:
            outputs[document.number] = _failure(document.number, document.name, error)

    def predict(some: list[tuple[int, Record]]) -> list[Record]:
        return predictor.predict_batch_json([record for _, record in some])

    def give_up(numbered: tuple[int, Record], error: Exception) -> Record:
        number, record = numbered
        name = record.get("id")
        return _failure(number, "" if name is None else str(name), error)

    predicted = in_halves(predict, records, give_up, _depends_on_documents)
    outputs.update((number, output) for (number, _), output in zip(records, predicted))
    lines = []
    errors = 0
    for document in batch:
        output = outputs[document.number]
        if "error" in output:
            # Counted in the file, not in the batch.
            output["line"] = document.number
        try:
            line = predictor.dump_line(output)
            line.encode("utf-8")
        except (ValueError, RecursionError) as error:
            # The id cannot be encoded, such as some file names, or the JSON is nested too deeply.
            output = _failure(document.number, "", error)
            line = predictor.dump_line(output)
        lines.append(line)
        errors += "error" in output
    return lines, errors


def _record(predictor: DocumentPredictor, document: InputDocument) -> Record:
    """The document as input of the predictor.

    # Raises

    `ValueError`
        If it is not UTF-8, too long, or begins like a JSON object but is none.
    """
    if document.file:
        return {"id": document.name, "text": text_of_file(document.file)}
    if len(document.content) == inputs.MAX_LINE_BYTES:
        raise ValueError(f"a line of more than {inputs.MAX_LINE_BYTES} bytes")
    if b"\0" in document.content:
        raise ValueError(
            f"byte {document.content.index(0) + 1} of the line is zero; expected UTF-8 text: the "
            "file is damaged, binary, or UTF-16"
        )
    try:
        return predictor.load_line(document.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start + 1} of the line is not UTF-8; convert the file, for example "
            "with iconv -f LATIN1 -t UTF-8"
        ) from error


def _depends_on_documents(error: Exception) -> bool:
    """Whether other documents may succeed: the memory did not suffice, or one is malformed."""
    return isinstance(error, (ValueError, RecursionError)) or is_out_of_memory(error)


def _failure(number: int, name: str, error: Exception) -> Record:
    details = {"type": type(error).__name__, "message": str(error)}
    return {"id": name, "error": details, "line": number}
