"""Records in, records out; and relations between entities that are given."""

import pytest

from joint_ner_re.predictors.loading import load_predictor
from joint_ner_re.sentence import Entity, Sentence, SentenceError

DOCUMENT = "Ada Marek lives in Kesh.  She works for Brod Mining! Hart\nshot Pell in Lisgard."


@pytest.fixture(scope="module")
def predictor(tiny_archive):
    predictor = load_predictor(str(tiny_archive))
    predictor.relation_threshold = 0.0
    return predictor


@pytest.fixture(scope="module")
def types(predictor):
    return predictor.entity_types


def test_given_entities_get_the_relations_that_the_model_gives_its_own(predictor):
    expected = predictor.predict_json({"text": DOCUMENT, "id": "a"})
    assert len(expected["relations"]) > 3
    given = [
        {key: entity[key] for key in ("type", "char_start", "char_end")}
        for entity in expected["entities"]
    ]
    (found,) = predictor.relate_json([({"text": DOCUMENT, "id": "a"}, given)])
    assert [{**e, "score": None} for e in found.pop("entities")] == [
        {**e, "score": None} for e in expected.pop("entities")
    ]
    scores = [[r.pop("score") for r in one["relations"]] for one in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert found == expected


def test_given_entities_keep_their_order_and_count_as_certain(predictor, types):
    tokens = ["Hart", "shot", "Pell", "."]
    given = [{"type": types[0], "start": 2, "end": 3}, {"type": types[1], "start": 0, "end": 1}]
    (found,) = predictor.relate_json([({"tokens": tokens}, given)])
    assert [(e["type"], e["text"], e["score"]) for e in found["entities"]] == [
        (types[0], "Pell", 1.0), (types[1], "Hart", 1.0),
    ]  # fmt: skip
    (turned,) = predictor.relate_json([({"tokens": tokens}, given[::-1])])
    pairs = [
        {(r["type"], o["entities"][r["head"]]["text"]): r["score"] for r in o["relations"]}
        for o in (found, turned)
    ]
    assert len(pairs[0]) == 2 * len(predictor._model.relation_types)
    assert pairs[0] == pytest.approx(pairs[1], abs=1e-6)


def test_an_entity_takes_whole_tokens_and_connects_sentences(predictor, types):
    begin, end = DOCUMENT.index("esh."), DOCUMENT.index("She") + 3
    given = [
        {"type": types[1], "char_start": 0, "char_end": 9},
        {"type": types[2], "char_start": DOCUMENT.index("Brod"), "char_end": 51},
        {"type": types[1], "char_start": DOCUMENT.index("Pell"), "char_end": 66},
    ]
    connecting = {"type": types[0], "char_start": begin, "char_end": end}
    (apart,) = predictor.relate_json([({"text": DOCUMENT}, given)])
    (found,) = predictor.relate_json([({"text": DOCUMENT}, [*given, connecting])])
    assert [e["text"] for e in found["entities"]] == [
        "Ada Marek", "Brod Mining", "Pell", "Kesh.  She",
    ]  # fmt: skip
    assert apart["relations"] == []
    pairs = {(relation["head"], relation["tail"]) for relation in found["relations"]}
    # The first two sentences are read as one, and the third is read alone.
    assert pairs == {(a, b) for a in (0, 1, 3) for b in (0, 1, 3) if a != b}
    assert found["sentences"] == [[0, 6], [6, 12], [12, 18]]


@pytest.mark.parametrize(
    "entity, reason",
    [
        ("Ada", "an entity is 'Ada'; expected an object such as"),
        (
            {"type": "Ghost", "start": 0, "end": 1},
            "the type 'Ghost', which the model does not know",
        ),
        ({"start": 0, "end": 1}, "the type None, which the model does not know"),
        ({"type": "Peop", "start": 0}, "has neither start and end nor char_start and char_end"),
        ({"type": "Peop", "start": 0, "end": True}, "has neither start and end nor char_start"),
        ({"type": "Peop", "start": 1, "end": 1}, "covers no token of the 2 tokens"),
        ({"type": "Peop", "start": 1, "end": 3}, "covers no token of the 2 tokens"),
        ({"type": "Peop", "char_start": 3, "char_end": 4}, "covers no token of the 2 tokens"),
    ],
)
def test_an_impossible_entity_is_an_error(predictor, entity, reason):
    with pytest.raises(SentenceError, match=reason):
        predictor.relate_json([({"tokens": ["Ada", "left"]}, [entity])])


def test_given_entities_in_a_sentence_that_is_too_long_are_an_error(predictor):
    with pytest.raises(SentenceError, match="a sentence of 2001 tokens with given entities"):
        predictor.relate_sentences([Sentence(["a"] * 2001)])
    with pytest.raises(SentenceError, match="the type 'Ghost'"):
        predictor.relate_sentences([Sentence(["a"], [Entity("Ghost", 0, 1)])])


def test_nothing_given_is_nothing_found(predictor):
    (empty, without) = predictor.relate_json([({"text": ""}, []), ({"text": DOCUMENT}, [])])
    assert (empty["tokens"], empty["relations"]) == ([], [])
    assert (without["entities"], without["relations"]) == ([], [])
