"""The CRF in numpy, against every path one by one and against the one in PyTorch."""

from itertools import product

import numpy
import pytest
import torch

from joint_ner_re.modules import ConstrainedCrf
from joint_ner_re.runtime.crf import Crf
from joint_ner_re.runtime.tags import Spans, Tables
from joint_ner_re.sentence import Entity
from joint_ner_re.tag_codec import TagCodec

LENGTHS = numpy.array([4, 1, 3])


@pytest.fixture(params=["BIO", "BIOUL"])
def parts(request):
    """The scheme, the CRF in numpy and in PyTorch, and scores of three sentences."""
    torch.manual_seed(3)
    codec = TagCodec(["A", "B"], request.param)
    crf = ConstrainedCrf(codec)
    tables = Tables(codec)
    transitions, start, end = (t.detach().numpy() for t in crf._constrained())
    numbers = numpy.random.default_rng(5)
    scores = numbers.normal(0, 2, (3, 4, len(codec))).astype("float32")
    return codec, Crf(transitions, start, end, tables.joins), crf, tables, scores


def paths(crf, scores, length):
    """Every tag sequence and its score."""
    for tags in product(range(scores.shape[1]), repeat=length):
        total = crf.start[tags[0]] + crf.end[tags[-1]]
        total += sum(scores[place, tag] for place, tag in enumerate(tags))
        total += sum(crf.transitions[a, b] for a, b in zip(tags, tags[1:]))
        if total > -numpy.inf:
            yield tags, float(total)


def test_viterbi_finds_the_best_path(parts):
    codec, crf, torch_crf, _, scores = parts
    found = crf.viterbi(scores, LENGTHS)
    for row, length in enumerate(LENGTHS):
        best = max(paths(crf, scores[row], length), key=lambda path: path[1])[0]
        assert found[row].tolist() == [*best, *[0] * (4 - length)]
    mask = torch.arange(4) < torch.tensor(LENGTHS).unsqueeze(1)
    assert found.tolist() == torch_crf.viterbi(torch.tensor(scores), mask).tolist()


def test_probabilities_are_sums_over_all_paths(parts):
    codec, crf, _, tables, scores = parts
    for row, length in enumerate(LENGTHS):
        total = sum(numpy.exp(score) for _, score in paths(crf, scores[row], length))
        for start, kind in product(range(length), range(2)):
            for stop in range(start + 1, length + 1):
                entity = Entity(codec.types[kind], start, stop)
                among = [
                    numpy.exp(score) for tags, score in paths(crf, scores[row], length)
                    if entity in codec.decode([codec.tags[tag] for tag in tags])
                ]  # fmt: skip
                spans = Spans(*(numpy.array([n]) for n in (row, start, stop, kind, 0)))
                tags = tables.encode(spans, (3, 4))
                (found,) = crf.span_probabilities(scores, LENGTHS, tags, *spans[:3])
                assert found == pytest.approx(sum(among) / total, abs=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1, 30, 1e4])
def test_probabilities_are_those_of_pytorch(parts, scale):
    _, crf, torch_crf, tables, scores = parts
    scores = scores * numpy.float32(scale)
    spans = tables.decode(crf.viterbi(scores, LENGTHS), 0)
    tags = tables.encode(spans, (3, 4))
    found = crf.span_probabilities(scores, LENGTHS, tags, *spans[:3])
    expected = torch_crf.span_probabilities(
        torch.tensor(scores),
        torch.arange(4) < torch.tensor(LENGTHS).unsqueeze(1),
        torch.tensor(tags),
        *(torch.zeros(3, 4, dtype=torch.long) + torch.arange(4) + shift for shift in (0, 1)),
    ).numpy()
    ones = spans.ends - spans.starts == 1
    assert ones.any()
    assert found[ones] == pytest.approx(expected[spans.rows, spans.starts][ones], abs=1e-6)


def test_nothing_found_is_no_probability(parts):
    _, crf, _, _, scores = parts
    none = numpy.zeros(0, int)
    tags = numpy.zeros((3, 4), int)
    assert crf.span_probabilities(scores, LENGTHS, tags, none, none, none).shape == (0,)
