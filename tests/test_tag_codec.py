import pytest
from allennlp.data.dataset_readers.dataset_utils import bio_tags_to_spans, bioul_tags_to_spans
from allennlp.modules.conditional_random_field import allowed_transitions
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re.sentence import Entity
from joint_ner_re.tag_codec import TagCodec, flatten, split_tag, tag_levels

TYPES = ["Drug", "Adverse-Effect", "O", "B-I"]
CODECS = {scheme: TagCodec(TYPES, scheme) for scheme in ("BIO", "BIOUL")}
SPANS = {"BIO": bio_tags_to_spans, "BIOUL": bioul_tags_to_spans}
each_scheme = pytest.mark.parametrize("scheme", ["BIO", "BIOUL"])
quick = settings(deadline=None, max_examples=100)


@st.composite
def flat(draw):
    """Entities that do not overlap, in order, and a sentence's length."""
    entities, position = [], 0
    for _ in range(draw(st.integers(0, 4))):
        start = position + draw(st.integers(0, 2))
        position = start + draw(st.integers(1, 4))
        entities.append(Entity(draw(st.sampled_from(TYPES)), start, position))
    return entities, position + draw(st.integers(0, 2))


def tag_sequences(scheme):
    return st.lists(st.sampled_from(CODECS[scheme].tags), max_size=10)


any_entities = st.lists(
    st.tuples(st.sampled_from(TYPES), st.integers(0, 9), st.integers(1, 5)).map(
        lambda values: Entity(values[0], values[1], values[1] + values[2])
    ),
    max_size=8,
)


def spans(entities):
    """As AllenNLP gives them: with the last token, not the token after it."""
    return sorted((e.type, (e.start, e.end - 1)) for e in entities)


def well_formed(scheme, tags):
    codec = CODECS[scheme]
    labels = dict(enumerate(codec.tags))
    allowed = set(allowed_transitions(scheme, labels))
    start, end = len(labels), len(labels) + 1
    path = [start, *(codec.tags.index(tag) for tag in tags), end]
    # AllenNLP has no START to END: it never sees a sentence without a token.
    return not tags or all((path[i], path[i + 1]) in allowed for i in range(len(path) - 1))


def conlleval(tags):
    """The chunk rules of the CoNLL evaluation script, whose E and S are BIOUL's L and U."""
    chunks, start, before, before_type = [], None, "O", ""
    for position, tag in enumerate([*tags, "O"]):
        kind, _, name = tag.partition("-")
        pair = before + kind
        changed = before_type != name
        if before != "O" and (
            before in "LU" or pair in {"BB", "BU", "BO", "IB", "IU", "IO"} or changed
        ):
            chunks.append((before_type, (start, position - 1)))
        if kind != "O" and (
            kind in "BU" or pair in {"LL", "LI", "UL", "UI", "OL", "OI"} or changed
        ):
            start = position
        before, before_type = kind, name
    return sorted(chunks)


# The tags


def test_tags_are_numbered_by_type_then_prefix():
    assert TagCodec(["X", "Y"], "BIO").tags == ["O", "B-X", "I-X", "B-Y", "I-Y"]
    assert TagCodec(["X"], "BIOUL").tags == ["O", "B-X", "I-X", "U-X", "L-X"]
    assert TagCodec(["X"]).scheme == "BIOUL"
    assert TagCodec([]).tags == ["O"]
    for scheme, codec in CODECS.items():
        assert len(codec) == len(codec.tags) == 1 + 4 * {"BIO": 2, "BIOUL": 4}[scheme]
        width = len(codec.prefixes)
        for t, name in enumerate(TYPES):
            for p, prefix in enumerate(codec.prefixes):
                assert codec.tags[1 + t * width + p] == f"{prefix}-{name}"


def test_an_unknown_scheme_or_a_repeated_type_is_refused():
    with pytest.raises(ValueError, match="unknown tag scheme 'BMES'; expected one of BIO, BIOUL"):
        TagCodec(["X"], "BMES")
    with pytest.raises(ValueError, match="an entity type occurs twice: X, Y, X"):
        TagCodec(["X", "Y", "X"])


def test_split_tag():
    assert split_tag("O") == ("O", "")
    assert split_tag("B-Drug") == ("B", "Drug")
    assert split_tag("L-Adverse-Effect") == ("L", "Adverse-Effect")


@each_scheme
def test_well_formed_is_what_allennlp_allows(scheme):
    codec = CODECS[scheme]
    start, end = len(codec), len(codec) + 1
    allowed = set(allowed_transitions(scheme, dict(enumerate(codec.tags))))
    for i, before in enumerate(codec.tags):
        assert codec.may_start(before) is ((start, i) in allowed), before
        assert codec.may_end(before) is ((i, end) in allowed), before
        for j, tag in enumerate(codec.tags):
            assert codec.may_follow(before, tag) is ((i, j) in allowed), (before, tag)


# Encoding


def test_encode_by_hand():
    entities = [Entity("Drug", 1, 2), Entity("Drug", 2, 5), Entity("O", 6, 8)]
    assert CODECS["BIO"].encode(entities, 8) == [
        "O", "B-Drug", "B-Drug", "I-Drug", "I-Drug", "O", "B-O", "I-O",
    ]  # fmt: skip
    assert CODECS["BIOUL"].encode(entities, 8) == [
        "O", "U-Drug", "B-Drug", "I-Drug", "L-Drug", "O", "B-O", "L-O",
    ]  # fmt: skip
    assert CODECS["BIO"].encode([], 0) == []


@each_scheme
def test_encode_refuses_what_tags_cannot_hold(scheme):
    with pytest.raises(ValueError, match="overlaps another entity; tags hold no overlaps"):
        CODECS[scheme].encode([Entity("Drug", 0, 3), Entity("O", 2, 4)], 5)
    with pytest.raises(ValueError, match="unknown type 'Dose'; known: Drug, Adverse-Effect, O"):
        CODECS[scheme].encode([Entity("Dose", 0, 1)], 5)


@each_scheme
@quick
@given(data=st.data())
def test_decode_gives_back_what_was_encoded(scheme, data):
    entities, length = data.draw(flat())
    # encode takes them in any order
    tags = CODECS[scheme].encode(data.draw(st.permutations(entities)), length)
    assert len(tags) == length
    assert well_formed(scheme, tags)
    assert CODECS[scheme].decode(tags) == entities
    assert sorted(SPANS[scheme](tags)) == spans(entities)


# Decoding


@each_scheme
@quick
@given(data=st.data())
def test_decode_is_total_and_loses_no_tag(scheme, data):
    codec = CODECS[scheme]
    tags = data.draw(tag_sequences(scheme))
    entities = codec.decode(tags)
    types_at = [[e.type for e in entities if e.start <= i < e.end] for i in range(len(tags))]
    assert types_at == [[] if tag == "O" else [tag.split("-", 1)[1]] for tag in tags]
    assert entities == sorted(entities, key=lambda e: e.start)
    repaired = codec.encode(entities, len(tags))
    assert well_formed(scheme, repaired)
    assert codec.decode(repaired) == entities
    assert (repaired == tags) is well_formed(scheme, tags)


@quick
@given(tag_sequences("BIO"))
def test_decode_agrees_with_allennlp_on_any_bio_tags(tags):
    assert spans(CODECS["BIO"].decode(tags)) == sorted(bio_tags_to_spans(tags))


@each_scheme
@quick
@given(data=st.data())
def test_decode_agrees_with_the_conll_evaluation_on_any_tags(scheme, data):
    tags = data.draw(tag_sequences(scheme))
    assert spans(CODECS[scheme].decode(tags)) == conlleval(tags)


@pytest.mark.parametrize(
    "scheme, tags, expected",
    [
        ("BIO", "I-X I-X", [("X", 0, 2)]),
        ("BIO", "O I-X O", [("X", 1, 2)]),
        ("BIO", "B-X I-Y I-Y", [("X", 0, 1), ("Y", 1, 3)]),
        ("BIO", "I-X B-X I-X", [("X", 0, 1), ("X", 1, 3)]),
        ("BIOUL", "B-X", [("X", 0, 1)]),
        ("BIOUL", "B-X O L-X", [("X", 0, 1), ("X", 2, 3)]),
        ("BIOUL", "I-X I-X", [("X", 0, 2)]),
        ("BIOUL", "L-X L-X", [("X", 0, 1), ("X", 1, 2)]),
        ("BIOUL", "B-X B-X L-X", [("X", 0, 1), ("X", 1, 3)]),
        ("BIOUL", "U-X I-X L-X", [("X", 0, 1), ("X", 1, 3)]),
        ("BIOUL", "B-X U-X L-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 3)]),
        ("BIOUL", "B-X I-Y L-X", [("X", 0, 1), ("Y", 1, 2), ("X", 2, 3)]),
        ("BIOUL", "O O", []),
    ],
)
def test_decode_by_hand(scheme, tags, expected):
    decoded = TagCodec(["X", "Y"], scheme).decode(tags.split())
    assert [entity.key for entity in decoded] == expected


# Levels


@pytest.mark.parametrize(
    "given_spans, levels",
    [
        ([], []),
        ([(3, 4), (0, 2)], [0, 0]),
        ([(0, 2), (1, 4)], [1, 0]),
        ([(0, 2), (0, 2)], [0, 1]),
        ([(2, 3), (1, 3), (0, 3)], [2, 1, 0]),
        ([(0, 1), (0, 5), (3, 5), (4, 5)], [1, 0, 1, 2]),
        # What overlaps none of the first level is on it, though it came after one of the second.
        ([(0, 3), (2, 4), (4, 5)], [0, 1, 0]),
    ],
)
def test_levels_by_hand(given_spans, levels):
    assert tag_levels([Entity("Drug", *span) for span in given_spans]) == levels


@pytest.mark.parametrize("types, levels", [("XY", [0, 1]), ("YX", [1, 0]), ("XX", [0, 1])])
def test_of_one_span_the_type_decides_whichever_is_listed_first(types, levels):
    assert tag_levels([Entity(name, 0, 2) for name in types]) == levels


@quick
@given(any_entities)
def test_each_level_holds_what_flat_tags_hold_of_the_rest(entities):
    rest, level = list(range(len(entities))), 0
    found = tag_levels(entities)
    while rest:
        kept = {rest[i] for i in flatten([entities[i] for i in rest])}
        assert {i for i in rest if found[i] == level} == kept
        rest = [i for i in rest if i not in kept]
        level += 1


# Flattening


@pytest.mark.parametrize(
    "given_spans, kept",
    [
        ([], []),
        ([(3, 4), (0, 2)], [1, 0]),
        ([(0, 2), (1, 4)], [1]),
        ([(0, 2), (1, 3)], [0]),
        ([(1, 3), (0, 2)], [1]),
        ([(0, 2), (0, 2)], [0]),
        ([(0, 2), (2, 4)], [0, 1]),
        ([(0, 3), (2, 6), (5, 8)], [1]),
        ([(0, 9), (1, 2), (10, 11)], [0, 2]),
        ([(4, 6), (0, 2), (1, 5)], [2]),
        ([(0, 3), (2, 5), (4, 7)], [0, 2]),
    ],
)
def test_flatten_by_hand(given_spans, kept):
    assert flatten([Entity("Drug", *span) for span in given_spans]) == kept


@quick
@given(any_entities)
def test_flatten_keeps_what_flat_tags_hold_and_drops_only_for_a_better_one(entities):
    kept = flatten(entities)
    assert [entities[i].start for i in kept] == sorted(entities[i].start for i in kept)
    assert len(set(kept)) == len(kept)
    # encode would refuse an overlap
    CODECS["BIO"].encode([entities[i] for i in kept], 20)

    def rank(i):
        entity = entities[i]
        return (entity.start - entity.end, entity.start, entity.type, i)

    for dropped in set(range(len(entities))) - set(kept):
        assert any(
            entities[dropped].overlaps(entities[i]) and rank(i) < rank(dropped) for i in kept
        )
