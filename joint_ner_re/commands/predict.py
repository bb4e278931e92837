"""`allennlp predict` with this package's predictor: a bad line does not end the run.

AllenNLP's own command reads, predicts and writes; with it the first line that is not UTF-8, no JSON
or too large for memory ends the run. Here such a line gives the record that `allennlp extract`
writes for it, and the exit status tells.
"""

import sys
from typing import BinaryIO, Iterator, cast

from allennlp.commands import predict
from allennlp.common.file_utils import cached_path, open_compressed
from overrides import overrides

from joint_ner_re.extraction.batches import Item, batches_of, lines_of, predicted_lines
from joint_ner_re.predictors import JointPredictor


class PredictManager(predict._PredictManager):
    """AllenNLP's, but for a `JointPredictor` that predicts lines."""

    @overrides
    def run(self) -> None:
        predictor = self._predictor
        if self._dataset_reader is not None or not isinstance(predictor, JointPredictor):
            super().run()
            return
        documents = errors = 0
        for batch in batches_of(self._items(), self._batch_size):
            lines, failed = predicted_lines(predictor, batch)
            for item, line in zip(batch, lines):
                given = item.content.decode("utf-8", "replace").rstrip("\r\n")
                self._maybe_print_to_console_and_file(documents, line, given)
                documents += 1
            errors += failed
        if self._output_file is not None:
            self._output_file.close()
        if errors:
            sys.exit(
                f"allennlp predict: {errors} of {documents} documents could not be processed; they "
                'have the key "error"'
            )

    def _items(self) -> Iterator[Item]:
        """The lines that are not blank, which AllenNLP passes over, with their numbers."""
        if self._input_file == "-":
            yield from self._not_blank(sys.stdin.buffer)
            return
        file = open_compressed(cached_path(self._input_file), "rb", encoding=None)
        with cast(BinaryIO, file) as stream:
            yield from self._not_blank(stream)

    @staticmethod
    def _not_blank(stream: BinaryIO) -> Iterator[Item]:
        for item in lines_of(stream, 0):
            if not item.content.decode("utf-8", "replace").isspace():
                yield item


# AllenNLP makes its manager by this name. A subcommand of our own with its name would be found only
# where the package is a plugin, not with --include-package, which is read after the commands.
predict._PredictManager = PredictManager  # type: ignore[misc]
