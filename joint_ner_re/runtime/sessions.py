"""Opens ONNX graphs on the CPU."""

from __future__ import annotations

import os
from typing import Any

import onnxruntime
from numpy import ndarray

from joint_ner_re.runtime.files import ExportedModelError


class Session:
    """A graph that can be run, also by several threads at once.

    # Parameters

    directory : `str`
        The directory of the exported model.
    name : `str`
        The graph's file in it.
    threads : `int`
        How many threads one run uses.

    # Raises

    `ExportedModelError`
        If the file is missing, damaged, or needs operators of others.
    """

    def __init__(self, directory: str, name: str, threads: int) -> None:
        self.path = os.path.join(directory, name)
        if not os.path.isfile(self.path):
            raise ExportedModelError(
                f"{self.path} does not exist; expected what allennlp export writes"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Warnings about graphs of others are of no use to those who run them.
        options.log_severity_level = 3
        # Threads that wait for work would take the cores of others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        # The exception depends on what is wrong.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ExportedModelError(f"{self.path} is damaged: {reason}") from error
        self.inputs = {value.name for value in self._session.get_inputs()}
        self.outputs = [value.name for value in self._session.get_outputs()]

    def check(self, inputs: set[str], outputs: set[str]) -> None:
        """Raise an `ExportedModelError` unless the graph has these inputs and outputs."""
        if self.inputs != inputs or set(self.outputs) != outputs:
            raise ExportedModelError(
                f"{self.path} has the inputs {', '.join(sorted(self.inputs))} and the outputs "
                f"{', '.join(sorted(self.outputs))}; expected {', '.join(sorted(inputs))} and "
                f"{', '.join(sorted(outputs))}"
            )

    def run(self, **inputs: Any) -> dict[str, ndarray]:
        """The graph's outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, inputs)))
