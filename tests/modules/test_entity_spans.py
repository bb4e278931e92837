import random

import pytest
import torch

from joint_ner_re.modules import EntitySpans, SpanTagger
from joint_ner_re.sentence import Entity
from joint_ner_re.tag_codec import TagCodec, flatten

CODECS = [TagCodec(["X", "Y", "Z"], "BIO"), TagCodec(["X", "Y", "Z"], "BIOUL")]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.scheme)


def padded(codec, batch):
    """Entities of sentences as tensors, filled up with the padding that is documented."""
    most = max(map(len, batch))
    values = {"starts": 0, "ends": 1, "types": 0, "mask": False}
    rows = {name: [] for name in values}
    for entities in batch:
        found = {
            "starts": [e.start for e in entities],
            "ends": [e.end for e in entities],
            "types": [codec.types.index(e.type) for e in entities],
            "mask": [True] * len(entities),
        }
        for name, padding in values.items():
            rows[name].append(found[name] + [padding] * (most - len(entities)))
    return EntitySpans(
        *(torch.tensor(rows[name], dtype=torch.long) for name in ("starts", "ends", "types")),
        torch.tensor(rows["mask"], dtype=torch.bool),
    )


def mask_of(lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def random_entities(rng, length):
    entities = []
    for _ in range(rng.randint(0, 5) if length else 0):
        start = rng.randrange(length)
        end = rng.randint(start + 1, min(length, start + 3))
        entities.append(Entity(rng.choice("XYZ"), start, end))
    return [entities[i] for i in flatten(entities)]


def assert_same(found, expected):
    for name in ("starts", "ends", "types", "mask"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


@each_codec
@pytest.mark.parametrize("seed", range(20))
def test_encode_is_that_of_the_codec_and_decode_its_inverse(codec, seed):
    rng = random.Random(seed)
    lengths = [rng.randint(0, 9) for _ in range(4)] + [1]
    batch = [random_entities(rng, length) for length in lengths]
    width = max(lengths)
    tagger, spans = SpanTagger(codec), padded(codec, batch)
    tags = tagger.encode(spans, width)
    assert tags.tolist() == [
        [codec.tags.index(tag) for tag in codec.encode(entities, width)] for entities in batch
    ]
    assert_same(tagger.decode(tags, mask_of(lengths)), spans)


@each_codec
def test_encode_takes_entities_in_any_order(codec):
    entities = [Entity("Y", 3, 6), Entity("X", 0, 1), Entity("Z", 1, 3)]
    tags = SpanTagger(codec).encode(padded(codec, [entities]), 7)
    assert [codec.tags[i] for i in tags[0].tolist()] == codec.encode(entities, 7)


@each_codec
@pytest.mark.parametrize("seed", range(20))
def test_decode_is_that_of_the_codec_for_any_tags(codec, seed):
    """Mostly ill-formed tags, with tags at padding that must not be seen."""
    rng = random.Random(seed)
    lengths = [rng.randint(0, 12) for _ in range(6)] + [1, 12]
    numbers = [[rng.randrange(len(codec)) for _ in range(12)] for _ in lengths]
    expected = [
        codec.decode([codec.tags[i] for i in row[:length]]) for row, length in zip(numbers, lengths)
    ]
    found = SpanTagger(codec).decode(torch.tensor(numbers), mask_of(lengths))
    assert_same(found, padded(codec, expected))


@each_codec
def test_an_entity_does_not_run_into_padding(codec):
    inside = codec.tags.index("I-X")
    spans = SpanTagger(codec).decode(torch.full((2, 4), inside), mask_of([4, 2]))
    assert_same(spans, padded(codec, [[Entity("X", 0, 4)], [Entity("X", 0, 2)]]))


@each_codec
def test_a_batch_without_an_entity(codec):
    tagger = SpanTagger(codec)
    spans = tagger.decode(torch.zeros(2, 5, dtype=torch.long), mask_of([5, 3]))
    assert spans.starts.shape == spans.mask.shape == (2, 0)
    assert spans.pairs.shape == (2, 0, 0)
    assert tagger.encode(spans, 5).tolist() == [[0] * 5] * 2


@each_codec
def test_sentences_of_one_token(codec):
    tags = torch.tensor([[0], [codec.tags.index("B-Y")], [codec.tags.index("I-Z")]])
    spans = SpanTagger(codec).decode(tags, torch.ones(3, 1, dtype=torch.bool))
    assert_same(spans, padded(codec, [[], [Entity("Y", 0, 1)], [Entity("Z", 0, 1)]]))


def test_lasts_and_pairs():
    spans = padded(CODECS[0], [[Entity("X", 0, 2), Entity("Y", 4, 5)], [Entity("X", 1, 2)], []])
    assert spans.lasts.tolist() == [[1, 4], [1, 0], [0, 0]]
    assert spans.pairs.tolist() == [
        [[False, True], [True, False]],
        [[False, False], [False, False]],
        [[False, False], [False, False]],
    ]


def test_it_has_no_weights():
    assert not SpanTagger(CODECS[0]).state_dict()
