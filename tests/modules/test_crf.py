from itertools import product
from math import exp, isfinite, log

import pytest
import torch
from allennlp.data.dataset_readers.dataset_utils import bio_tags_to_spans, bioul_tags_to_spans
from allennlp.modules.conditional_random_field import ConditionalRandomField, allowed_transitions

from joint_ner_re.modules import ConstrainedCrf
from joint_ner_re.tag_codec import TagCodec

SPANS = {"BIO": bio_tags_to_spans, "BIOUL": bioul_tags_to_spans}
# Codecs small enough that all sequences can be listed.
CODECS = [TagCodec(["X", "Y"], "BIO"), TagCodec(["X"], "BIOUL"), TagCodec(["X", "Y"], "BIOUL")]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda c: f"{c.scheme}-{len(c.types)}")


class Unconstrained(TagCodec):
    """Any tag may stand anywhere."""

    def may_follow(self, before, tag):
        return True

    def may_start(self, tag):
        return True

    may_end = may_start


def new_crf(codec, seed=0):
    """A CRF whose parameters are large enough to matter."""
    torch.manual_seed(seed)
    crf = ConstrainedCrf(codec).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def new_batch(codec, lengths, seed=1):
    """Random scores, also at padding."""
    torch.manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return 2 * torch.randn(len(lengths), max(lengths), len(codec), dtype=torch.double), mask


def allowed_pairs(codec):
    """By AllenNLP's rules; the start and the end of a sentence are `len(codec)` and one more."""
    return set(allowed_transitions(codec.scheme, dict(enumerate(codec.tags))))


def is_well_formed(codec, path, allowed):
    marked = [len(codec), *path, len(codec) + 1]
    return all((marked[i], marked[i + 1]) in allowed for i in range(len(marked) - 1))


def all_paths(codec, length):
    """All well-formed paths, one by one."""
    allowed = allowed_pairs(codec)
    for path in product(range(len(codec)), repeat=length):
        if is_well_formed(codec, path, allowed):
            yield path


def path_score(crf, scores, path):
    transitions, start, end = crf.transitions.tolist(), crf.start.tolist(), crf.end.tolist()
    total = start[path[0]] + end[path[-1]]
    total += sum(scores[position][tag] for position, tag in enumerate(path))
    return total + sum(transitions[a][b] for a, b in zip(path, path[1:]))


def distribution(crf, codec, scores):
    """The probability of every well-formed path of one sentence."""
    weights = {p: exp(path_score(crf, scores, p)) for p in all_paths(codec, len(scores))}
    total = sum(weights.values())
    return {path: weight / total for path, weight in weights.items()}


LENGTHS = [3, 1, 0, 2]


def sentences(scores, mask):
    """Each row without its padding."""
    return [scores[row, : int(mask[row].sum())].tolist() for row in range(len(scores))]


@each_codec
def test_log_likelihood_is_that_of_an_enumeration(codec):
    crf = new_crf(codec)
    scores, mask = new_batch(codec, LENGTHS)
    tables = [distribution(crf, codec, s) if s else {} for s in sentences(scores, mask)]
    paths = [list(table) for table in tables]
    for number in range(max(map(len, paths))):
        # Every well-formed path of every sentence gets its turn; garbage stands at padding.
        tags = torch.full(mask.shape, len(codec) - 1)
        expected = []
        for row, table in enumerate(tables):
            expected.append(0.0)
            if table:
                path = paths[row][number % len(paths[row])]
                tags[row, : len(path)] = torch.tensor(path)
                expected[row] = log(table[path])
        assert crf.log_likelihood(scores, mask, tags).tolist() == pytest.approx(expected)


@each_codec
def test_probabilities_of_well_formed_sequences_sum_to_one(codec):
    crf = new_crf(codec)
    paths = torch.tensor(list(all_paths(codec, 3)))
    scores, mask = new_batch(codec, [3])
    every = crf.log_likelihood(
        scores.expand(len(paths), -1, -1), mask.expand(len(paths), -1), paths
    )
    assert every.exp().sum().item() == pytest.approx(1)


@each_codec
def test_an_ill_formed_sequence_has_no_probability(codec):
    crf = new_crf(codec)
    scores, mask = new_batch(codec, [2])
    well_formed = set(all_paths(codec, 2))
    for path in product(range(len(codec)), repeat=2):
        if path not in well_formed:
            log_likelihood = crf.log_likelihood(scores, mask, torch.tensor([path]))
            assert log_likelihood.exp().item() == 0


@each_codec
@pytest.mark.parametrize("seed", range(3))
def test_viterbi_finds_the_best_of_an_enumeration(codec, seed):
    crf = new_crf(codec, seed)
    scores, mask = new_batch(codec, LENGTHS, seed)
    decoded = crf.viterbi(scores, mask)
    assert decoded.shape == mask.shape and decoded.dtype == torch.long
    for row, rest in zip(decoded.tolist(), sentences(scores, mask)):
        if rest:
            best = max(all_paths(codec, len(rest)), key=lambda p: path_score(crf, rest, p))
            assert tuple(row[: len(rest)]) == best
        assert not any(row[len(rest) :])


def spans_of(codec, path):
    """The entities of a well-formed path: (type, (first, last))."""
    return SPANS[codec.scheme]([codec.tags[tag] for tag in path])


@each_codec
def test_span_probabilities_are_those_of_an_enumeration(codec):
    """Every entity of every path of every sentence, in padded batches of sentences and spans."""
    crf = new_crf(codec)
    scores, mask = new_batch(codec, LENGTHS)
    tables = [distribution(crf, codec, s) if s else {} for s in sentences(scores, mask)]
    # marginals[row][span]: the sum over the paths that hold the span
    marginals = [{} for _ in tables]
    for row, table in enumerate(tables):
        for path, probability in table.items():
            for span in spans_of(codec, path):
                marginals[row][span] = marginals[row].get(span, 0.0) + probability
    paths = [list(table) for table in tables]
    checked = set()
    for number in range(max(map(len, paths))):
        tags = torch.full(mask.shape, len(codec) - 1)
        starts = torch.zeros(len(tables), 3, dtype=torch.long)
        ends = torch.ones(len(tables), 3, dtype=torch.long)
        expected = {}
        for row in range(len(tables)):
            if not paths[row]:
                continue
            path = paths[row][number % len(paths[row])]
            tags[row, : len(path)] = torch.tensor(path)
            for slot, span in enumerate(spans_of(codec, path)):
                starts[row, slot], ends[row, slot] = span[1][0], span[1][1] + 1
                expected[row, slot] = marginals[row][span]
                checked.add((row, span))
        found = crf.span_probabilities(scores, mask, tags, starts, ends)
        assert found.shape == starts.shape
        assert bool(((found >= 0) & (found <= 1)).all())
        for slot, probability in expected.items():
            assert found[slot].item() == pytest.approx(probability)
    assert len(checked) == sum(map(len, marginals)) > 0


@each_codec
@pytest.mark.parametrize("length", [1, 2, 7])
def test_at_every_token_some_entity_or_none(codec, length):
    """P(O there) and the probabilities of all entities that cover a token sum to 1.

    P(O there) comes from elsewhere: the derivative of the log probability of all O by the score
    of O at a token is 1 - P(O there).
    """
    crf = new_crf(codec)
    scores, mask = new_batch(codec, [length])
    scores.requires_grad_()
    outside = torch.zeros(1, length, dtype=torch.long)
    (gradient,) = torch.autograd.grad(crf.log_likelihood(scores, mask, outside).sum(), scores)

    spans, rows = [], []
    numbers = {tag: number for number, tag in enumerate(codec.tags)}
    for start, end in product(range(length), range(1, length + 1)):
        for name in codec.types if start < end else ():
            rows.append([0] * length)
            for position in range(start, end):
                prefix = codec.prefix(position == start, position == end - 1)
                rows[-1][position] = numbers[f"{prefix}-{name}"]
            spans.append((start, end))
    bounds = torch.tensor(spans)
    probabilities = crf.span_probabilities(
        scores.expand(len(spans), -1, -1),
        mask.expand(len(spans), -1),
        torch.tensor(rows),
        bounds[:, :1],
        bounds[:, 1:],
    )[:, 0]
    for position in range(length):
        covering = [i for i, (start, end) in enumerate(spans) if start <= position < end]
        covered = probabilities[covering].sum().item()
        assert covered == pytest.approx(gradient[0, position, 0].item())


# Against AllenNLP's CRF


def allennlp_crf(crf, constraints=None):
    other = ConditionalRandomField(len(crf.start), constraints).double()
    other.transitions.data = crf.transitions.data
    other.start_transitions.data = crf.start.data
    other.end_transitions.data = crf.end.data
    return other


def test_log_likelihood_without_constraints_is_allennlps():
    crf = new_crf(Unconstrained(["X", "Y"], "BIOUL"))
    scores, mask = new_batch(CODECS[2], [9, 4, 1, 6])
    tags = torch.randint(9, mask.shape)
    expected = allennlp_crf(crf)(scores, tags, mask)
    assert crf.log_likelihood(scores, mask, tags).sum().item() == pytest.approx(expected.item())


def test_gradients_are_allennlps():
    crf = new_crf(Unconstrained(["X", "Y"], "BIOUL"))
    scores, mask = new_batch(CODECS[2], [9, 4, 1, 300, 6])
    tags = torch.randint(9, mask.shape)
    other = allennlp_crf(crf)
    theirs = (scores.clone(), other.transitions, other.start_transitions, other.end_transitions)
    ours = (scores, crf.transitions, crf.start, crf.end)
    # Weights for sentences: AllenNLP's sums over them.
    (crf.log_likelihood(scores.requires_grad_(), mask, tags).sum() * 0.7).backward()
    (other(theirs[0].requires_grad_(), tags, mask) * 0.7).backward()
    for one, another in zip(ours, theirs):
        torch.testing.assert_close(one.grad, another.grad)


@each_codec
def test_gradients_are_those_of_small_differences(codec):
    crf = new_crf(codec)
    scores, mask = new_batch(codec, LENGTHS)
    tags = torch.zeros(mask.shape, dtype=torch.long)
    scores.requires_grad_()
    names = ("transitions", "start", "end")
    weights = torch.randn(len(LENGTHS), dtype=torch.double)

    def weighted(scores, *parameters):
        for name, parameter in zip(names, parameters):
            delattr(crf, name)
            setattr(crf, name, parameter)
        return crf.log_likelihood(scores, mask, tags) * weights

    values = [getattr(crf, name).detach().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(weighted, (scores, *values))


@each_codec
def test_viterbi_is_allennlps_on_longer_sentences(codec):
    crf = new_crf(codec)
    scores, mask = new_batch(codec, [30, 1, 12, 25, 2])
    expected = allennlp_crf(crf, list(allowed_pairs(codec))).viterbi_tags(scores, mask)
    decoded = crf.viterbi(scores, mask)
    for row, (path, _) in enumerate(expected):
        assert decoded[row, : len(path)].tolist() == path


# Extremes


@each_codec
@pytest.mark.parametrize("size", [1e3, 1e6])
def test_no_score_makes_an_ill_formed_sequence_decodable(codec, size):
    """Scores for tags drawn at random, hence mostly against the rules."""
    torch.manual_seed(3)
    crf = ConstrainedCrf(codec)
    mask = torch.arange(8) < torch.tensor([8, 5, 1, 2] * 10)[:, None]
    wished = torch.randint(len(codec), mask.shape)
    scores = torch.nn.functional.one_hot(wished, len(codec)).float() * size
    allowed = allowed_pairs(codec)
    lengths = mask.sum(dim=1).tolist()
    paths = [row[:n] for row, n in zip(crf.viterbi(scores, mask).tolist(), lengths)]
    assert all(is_well_formed(codec, path, allowed) for path in paths)
    wishes = [row[:n] for row, n in zip(wished.tolist(), lengths)]
    followed = [path == wish for path, wish in zip(paths, wishes)]
    assert followed == [is_well_formed(codec, wish, allowed) for wish in wishes]
    assert not all(followed)


def test_no_parameter_makes_an_ill_formed_sequence_decodable():
    codec = CODECS[0]
    crf = ConstrainedCrf(codec)
    inside = codec.tags.index("I-X")
    with torch.no_grad():
        crf.start[inside] = crf.transitions[0, inside] = 1e6
    decoded = crf.viterbi(torch.zeros(1, 4, len(codec)), torch.ones(1, 4, dtype=torch.bool))
    assert is_well_formed(codec, decoded[0].tolist(), allowed_pairs(codec))


@each_codec
@pytest.mark.parametrize("size", [1, 1e3, 1e6])
def test_losses_and_gradients_are_finite(codec, size):
    torch.manual_seed(0)
    crf = ConstrainedCrf(codec)
    mask = torch.arange(6) < torch.tensor([6, 1, 0, 3])[:, None]
    scores = (torch.randn(4, 6, len(codec)) * size).requires_grad_()
    loss = -crf.log_likelihood(scores, mask, torch.zeros(4, 6, dtype=torch.long)).mean()
    loss.backward()
    assert isfinite(loss.item())
    for tensor in (scores, *crf.parameters()):
        assert bool(torch.isfinite(tensor.grad).all())
    # Padding, and a sentence without a token, teach nothing.
    assert not scores.grad[~mask].any()
    assert scores.grad[mask].any()


def test_what_is_never_possible_gets_no_gradient():
    codec = CODECS[1]
    crf = ConstrainedCrf(codec)
    scores, mask = torch.randn(3, 4, len(codec)), torch.ones(3, 4, dtype=torch.bool)
    (-crf.log_likelihood(scores, mask, torch.zeros(3, 4, dtype=torch.long))).sum().backward()
    allowed = allowed_pairs(codec)
    for i, j in product(range(len(codec)), repeat=2):
        assert bool(crf.transitions.grad[i, j]) is ((i, j) in allowed)


def test_a_batch_without_any_token():
    crf = ConstrainedCrf(CODECS[1])
    scores, mask = torch.randn(2, 1, 5), torch.zeros(2, 1, dtype=torch.bool)
    assert crf.log_likelihood(scores, mask, torch.zeros(2, 1, dtype=torch.long)).tolist() == [0, 0]
    assert crf.viterbi(scores, mask).tolist() == [[0], [0]]


def test_the_rules_are_not_part_of_the_weights():
    assert set(ConstrainedCrf(CODECS[0]).state_dict()) == {"transitions", "start", "end"}
