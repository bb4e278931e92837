"""`allennlp predict` with this package's predictor: one line of output for each line of input.

AllenNLP's own command leaves out blank lines, and stops at the first line that is not UTF-8, not
JSON or too large for the memory. This one writes for every line the record that `allennlp extract`
would write. The exit status tells whether any record is an error.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from allennlp.commands import predict
from allennlp.common.file_utils import cached_path, open_compressed
from overrides import overrides

from joint_ner_re.allennlp_changes import make
from joint_ner_re.commands.endings import CommandError
from joint_ner_re.extraction.batches import batches_of, predicted_lines
from joint_ner_re.extraction.inputs import InputDocument, documents_of_stream, opened
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.writing import replacing


class PredictManager(predict._PredictManager):
    """AllenNLP's class, except that a `JointPredictor` predicts for every line."""

    def __init__(self, predictor: Any, input_file: str, output_file: str | None, *rest: Any):
        # AllenNLP would open the output here and write it in place.
        super().__init__(predictor, input_file, None, *rest)
        # AllenNLP's parser is complete before any plugin is imported, so there is no option for it.
        if output_file and isinstance(predictor, JointPredictor) and os.path.isfile(output_file):
            raise CommandError(
                f"{output_file} exists, perhaps with the output of another model; give another "
                "name, remove it, or use extract, which has --overwrite"
            )
        self._output_path = output_file

    @overrides
    def run(self) -> None:
        if self._output_path is None:
            documents, errors = self._predict()
        else:
            # A separate file object, because AllenNLP closes it.
            with (
                replacing(self._output_path) as file,
                open(os.dup(file.fileno()), "w", encoding="utf-8") as own,
            ):
                self._output_file = own
                documents, errors = self._predict()
        if errors:
            raise CommandError(
                f"{errors} of {documents} documents could not be processed; they have the key "
                '"error"'
            )

    def _predict(self) -> tuple[int, int]:
        """Predict and write. Returns the numbers of documents and of failures."""
        predictor = self._predictor
        if self._dataset_reader is not None or not isinstance(predictor, JointPredictor):
            super().run()
            return 0, 0
        documents = errors = 0
        for batch in batches_of(self._documents(), self._batch_size):
            lines, failed = predicted_lines(predictor, batch)
            for document, line in zip(batch, lines):
                given = document.content.decode("utf-8", "replace").rstrip("\r\n")
                self._maybe_print_to_console_and_file(documents, line, given)
                documents += 1
            errors += failed
        return documents, errors

    def _documents(self) -> Iterator[InputDocument]:
        """The documents of the input, with their numbers."""
        if self._input_file == "-":
            yield from documents_of_stream("standard input", sys.stdin.buffer)
            return
        path = cached_path(self._input_file)
        if os.path.isdir(path):
            raise CommandError(
                f"{self._input_file}: this is a directory; expected a file. allennlp extract reads "
                "a directory of .txt files"
            )
        if str(path).endswith(".bz2"):
            # AllenNLP's command has always unpacked these.
            with cast(BinaryIO, open_compressed(path, "rb", encoding=None)) as stream:
                yield from documents_of_stream(self._input_file, stream)
            return
        with opened(path) as stream:
            yield from documents_of_stream(self._input_file, stream)


make(__name__)
