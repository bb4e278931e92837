import json
from dataclasses import FrozenInstanceError
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joint_ner_re.sentence import Entity, Relation, Sentence, SentenceError

#       0123456789012345678901234567890
TEXT = "Ann Lee  works for Acme, Paris."
TOKENS = ("Ann", "Lee", "works", "for", "Acme", ",", "Paris", ".")
OFFSETS = ((0, 3), (4, 7), (9, 14), (15, 18), (19, 23), (23, 24), (25, 30), (30, 31))
ENTITIES = (Entity("Peop", 0, 2), Entity("Org", 4, 5, 0.5), Entity("Loc", 6, 7))
RELATIONS = (Relation("Work_For", 0, 1, 0.25), Relation("OrgBased_In", 1, 2))
WITH_TEXT = Sentence(TOKENS, ENTITIES, RELATIONS, "s1", TEXT, OFFSETS)
WITHOUT_TEXT = Sentence(TOKENS, ENTITIES, RELATIONS, "s1")


def test_the_example_is_consistent():
    assert tuple(TEXT[begin:end] for begin, end in OFFSETS) == TOKENS


@st.composite
def sentences(draw):
    """Any valid sentence: overlapping and repeated entities, scores, text with odd characters."""
    tokens = draw(st.lists(st.text(max_size=4), max_size=6))
    scores = st.none() | st.floats(0, 1)
    names = st.text(max_size=3)
    entities, relations = [], []
    if tokens:
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(tokens) - 1))
            end = draw(st.integers(start + 1, len(tokens)))
            entities.append(Entity(draw(names), start, end, draw(scores)))
    if len(entities) > 1:
        for _ in range(draw(st.integers(0, 3))):
            head, tail = draw(st.permutations(range(len(entities))))[:2]
            relations.append(Relation(draw(names), head, tail, draw(scores)))
    text, offsets = None, None
    if draw(st.booleans()):
        text, offsets = draw(st.text(max_size=2)), []
        for token in tokens:
            offsets.append((len(text), len(text) + len(token)))
            text += token + draw(st.text(max_size=2))
    return Sentence(tokens, entities, relations, draw(names), text, offsets)


# What a sentence must be


@pytest.mark.parametrize("start, end", [(-1, 1), (1, 1), (2, 1), (0, 9), (8, 9), (-2, -1)], ids=str)
def test_an_entity_must_lie_in_the_sentence(start, end):
    with pytest.raises(SentenceError) as error:
        Sentence(TOKENS, [Entity("Loc", 0, 1), Entity("Org", start, end)])
    assert str(error.value) == (
        f"entity 1 (Org) covers tokens {start} to {end}; expected 0 <= start < end <= 8, "
        "the number of tokens"
    )


def test_an_entity_may_cover_everything_but_an_empty_sentence_holds_none():
    assert Sentence(TOKENS, [Entity("Org", 0, 8)]).entities == (Entity("Org", 0, 8),)
    assert Sentence(()).entities == ()
    with pytest.raises(SentenceError, match="end <= 0, the number of tokens"):
        Sentence((), [Entity("Org", 0, 1)])


@pytest.mark.parametrize(
    "head, tail, role, index", [(-1, 0, "head", -1), (3, 0, "head", 3), (0, 3, "tail", 3)]
)
def test_a_relation_must_link_entities_of_the_sentence(head, tail, role, index):
    with pytest.raises(SentenceError) as error:
        Sentence(TOKENS, ENTITIES, [Relation("Kill", 0, 1), Relation("Live_In", head, tail)])
    assert str(error.value) == (
        f"relation 1 (Live_In) has {role} {index}; expected an index into the sentence's 3 entities"
    )


def test_a_relation_must_link_two_entities():
    with pytest.raises(SentenceError) as error:
        Sentence(TOKENS, ENTITIES, [Relation("Kill", 2, 2)])
    assert str(error.value) == (
        "relation 0 (Kill) links entity 2 to itself; expected two different entities"
    )


@pytest.mark.parametrize(
    "text, offsets, missing", [(TEXT, None, "offsets"), (None, OFFSETS, "text")]
)
def test_text_and_offsets_come_together(text, offsets, missing):
    with pytest.raises(SentenceError) as error:
        Sentence(TOKENS, text=text, offsets=offsets)
    assert str(error.value) == f"text and offsets belong together, but {missing} is missing"


def test_there_is_one_offset_per_token():
    with pytest.raises(SentenceError) as error:
        Sentence(TOKENS, text=TEXT, offsets=OFFSETS[:-1])
    assert str(error.value) == "7 offsets for 8 tokens; expected one per token"


@pytest.mark.parametrize(
    "offsets, number, previous",
    [
        ([(-1, 1), (2, 3)], 0, 0),
        ([(1, 0), (2, 3)], 0, 0),
        ([(0, 2), (1, 3)], 1, 2),
        ([(0, 1), (3, 5)], 1, 1),
    ],
    ids=["before the text", "end before begin", "overlapping", "after the text"],
)
def test_offsets_are_in_order_and_in_the_text(offsets, number, previous):
    with pytest.raises(SentenceError) as error:
        Sentence(["a", "b"], text="a bc", offsets=offsets)
    begin, end = offsets[number]
    assert str(error.value) == (
        f"token {number} has offsets {begin} to {end}; expected {previous} <= begin <= end <= 4, "
        "the end of the token before and of the text"
    )


def test_a_sentence_never_changes():
    tokens, offsets = ["a", "b"], [[0, 1], [1, 2]]
    sentence = Sentence(tokens, text="ab", offsets=offsets)
    tokens.append("c")
    offsets[0][1] = 2
    assert sentence.tokens == ("a", "b")
    assert sentence.offsets == ((0, 1), (1, 2))
    with pytest.raises(FrozenInstanceError):
        sentence.tokens = ("c",)


def test_the_source_is_no_part_of_equality():
    assert Sentence(["a"], source="x:1") == Sentence(["a"], source="y:2")
    assert Sentence(["a"], id="x") != Sentence(["a"], id="y")


# What it knows


def test_character_span():
    assert WITH_TEXT.character_span(Entity("Peop", 0, 2)) == (0, 7)
    assert WITH_TEXT.character_span(Entity("X", 2, 6)) == (9, 24)
    assert WITHOUT_TEXT.character_span(Entity("Peop", 0, 2)) is None


def test_surface():
    assert WITH_TEXT.surface(Entity("X", 1, 3)) == "Lee  works"
    assert WITHOUT_TEXT.surface(Entity("X", 1, 3)) == "Lee works"
    assert WITH_TEXT.surface(Entity("X", 4, 6)) == "Acme,"
    assert WITHOUT_TEXT.surface(Entity("X", 4, 6)) == "Acme ,"


def test_offsets_count_code_points():
    scientist, accented = "\U0001f469\u200d\U0001f52c", "e\u0301"
    text = f"{scientist} {accented}"
    sentence = Sentence([scientist, accented], text=text, offsets=[(0, 3), (4, 6)])
    assert sentence.surface(Entity("X", 0, 1)) == scientist
    assert sentence.surface(Entity("X", 1, 2)) == accented


def test_key_ignores_the_score_and_equality_does_not():
    assert Entity("A", 1, 3, 0.5).key == Entity("A", 1, 3).key == ("A", 1, 3)
    assert Entity("A", 1, 3, 0.5) != Entity("A", 1, 3)


@pytest.mark.parametrize(
    "a, b, overlap",
    [
        ((0, 1), (1, 2), False),
        ((0, 2), (1, 3), True),
        ((0, 4), (1, 2), True),
        ((1, 2), (1, 2), True),
        ((0, 1), (3, 4), False),
    ],
)
def test_overlaps(a, b, overlap):
    assert Entity("A", *a).overlaps(Entity("B", *b)) is overlap
    assert Entity("B", *b).overlaps(Entity("A", *a)) is overlap


def test_overlapping():
    entities = [Entity("A", *span) for span in [(0, 3), (3, 4), (2, 3), (5, 8), (6, 7), (4, 5)]]
    assert Sentence("abcdefgh", entities).overlapping() == {0, 2, 3, 4}
    assert Sentence("abcdefgh", entities[:2]).overlapping() == set()
    assert Sentence("abcdefgh").overlapping() == set()


def test_without_drops_the_relations_of_what_it_drops_and_renumbers_the_others():
    entities = [Entity("A", 0, 1), Entity("B", 1, 2), Entity("C", 2, 3), Entity("D", 3, 4)]
    relations = [Relation("r", 0, 1), Relation("s", 3, 2, 0.5), Relation("t", 2, 0)]
    sentence = Sentence("abcd", entities, relations, "x", "abcd", [(i, i + 1) for i in range(4)])
    left = sentence.without([0])
    assert left.entities == (entities[1], entities[2], entities[3])
    assert left.relations == (Relation("s", 2, 1, 0.5),)
    assert (left.tokens, left.id, left.text) == (sentence.tokens, "x", "abcd")
    assert sentence.without([]) == sentence
    assert sentence.without(iter(range(4))) == Sentence("abcd", (), (), "x", "abcd", left.offsets)


# JSON


def test_to_json_with_a_text():
    assert WITH_TEXT.to_json() == {
        "id": "s1",
        "text": TEXT,
        "tokens": list(TOKENS),
        "offsets": [list(span) for span in OFFSETS],
        "entities": [
            {"type": "Peop", "start": 0, "end": 2, "char_start": 0, "char_end": 7,
             "text": "Ann Lee"},
            {"type": "Org", "start": 4, "end": 5, "char_start": 19, "char_end": 23,
             "text": "Acme", "score": 0.5},
            {"type": "Loc", "start": 6, "end": 7, "char_start": 25, "char_end": 30,
             "text": "Paris"},
        ],
        "relations": [
            {"type": "Work_For", "head": 0, "tail": 1, "score": 0.25},
            {"type": "OrgBased_In", "head": 1, "tail": 2},
        ],
    }  # fmt: skip


def test_to_json_without_a_text():
    sentence = Sentence(["New", "York"], [Entity("Loc", 0, 2)])
    assert sentence.to_json() == {
        "id": "",
        "tokens": ["New", "York"],
        "entities": [{"type": "Loc", "start": 0, "end": 2, "text": "New York"}],
        "relations": [],
    }


@settings(deadline=None, max_examples=150)
@given(sentences())
def test_json_gives_an_equal_sentence_back(sentence):
    assert Sentence.from_json(json.loads(json.dumps(sentence.to_json()))) == sentence


def test_from_json_needs_tokens_only():
    assert Sentence.from_json({"tokens": ["a"]}) == Sentence(["a"])
    nothing = {"tokens": ["a"], "entities": None, "relations": None, "text": None, "offsets": None}
    assert Sentence.from_json(nothing) == Sentence(["a"])
    assert Sentence.from_json({"tokens": []}, source="f:3").source == "f:3"


def test_an_id_may_be_a_number():
    assert Sentence.from_json({"tokens": [], "id": 17}).id == "17"


def test_a_score_may_be_a_whole_number():
    record = {"tokens": ["a"], "entities": [{"type": "A", "start": 0, "end": 1, "score": 1}]}
    assert Sentence.from_json(record).entities[0].score == 1.0


@pytest.mark.parametrize("key", ["text", "char_start", "char_end"])
def test_a_derived_value_is_checked(key):
    record = WITH_TEXT.to_json()
    wrong = {"text": "Acne", "char_start": 18, "char_end": 24}[key]
    right = {"text": "'Acme'", "char_start": "19", "char_end": "23"}[key]
    record["entities"][1][key] = wrong
    with pytest.raises(SentenceError) as error:
        Sentence.from_json(record)
    assert str(error.value) == (
        f"the entity at tokens 4 to 5 has {key} {wrong!r}; its tokens give {right}"
    )


def test_a_derived_value_is_checked_without_a_text():
    entity = {"type": "Loc", "start": 0, "end": 2, "text": "New  York"}
    with pytest.raises(SentenceError, match="its tokens give 'New York'"):
        Sentence.from_json({"tokens": ["New", "York"], "entities": [entity]})


def test_a_derived_value_may_be_left_out():
    record = WITH_TEXT.to_json()
    for entity in record["entities"]:
        del entity["text"], entity["char_start"], entity["char_end"]
    assert Sentence.from_json(record) == WITH_TEXT


@pytest.mark.parametrize("value", [True, 1.0])
def test_a_derived_position_is_an_integer(value):
    entity = {"type": "A", "start": 0, "end": 1, "char_start": value}
    with pytest.raises(SentenceError, match="char_start"):
        Sentence.from_json(
            {"tokens": ["a"], "text": " a", "offsets": [[1, 2]], "entities": [entity]}
        )


def with_entity(**changes):
    return {"tokens": ["a", "b"], "entities": [{"type": "A", "start": 0, "end": 1, **changes}]}


def with_relation(**changes):
    entities = [{"type": "A", "start": 0, "end": 1}, {"type": "A", "start": 1, "end": 2}]
    relation = {"type": "r", "head": 0, "tail": 1, **changes}
    return {"tokens": ["a", "b"], "entities": entities, "relations": [relation]}


@pytest.mark.parametrize(
    "record, message",
    [
        ([], "a sentence is []; expected a JSON object"),
        ({}, "a sentence lacks the key 'tokens'; expected a list: {}"),
        ({"tokens": "ab"}, "the key 'tokens' of a sentence holds \"ab\"; expected a list"),
        ({"tokens": None}, "the key 'tokens' of a sentence holds null; expected a list"),
        ({"tokens": ["a", 1]}, "the list 'tokens' of a sentence holds 1; expected a string"),
        ({"tokens": [], "relation": []}, "a sentence has the key 'relation'; known keys are "
         "entities, id, meta, offsets, relations, sentences, text, tokens"),
        ({"tokens": [], "id": None}, "the key 'id' holds None; expected a string or a number"),
        ({"tokens": [], "id": True}, "the key 'id' holds True; expected a string or a number"),
        ({"tokens": [], "id": 1.5}, "the key 'id' holds 1.5; expected a string or a number"),
        ({"tokens": [], "text": 1}, "the key 'text' of a sentence holds 1; expected a string"),
        ({"tokens": [], "entities": {}},
         "the key 'entities' of a sentence holds {}; expected a list"),
        ({"tokens": [], "relations": False},
         "the key 'relations' of a sentence holds false; expected a list"),
        ({"tokens": [], "entities": [[0, 1]]},
         "the list 'entities' of a sentence holds [0, 1]; expected an object"),
        ({"tokens": ["a"], "entities": [{"type": "A", "start": 0}]},
         "an entity lacks the key 'end'; expected an integer: {\"type\": \"A\", \"start\": 0}"),
        (with_entity(label="B"), "an entity has the key 'label'; known keys are char_end, "
         "char_start, end, score, start, text, type"),
        (with_entity(type=1), "the key 'type' of an entity holds 1; expected a string"),
        (with_entity(start="0"), "the key 'start' of an entity holds \"0\"; expected an integer"),
        (with_entity(start=False),
         "the key 'start' of an entity holds false; expected an integer"),
        (with_entity(end=True), "the key 'end' of an entity holds true; expected an integer"),
        (with_entity(end=1.0), "the key 'end' of an entity holds 1.0; expected an integer"),
        (with_relation(head=False),
         "the key 'head' of a relation holds false; expected an integer"),
        (with_relation(tail=True), "the key 'tail' of a relation holds true; expected an integer"),
        (with_relation(type=None), "the key 'type' of a relation holds null; expected a string"),
        (with_relation(text="r"), "a relation has the key 'text'; known keys are head, score, "
         "tail, type"),
        ({"tokens": ["a"], "text": "a", "offsets": [1]},
         "the list 'offsets' of a sentence holds 1; expected a list"),
        ({"tokens": ["a"], "text": "a", "offsets": [[0]]},
         "an offset is [0]; expected [begin, end]"),
        ({"tokens": ["a"], "text": "a", "offsets": [[0, 1, 1]]},
         "an offset is [0, 1, 1]; expected [begin, end]"),
        ({"tokens": ["a"], "text": "a", "offsets": [[0, True]]},
         "an offset is [0, True]; expected [begin, end]"),
    ],
)  # fmt: skip
def test_from_json_says_what_is_wrong(record, message):
    with pytest.raises(SentenceError) as error:
        Sentence.from_json(record)
    assert str(error.value) == message


@pytest.mark.parametrize("make", [with_entity, with_relation])
@pytest.mark.parametrize("score", [nan, inf, -0.1, 1.5, True, "high", [0.5]])
def test_a_score_is_a_probability(make, score):
    with pytest.raises(SentenceError, match="the key 'score' holds .*; expected a number in"):
        Sentence.from_json(make(score=score))


def test_a_message_quotes_little():
    with pytest.raises(SentenceError) as error:
        Sentence.from_json({"tokens": "x" * 10_000})
    assert len(str(error.value)) < 200


def test_from_json_checks_the_sentence_itself():
    with pytest.raises(SentenceError, match="end <= 2, the number of tokens"):
        Sentence.from_json(with_entity(end=3))
