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


def spans_of(*rows):
    """Entities as (start, end, type, level), `None` for padding."""
    columns = [[entity or (0, 1, 0, 0) for entity in row] for row in rows]
    starts, ends, types, levels = torch.tensor(columns).unbind(dim=2)
    mask = torch.tensor([[entity is not None for entity in row] for row in rows])
    return EntitySpans(starts, ends, types, mask, levels)


def listed(spans):
    """The real entities of each sentence as (start, end, type, level)."""
    columns = torch.stack([spans.starts, spans.ends, spans.types, spans.levels], dim=2)
    return [
        [tuple(entity) for entity in row[real].tolist()] for row, real in zip(columns, spans.mask)
    ]


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


# Levels

FIELDS = ("starts", "ends", "types", "mask", "levels")
NESTED = spans_of([(1, 4, 0, 0), (6, 7, 1, 0), (1, 2, 1, 1)], [(0, 2, 1, 0), None, None])


def test_without_levels_all_are_on_the_first():
    given = EntitySpans(NESTED.starts, NESTED.ends, NESTED.types, NESTED.mask)
    assert given.levels.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_entities_of_one_level():
    assert listed(NESTED.on_level(0)) == [[(1, 4, 0, 0), (6, 7, 1, 0)], [(0, 2, 1, 0)]]
    assert listed(NESTED.on_level(1)) == [[(1, 2, 1, 1)], []]
    assert listed(NESTED.on_level(2)) == [[], []]


def test_gold_entities_are_those_of_all_levels():
    annotation = {name: getattr(NESTED, name) for name in FIELDS}
    assert listed(EntitySpans.gold({**annotation, "relations": None})) == listed(NESTED)


@each_codec
def test_the_last_tags_are_those_of_the_codec(codec):
    entities = [Entity("X", 0, 1), Entity("Y", 2, 5), Entity("Z", 5, 7)]
    tags = codec.encode(entities, 8)
    found = SpanTagger(codec).last_tags(padded(codec, [entities, []]))
    assert [codec.tags[tag] for tag in found[0]] == [tags[0], tags[4], tags[6]]
    assert bool(((found >= 0) & (found < len(codec))).all())


def test_parts_stand_together_one_after_the_other():
    other = spans_of([None], [(3, 4, 0, 2)])
    together = EntitySpans.together([other, NESTED])
    assert listed(together) == [listed(NESTED)[0], [(3, 4, 0, 2), (0, 2, 1, 0)]]
    assert together.mask.tolist() == [[False, True, True, True], [True, True, False, False]]


def test_which_entities_are_among_others():
    others = spans_of(
        [(1, 2, 1, 0), (1, 4, 1, 0), (6, 8, 1, 0)],  # Right on another level; other type; other end
        [(0, 2, 1, 0), None, None],
    )
    assert NESTED.among(others).tolist() == [[False, False, True], [True, False, False]]
    # Padding is among nothing, and nothing is among padding.
    padding = spans_of([None] * 2, [None] * 2)
    assert padding.among(padding).tolist() == [[False] * 2] * 2
    assert NESTED.among(padding).tolist() == [[False] * 3] * 2
    empty = spans_of([None], [None])
    empty = EntitySpans(*(getattr(empty, name)[:, :0] for name in FIELDS))
    assert NESTED.among(empty).tolist() == [[False] * 3] * 2
    assert empty.among(NESTED).shape == (2, 0)


def test_the_order_is_that_of_the_sentence_with_padding_last():
    spans = spans_of(
        [(6, 7, 1, 0), None, (1, 2, 1, 1), (1, 4, 0, 0), (1, 4, 1, 2)], [None] * 4 + [(0, 8, 1, 1)]
    )
    ordered = spans.sorted(8)
    assert ordered.mask.tolist() == [[True] * 4 + [False], [True] + [False] * 4]
    assert listed(ordered) == [
        [(1, 4, 0, 0), (1, 4, 1, 2), (1, 2, 1, 1), (6, 7, 1, 0)], [(0, 8, 1, 1)]
    ]  # fmt: skip


@each_codec
def test_decoded_entities_are_of_the_level_that_is_told(codec):
    tags = torch.tensor([[codec.tags.index("I-X"), 0], [0, 0]])
    found = SpanTagger(codec).decode(tags, mask_of([2, 2]), level=3)
    assert (found.levels.tolist(), found.mask.tolist()) == ([[3], [0]], [[True], [False]])
