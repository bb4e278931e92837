"""Compares an exported model's numbers with those of the model that it was made of."""

import numpy
import torch
from allennlp.data import Batch
from numpy import ndarray

from joint_ner_re.exporting.graphs import ExportError
from joint_ner_re.modules import EntitySpans
from joint_ner_re.predictors import JointPredictor
from joint_ner_re.runtime.model import ExportedModel
from joint_ner_re.runtime.tags import Spans
from joint_ner_re.sentence import Sentence

# Single precision gives about 1e-6; another formula gives much more.
TOLERANCE = 1e-3
_WORDS = (
    "Methotrexate", "was", "stopped", "in", "1994", "because", "of", "pneumonitis", ",", "said",
    "Oleg", "Hart", "(", "IL-8", ")", "naïve", "x", ".",
)  # fmt: skip
# One token, and sentences that need padding and, with most encoders, several windows.
_LENGTHS = (1, 2, 7, 19, 40, 700)


def check_same_numbers(predictor: JointPredictor, directory: str) -> None:
    """Compare tag scores and relation scores on a few made-up sentences.

    # Parameters

    predictor : `JointPredictor`
        With the model; it is compared in single precision.
    directory : `str`
        The exported model, in single precision.

    # Raises

    `ExportError`
        If a score differs by more than `TOLERANCE`; the message names which.
    """
    model = predictor._model
    exported = ExportedModel(directory)
    sentences = made_up_sentences()
    spans = _spans(sentences, len(model.entity_types))
    model.eval()
    low, model._bfloat16 = model._bfloat16, False
    try:
        expected = _expected(predictor, sentences, spans)
    finally:
        model._bfloat16 = low
    outputs, lengths = exported.compute(sentences)
    inside = numpy.arange(lengths.max()) < lengths[:, None]
    for level, scores in enumerate(expected[:-1]):
        found = outputs[f"scores_{level}"]
        _compare(f"tag scores of level {level}", found[inside], scores[inside])
    pairs = list(exported.logits(outputs, spans))
    if pairs:
        heads, tails, found = (numpy.concatenate(parts) for parts in zip(*pairs))
        first = numpy.searchsorted(spans.rows, spans.rows)
        rows = spans.rows[heads]
        logits = expected[-1][rows, heads - first[heads], tails - first[tails]]
        _compare("relation scores", found, logits)


def made_up_sentences() -> list[Sentence]:
    """Sentences of one token, of a few, and of so many that most encoders need windows."""
    return [
        Sentence([_WORDS[(3 * place + length) % len(_WORDS)] for place in range(length)])
        for length in _LENGTHS
    ]


def _spans(sentences: list[Sentence], types: int) -> Spans:
    """A few entities in each sentence, next to and far from one another."""
    found = []
    for row, sentence in enumerate(sentences):
        length = len(sentence.tokens)
        starts = {0, 1, 3, 4, length // 2, length - 1} & set(range(length))
        for number, start in enumerate(sorted(starts)):
            found.append((row, start, min(start + 1 + number % 2, length), number % types, 0))
    return Spans(*numpy.array(found, numpy.intp).T)


def _expected(predictor: JointPredictor, sentences: list[Sentence], spans: Spans) -> list[ndarray]:
    """The model's tag scores of each level and, last, the logits of all pairs."""
    model = predictor._model
    batch = Batch([predictor._instance(sentence) for sentence in sentences])
    batch.index_instances(model.vocab)
    with torch.inference_mode():
        tensors = batch.as_tensor_dict()
        mask = model._mask([len(sentence.tokens) for sentence in sentences])
        encoded = model._encode(tensors["tokens"], mask)  # type: ignore[arg-type]
        scores = model.entity_finder.score(encoded["ner"], mask)
        rows, starts, ends, types = (torch.as_tensor(values) for values in spans[:4])
        padded = EntitySpans.padded(rows, starts, ends, types, len(sentences))
        logits = model.relation_scorer(
            encoded["relation"], model.entity_finder.labels(padded), padded
        )
    return [values.numpy() for values in (*scores, logits)]


def _compare(what: str, found: ndarray, expected: ndarray) -> None:
    scale = numpy.maximum(1.0, numpy.abs(expected))
    difference = float((numpy.abs(found - expected) / scale).max(initial=0.0))
    # "not" instead of ">", so that NaN counts as different.
    if not difference <= TOLERANCE:
        raise ExportError(
            f"the exported graphs give other {what} than the model (by {difference:.2g}, more than "
            f"{TOLERANCE}): a part of the model is not exported rightly; use the archive itself"
        )
